"""jit.script: from a function's or module's Python source to a program.

The source is rewritten so that nothing in it depends on where it stood: global names become constants, names of the library
or functions of the program; annotations go; branches on `is_scripting()` are taken.
"""

from __future__ import annotations

import ast
import builtins
import enum
import functools
import inspect
import linecache
import math
import textwrap
import types
import typing

import facula

from .. import _names
from ..nn import Module
from . import _types
from ._classes import SPECIAL, ClassText
from ._language import BUILTINS, EXCEPTIONS, path_of
from ._misc import isinstance as jit_isinstance
from ._modules import BASE_STATE, Program, RecursiveScriptModule, ScriptFunction, ScriptModule, build

_MISSING = object()


class NotSupportedError(RuntimeError):
    """The source uses Python that programs do not have."""


class UnsupportedNodeError(NotSupportedError):
    """A construct that programs do not have."""


# ---------------------------------------------------------------- what decorators say

def export(fn):
    """Marks a method that `script` compiles although forward does not call it."""
    fn._torchscript_modifier = "export"
    return fn


def ignore(drop=False, **kwargs):
    """Marks a method or function that stays Python; a module that calls one cannot be saved."""
    if callable(drop):
        drop._torchscript_modifier = "ignore"
        return drop

    def mark(fn):
        fn._torchscript_modifier = "unused" if drop else "ignore"
        return fn

    return mark


def unused(fn):
    """Marks a method or function that raises when the program calls it."""
    if isinstance(fn, property):
        fn.fget._torchscript_modifier = "unused"
        return fn
    fn._torchscript_modifier = "unused"
    return fn


def is_scripting():
    """False in Python; true where a program runs."""
    return False


def is_tracing():
    """Whether the calling code is being traced."""
    from .._capture import active

    return active() is not None


def annotate(the_type, the_value):
    """The value; the type is for readers."""
    return the_value


def _unwrap_optional(x):
    assert x is not None, "Unwrapping null optional"
    return x


# ---------------------------------------------------------------- the frontend

class _Frontend(ast.NodeTransformer):
    """Rewrites one function; `owner` is the unit that collects what it calls."""

    def __init__(self, function, unit, module=None, of_class=False):
        self.function, self.unit, self.module, self.of_class = function, unit, module, of_class
        self.names = {**function.__globals__}
        if function.__closure__:
            for name, cell in zip(function.__code__.co_freevars, function.__closure__):
                try:
                    self.names[name] = cell.cell_contents
                except ValueError:
                    pass
        try:
            lines, self.first = inspect.getsourcelines(function)
        except (OSError, TypeError) as error:
            raise OSError(f"Can't get source for {function}. TorchScript requires source access in order to carry out compilation, make sure "
                          "original .py files are available.") from error
        self.tree = self._definition(textwrap.dedent("".join(lines)))
        self.locals: set[str] = set()

    def _definition(self, text):
        try:
            found = ast.parse(text).body[0]
        except SyntaxError:
            found = None
        if not isinstance(found, ast.FunctionDef):
            self.refuse(None, "only functions written with `def` can be scripted (no lambdas, no coroutines)")
        return found

    def refuse(self, node, what, kind=NotSupportedError):
        place = ""
        if node is not None and hasattr(node, "lineno"):
            line = self.first + node.lineno - 1
            place = f"\n  File \"{self.function.__code__.co_filename}\", line {line}: {ast.unparse(node).splitlines()[0]}"
        raise kind(f"{what}:{place}\n'{self.function.__qualname__}' is being compiled for jit.script" if place else f"{what}")

    # ---- the whole
    def text(self, name):
        """The rewritten text, as a function called `name`."""
        tree = self.tree
        a = tree.args
        if a.vararg or a.kwarg:
            self.refuse(tree, "Compiled functions can't take variable number of arguments or use keyword-only arguments with defaults")
        self.locals = {x.arg for x in (*a.posonlyargs, *a.args, *a.kwonlyargs)}
        self.self_name = a.args[0].arg if (self.module is not None or self.of_class) and a.args else None
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self.locals.add(node.id)
        defaults = self.function.__defaults__ or ()
        a.defaults = [self.constant(d, tree) for d in defaults]
        a.kw_defaults = [self.constant(self.function.__kwdefaults__[x.arg], tree) if x.arg in (self.function.__kwdefaults__ or {}) else None
                         for x in a.kwonlyargs]
        a.args, a.posonlyargs = [*a.posonlyargs, *a.args], []
        self._annotate(tree, defaults)
        tree.decorator_list, tree.name = [], name
        tree.body = self.block(tree.body) or [ast.Pass()]
        if isinstance(tree.body[0], ast.Expr) and isinstance(tree.body[0].value, ast.Constant) and len(tree.body) > 1:
            del tree.body[0]  # the docstring
        if self.self_name not in (None, "self"):
            for node in ast.walk(tree):
                if isinstance(node, ast.Name) and node.id == self.self_name:
                    node.id = "self"
                elif isinstance(node, ast.arg) and node.arg == self.self_name:
                    node.arg = "self"
        return ast.unparse(ast.fix_missing_locations(tree)) + "\n"

    def _annotate(self, tree, defaults):
        """Puts the texts of types in place of annotations; what has none is a tensor, or of its default's type."""
        a = tree.args
        hints = _types.annotations_of(self.function, [x.arg for x in (*a.args, *a.kwonlyargs)])
        given = {**dict(zip([x.arg for x in a.args[len(a.args) - len(defaults):]], defaults)), **(self.function.__kwdefaults__ or {})}
        for x in (*a.args, *a.kwonlyargs):
            text = None
            if x.arg in hints and x.arg != self.self_name:
                text = _types.text_of(hints[x.arg], self.unit.class_text) or "Any"
            elif x.arg in given and not isinstance(given[x.arg], facula.Tensor):
                text = type(given[x.arg]).__name__ if type(given[x.arg]) in (bool, int, float, str) else "Any"
            if text is not None and given.get(x.arg, _MISSING) is None and not text.startswith(("Optional", "Any", "Union")):
                text = f"Optional[{text}]"
            x.annotation = text and ast.parse(text, mode="eval").body
        result = _types.text_of(hints["return"], self.unit.class_text) if "return" in hints else None
        tree.returns = result and ast.parse(result, mode="eval").body

    def block(self, statements):
        out = []
        for s in statements:
            result = self.visit(s)
            out.extend(result if isinstance(result, list) else [] if result is None else [result])
        return out

    # ---- names
    def constant(self, value, node):
        """The tree of an object of Python, or an error that it has none in a program."""
        if value is None or isinstance(value, (bool, int, float, str, complex)) and type(value).__module__ == "builtins":
            if isinstance(value, float) and not math.isfinite(value):
                text = "torch.nan" if value != value else "torch.inf" if value > 0 else "-torch.inf"
                return ast.parse(text, mode="eval").body
            return ast.Constant(value)
        if type(value) in (tuple, list):
            kind = ast.Tuple if type(value) is tuple else ast.List
            return kind([self.constant(v, node) for v in value], ast.Load())
        if isinstance(value, facula.device):
            return ast.parse(f"torch.device('{value}')", mode="eval").body
        path = path_of(value)
        if path is not None:
            return ast.parse(f"torch.{path}", mode="eval").body
        name = getattr(value, "__name__", None)
        if name in (*BUILTINS, *EXCEPTIONS) and getattr(builtins, name, None) is value:
            return ast.Name(name, ast.Load())
        if getattr(value, "__module__", None) == "math" and getattr(math, name, None) is value:
            return ast.parse(f"math.{name}", mode="eval").body
        if isinstance(value, ScriptFunction):
            return ast.parse(f"functions.{self.unit.adopt(value)}", mode="eval").body
        if isinstance(value, types.FunctionType):
            return ast.parse(f"functions.{self.unit.function(value)}", mode="eval").body
        if isinstance(value, type) and self.unit.class_text(value):
            return ast.parse(f"classes.{value.__name__}", mode="eval").body
        if isinstance(value, enum.Enum) and self.unit.class_text(type(value)):
            return ast.parse(f"classes.{type(value).__name__}.{value.name}", mode="eval").body
        if isinstance(value, facula.Tensor):
            self.refuse(node, "python value of type 'Tensor' cannot be used as a value. Perhaps it is a closed over global variable? If so, please "
                        "consider passing it in as an argument or use a local variable instead.", RuntimeError)
        self.refuse(node, f"python value of type '{type(value).__name__}' cannot be used as a value", RuntimeError)

    def static(self, node):
        """The object of Python that a name or dotted name outside of the function stands for, or _MISSING."""
        if isinstance(node, ast.Name):
            if node.id in self.locals:
                return _MISSING
            found = self.names.get(node.id, _MISSING)
            return getattr(builtins, node.id, _MISSING) if found is _MISSING else found
        if isinstance(node, ast.Attribute):
            owner = self.static(node.value)
            return _MISSING if owner is _MISSING else getattr(owner, node.attr, _MISSING)
        return _MISSING

    def is_self(self, node):
        return self.self_name is not None and isinstance(node, ast.Name) and node.id == self.self_name

    def visit_Name(self, node):
        if node.id in self.locals or not isinstance(node.ctx, ast.Load):
            return node
        value = self.static(node)
        if value is _MISSING:
            self.refuse(node, f"undefined value {node.id}", RuntimeError)
        return ast.copy_location(self.constant(value, node), node)

    def visit_Attribute(self, node):
        value = self.static(node)
        if value is not _MISSING:
            return ast.copy_location(self.constant(value, node), node)
        if self.static(node.value) is not _MISSING and not isinstance(self.static(node.value), facula.dtype):
            self.refuse(node, f"{ast.unparse(node)} does not exist", RuntimeError)
        if self.module is not None and self.is_self(node.value) and isinstance(node.ctx, ast.Load):
            replaced = self.unit.attribute(node.attr, self, node)
            if replaced is not None:
                return ast.copy_location(replaced, node)
        return self.generic_visit(node)

    # ---- statements and calls that mean something else here
    def visit_Call(self, node):
        called = self.static(node.func)
        if called in (is_scripting, facula.jit.is_scripting):
            return ast.copy_location(ast.Constant(True), node)
        if called is is_tracing or getattr(called, "__name__", "").startswith("has_torch_function"):
            return ast.copy_location(ast.Constant(False), node)
        if called is annotate or getattr(called, "__qualname__", "") == "cast" and getattr(called, "__module__", "") == "typing":
            return self.visit(node.args[1])
        if called is _unwrap_optional:
            return self.visit(node.args[0])
        if called in (isinstance, jit_isinstance) and len(node.args) == 2:
            return ast.copy_location(self._isinstance(node), node)
        base = self._of_base(node.func)
        if base is not None:
            return ast.copy_location(ast.Call(base, [self.visit(x) for x in node.args], [self.visit(k) for k in node.keywords]), node)
        if isinstance(node.func, ast.Name) and node.func.id in ("getattr", "hasattr") and node.args and self.is_self(node.args[0]) \
                and len(node.args) > 1 and isinstance(node.args[1], ast.Constant):
            name = node.args[1].value
            if node.func.id == "hasattr":
                return ast.copy_location(ast.Constant(self.module is not None and hasattr(self.module, name)), node)
            return self.visit(ast.copy_location(ast.Attribute(node.args[0], name, ast.Load()), node))
        return self.generic_visit(node)

    def _isinstance(self, node):
        """A test of a type, by the type's text."""
        scope = {**vars(builtins), **self.names}
        try:
            kind = eval(compile(ast.Expression(node.args[1]), "<type>", "eval"), scope)  # the user's own annotation
        except Exception as error:  # noqa: BLE001 - whatever evaluating it raises
            self.refuse(node, f"the type in isinstance cannot be read ({error})")
        texts = [_types.text_of({list: typing.List[typing.Any], tuple: typing.Any, dict: typing.Dict[typing.Any, typing.Any]}.get(k, k),
                                self.unit.class_text) for k in (kind if isinstance(kind, tuple) else (kind,))]
        if kind in (tuple, list, dict):
            return ast.Call(ast.Name("isinstance", ast.Load()), [self.visit(node.args[0]), ast.Name(kind.__name__, ast.Load())], [])
        if None in texts:
            self.refuse(node, f"{ast.unparse(node.args[1])} is no type of programs")
        text = texts[0] if len(texts) == 1 else f"Union[{', '.join(texts)}]"
        return ast.Call(ast.parse("torch.jit.isinstance", mode="eval").body, [self.visit(node.args[0]), ast.Constant(text)], [])

    def _of_base(self, node):
        """The tree of `super().name` as a method of its own."""
        if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Call) and self.static(node.value.func) is super):
            return None
        if self.module is None:
            self.refuse(node, "super() is not supported outside of modules")
        owner = self.names.get("__class__") if not node.value.args else self.static(node.value.args[0])
        order = type(self.module).__mro__
        for kind in order[order.index(owner) + 1:]:
            if node.attr in vars(kind):
                name = f"_super_{kind.__name__}_{node.attr}"
                self.unit.method(name, vars(kind)[node.attr])
                return ast.Attribute(ast.Name(self.self_name, ast.Load()), name, ast.Load())
        return self.refuse(node, f"{ast.unparse(node)} does not exist")

    def visit_BoolOp(self, node):
        values = [self.visit(v) for v in node.values]
        stop = isinstance(node.op, ast.Or)
        kept = []
        for v in values:
            if isinstance(v, ast.Constant) and isinstance(v.value, bool):
                if v.value is stop:
                    return ast.copy_location(ast.Constant(stop), node) if not kept else ast.BoolOp(node.op, [*kept, v])
                continue
            kept.append(v)
        if not kept:
            return ast.copy_location(ast.Constant(not stop), node)
        return kept[0] if len(kept) == 1 else ast.copy_location(ast.BoolOp(node.op, kept), node)

    def visit_UnaryOp(self, node):
        operand = self.visit(node.operand)
        if isinstance(node.op, ast.Not) and isinstance(operand, ast.Constant) and isinstance(operand.value, bool):
            return ast.copy_location(ast.Constant(not operand.value), node)
        return ast.copy_location(ast.UnaryOp(node.op, operand), node)

    def visit_If(self, node):
        test = self.visit(node.test)
        if isinstance(test, ast.Constant) and isinstance(test.value, bool):
            return self.block(node.body if test.value else node.orelse)
        return ast.copy_location(ast.If(test, self.block(node.body) or [ast.Pass()], self.block(node.orelse)), node)

    def visit_IfExp(self, node):
        test = self.visit(node.test)
        if isinstance(test, ast.Constant) and isinstance(test.value, bool):
            return self.visit(node.body if test.value else node.orelse)
        return ast.copy_location(ast.IfExp(test, self.visit(node.body), self.visit(node.orelse)), node)

    def visit_AnnAssign(self, node):
        if node.value is None:
            return None
        return ast.copy_location(ast.Assign([self.visit(node.target)], self.visit(node.value)), node)

    def visit_Expr(self, node):
        value = self.static(node.value.func) if isinstance(node.value, ast.Call) else _MISSING
        if getattr(value, "__module__", "") == "warnings":
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)

    def _unsupported(self, node):
        self.refuse(node, f"{type(node).__name__} aren't supported", UnsupportedNodeError)

    visit_Try = visit_Lambda = visit_FunctionDef = visit_ClassDef = visit_Import = visit_ImportFrom = visit_Yield = visit_YieldFrom = \
        visit_Global = visit_Nonlocal = visit_AsyncFunctionDef = visit_Await = visit_NamedExpr = visit_Match = _unsupported


class _Unit:
    """Collects the methods and functions that one program needs."""

    def __init__(self, module=None):
        self.module = module
        self.methods: dict[str, str] = {}
        self.functions: dict[str, str] = {}
        self.constants: dict[str, object] = {}
        self.ignored: dict[str, object] = {}
        self.classes: dict[str, object] = {}
        self._names: dict[object, str] = {}

    def function(self, function):
        """The program's name of a function of Python, compiling it when it is met first."""
        modifier = getattr(function, "_torchscript_modifier", None)
        if modifier in ("ignore", "unused"):
            raise NotSupportedError(f"'{function.__qualname__}' is marked with jit.{modifier}: functions outside of a module cannot be left in Python")
        if function not in self._names:
            name = function.__name__
            while name in self.functions:
                name += "_"
            self._names[function] = name
            self.functions[name] = ""  # it may call itself
            self.functions[name] = _Frontend(function, self).text(name)
        return self._names[function]

    def adopt(self, scripted):
        """The functions of a script that is called."""
        program = scripted._program
        for name, text in program.functions.items():
            if self.functions.get(name, text) != text:
                raise NotSupportedError(f"two scripted functions are called {name!r}")
            self.functions[name] = text
        self.constants.update(program.constants)
        self.classes.update(program.classes)
        return program.name

    def class_text(self, kind):
        """The program's name of a class of Python, compiling it when it is met first; None if programs cannot have it."""
        if not isinstance(kind, type) or kind.__module__ in ("builtins", "typing") or path_of(kind):
            return None
        name = kind.__name__
        if name in self.classes:
            if self.classes[name].original is not kind:
                raise NotSupportedError(f"two classes are called {name!r}")
            return name
        if _types.is_enum(kind):
            self.classes[name] = ClassText("enum", values={m.name: m.value for m in kind}, original=kind)
        elif _types.is_named_tuple(kind):
            self.classes[name] = ClassText("tuple", list(kind._fields), dict(kind._field_defaults), original=kind)
        elif issubclass(kind, (Module, facula.Tensor, BaseException)) or not name.isidentifier() or len(kind.__mro__) > 2:
            return None
        else:
            self._plain_class(name, kind)
        return name

    def _plain_class(self, name, kind):
        made = self.classes[name] = ClassText("class", original=kind)
        for method, function in vars(kind).items():
            if isinstance(function, types.FunctionType) and getattr(function, "_torchscript_modifier", None) not in ("ignore", "unused"):
                if method.startswith("__") and method not in SPECIAL:
                    continue
                made.methods[method] = _Frontend(function, self, of_class=True).text(method)

    def method(self, name, function=None):
        """Compiles a method of the module, by default its class's of that name."""
        if name in self.methods or name in self.ignored:
            return
        function = function or getattr(type(self.module), name)
        modifier = getattr(function, "_torchscript_modifier", None)
        if modifier == "ignore":
            self.ignored[name] = function
            return
        if modifier == "unused":
            self.methods[name] = _unused_text(name, function)
            return
        self.methods[name] = ""
        self.methods[name] = _Frontend(function, self, self.module).text(name)

    def attribute(self, name, frontend, node):
        """Called for every `self.name`: compiles methods, and gives another tree where it means something else."""
        module = self.module
        if name in module._parameters or name in module._buffers or name in module._modules:
            return None
        if name in module.__dict__:
            value = module.__dict__[name]
            return frontend.constant(value, node) if isinstance(value, (types.FunctionType, ScriptFunction)) or path_of(value) else None
        found = inspect.getattr_static(type(module), name, _MISSING)
        if isinstance(found, staticmethod):
            return ast.parse(f"functions.{self.function(found.__func__)}", mode="eval").body
        if isinstance(found, types.FunctionType):
            if found.__module__.startswith("facula.nn.modules.module") or _names.to_facula(found.__module__).startswith("facula.nn.modules.module"):
                frontend.refuse(node, f"a program cannot call the module's {name}()")
            self.method(name)
            return None
        if isinstance(found, property):
            getter = f"_get_{name}"
            if getter not in self.methods:
                self.methods[getter] = ""
                self.methods[getter] = _Frontend(found.fget, self, module).text(getter)
            return ast.Call(ast.Attribute(node.value, getter, ast.Load()), [], [])
        if found is not _MISSING:
            return frontend.constant(found, node)
        frontend.refuse(node, f"Module '{type(module).__name__}' has no attribute '{name}'", RuntimeError)


def _unused_text(name, function):
    arguments = ", ".join(function.__code__.co_varnames[:function.__code__.co_argcount])
    return f'def {name}({arguments}):\n    raise RuntimeError("{name} is marked with jit.unused: the program cannot call it")\n'


# ---------------------------------------------------------------- modules

def library_class(module):
    """The class of the package that says what the module's forward does, or None if that is the user's code."""
    for kind in type(module).__mro__:
        if _names.to_facula(kind.__module__).startswith(("facula.nn.modules.", "facula.vision.")):
            return kind
        if "forward" in vars(kind):
            return None
    return None


def script_module(module, memo=None):
    """The scripted form of a module and of its children; tensors are shared with the original."""
    memo = {} if memo is None else memo
    if isinstance(module, ScriptModule):
        return module
    if id(module) in memo:
        return memo[id(module)]
    if module._forward_hooks or module._forward_pre_hooks:
        raise NotSupportedError(f"{type(module).__name__} has forward hooks, which a program does not run: remove them before scripting")
    kind = library_class(module)
    state = {k: v for k, v in module.__dict__.items() if k not in BASE_STATE or k in ("training", "_non_persistent_buffers_set")}
    state = {k: v for k, v in state.items() if k != "_hooked"}
    if kind is not None:
        program = Program(type(module).__name__, {"forward": _library_text(kind)})
        children = {name: child and script_module(child, memo) for name, child in module._modules.items()}
        made = build(program, state, kind)
    else:
        unit = _Unit(module)
        unit.method("forward")
        python = {}
        for name in dir(type(module)):
            found = inspect.getattr_static(type(module), name, None)
            modifier = getattr(found, "_torchscript_modifier", None)
            if modifier == "export":
                unit.method(name)
            elif modifier == "ignore":
                python[name] = found
        children = {name: child and script_module(child, memo) for name, child in module._modules.items()}
        program = Program(type(module).__name__, unit.methods, unit.functions, unit.constants, unit.classes, unit.ignored, python)
        state = {k: v for k, v in state.items() if not isinstance(v, (types.FunctionType, ScriptFunction))}
        made = build(program, state)
    made.__dict__["_parameters"], made.__dict__["_buffers"] = module._parameters, module._buffers
    made.__dict__["_modules"] = children
    memo[id(module)] = made
    return made


def compiled_after_init(cls, init):
    """An `__init__` after which the methods marked by `script_method` are compiled: of classes that derive from ScriptModule."""
    @functools.wraps(init)
    def call(self, *args, **kwargs):
        init(self, *args, **kwargs)
        if type(self) is cls:
            _compile_marked(self, cls)

    return call


def _compile_marked(module, cls):
    unit, memo = _Unit(module), {}
    for name in dir(cls):
        if getattr(inspect.getattr_static(cls, name, None), "_torchscript_modifier", None) in ("script_method", "export"):
            unit.method(name)
    for name, child in module._modules.items():
        module._modules[name] = child and script_module(child, memo)
    program = Program(cls.__name__, unit.methods, unit.functions, unit.constants, unit.classes, unit.ignored)
    made = type(build(program, {}))
    members = {n: vars(made)[n] for n in (*program.methods, *program.ignored, "_program", "_program_names")}
    module.__class__ = type(cls.__name__, (cls,), {**members, "__module__": cls.__module__})


def _library_text(kind):
    try:
        return textwrap.dedent(inspect.getsource(kind.forward))
    except (OSError, TypeError):
        return ""


def script(obj, optimize=None, _frames_up=0, _rcb=None, example_inputs=None):
    """Compiles a function's or module's source into a program that runs, and can be saved, without it.

    Args:
        obj: A function, a module, or a class (which is given back: its instances are scripted with their module).

    Raises:
        NotSupportedError: The source uses Python that programs do not have; the message names the line.
    """
    if isinstance(obj, (ScriptModule, ScriptFunction)):
        return obj
    if isinstance(obj, Module):
        return script_module(obj)
    if isinstance(obj, type):
        if issubclass(obj, Module):
            raise RuntimeError(f"Type '{obj}' cannot be compiled since it inherits from nn.Module, consider passing an instance instead")
        return obj
    if path_of(obj):  # an operation of the library is what it is
        return obj
    if not isinstance(obj, types.FunctionType):
        obj = getattr(obj, "__func__", None) or getattr(type(obj), "__call__", obj)
    if not isinstance(obj, types.FunctionType):
        raise NotSupportedError(f"jit.script takes functions and modules, not {type(obj).__name__}")
    unit = _Unit()
    name = unit.function(obj)
    return ScriptFunction(Program(name, {}, unit.functions, unit.constants, unit.classes), obj)


class CompilationUnit:
    """Functions compiled from a text; each is an attribute.

    Args:
        lang: Definitions of functions; `torch`, `Tensor` and the names of `typing` are known in it.

    Raises:
        NotSupportedError: The text holds something else than functions.
    """

    def __init__(self, lang=None, _frames_up=0):
        self._functions = {}
        if lang is not None:
            self.define(lang)

    def define(self, lang, rcb=None, _frames_up=0):
        """Compiles more functions."""
        text = textwrap.dedent(lang)
        tree = ast.parse(text)
        if not all(isinstance(node, ast.FunctionDef) and not node.decorator_list for node in tree.body):
            raise NotSupportedError("a CompilationUnit holds functions only")
        file = f"<CompilationUnit {id(self):x} {len(self._functions)}>"
        linecache.cache[file] = (len(text), None, text.splitlines(True), file)
        scope = {**{n: getattr(typing, n) for n in typing.__all__}, "torch": facula, "Tensor": facula.Tensor, "__name__": "__torch__", **self._functions}
        exec(compile(tree, file, "exec"), scope)  # definitions alone, of the caller's own text
        for node in tree.body:
            self._functions[node.name] = script(scope[node.name])

    def __getattr__(self, name):
        try:
            return self.__dict__["_functions"][name]
        except KeyError:
            raise AttributeError(f"'CompilationUnit' has no attribute '{name}'") from None

    def get_functions(self):
        """The functions."""
        return list(self._functions.values())


__all__ = ["CompilationUnit", "script", "script_module", "export", "ignore", "unused", "is_scripting", "is_tracing", "annotate", "NotSupportedError",
           "UnsupportedNodeError", "RecursiveScriptModule"]
