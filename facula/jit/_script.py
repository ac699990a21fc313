"""jit.script: what one program needs is collected from functions, classes and modules of Python, and built."""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import textwrap
import types
import typing

import facula

from .. import _names
from ..nn import Module
from . import _types
from ._classes import SPECIAL, ClassText
from ._language import path_of
from ._modules import BASE_STATE, Program, ScriptFunction, ScriptModule, build
from .frontend import MISSING, Frontend, NotSupportedError

__all__ = ["CompilationUnit", "script", "script_module"]


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
            self.functions[name] = Frontend(function, self).text(name)
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
                made.methods[method] = Frontend(function, self, of_class=True).text(method)

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
        self.methods[name] = Frontend(function, self, self.module).text(name)

    def attribute(self, name, frontend, node):
        """Called for every `self.name`: compiles methods, and gives another tree where it means something else."""
        module = self.module
        if name in module._parameters or name in module._buffers or name in module._modules:
            return None
        if name in module.__dict__:
            value = module.__dict__[name]
            return frontend.constant(value, node) if isinstance(value, (types.FunctionType, ScriptFunction)) or path_of(value) else None
        found = inspect.getattr_static(type(module), name, MISSING)
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
                self.methods[getter] = Frontend(found.fget, self, module).text(getter)
            return ast.Call(ast.Attribute(node.value, getter, ast.Load()), [], [])
        if found is not MISSING:
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
