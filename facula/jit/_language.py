"""The language of saved programs: a small part of Python that can compute on tensors and nothing else.

A program's text is parsed, every construct is checked against the lists below, dotted names of the library are resolved to
the very functions, and only then is it compiled. There is no way from it to files, imports or the interpreter's insides,
so a program from a stranger can be loaded and run.
"""

from __future__ import annotations

import ast
import builtins
import functools
import math

import facula

from .._native import core
from . import _classes, _types

_STATEMENTS = (ast.Assign, ast.AugAssign, ast.Expr, ast.If, ast.For, ast.While, ast.Return, ast.Pass, ast.Break, ast.Continue, ast.Assert,
               ast.Raise, ast.Delete, ast.With, ast.withitem)
_EXPRESSIONS = (ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.IfExp, ast.Dict, ast.List, ast.Tuple, ast.Set, ast.Compare, ast.Call, ast.keyword,
                ast.Constant, ast.Attribute, ast.Subscript, ast.Slice, ast.Name, ast.ListComp, ast.DictComp, ast.GeneratorExp,
                ast.comprehension, ast.JoinedStr, ast.FormattedValue, ast.Starred, ast.expr_context, ast.operator, ast.boolop, ast.unaryop,
                ast.cmpop)
BUILTINS = ("abs all any bool dict divmod enumerate float int isinstance len list max min pow print range reversed round set slice sorted "
            "str sum tuple zip complex ord chr hash hex bin oct").split()
EXCEPTIONS = ("Exception ValueError TypeError RuntimeError IndexError KeyError AssertionError NotImplementedError AttributeError "
              "ZeroDivisionError StopIteration").split()
_NATIVE = ("size dim ndimension numel nelement stride item tolist detach is_contiguous is_complex is_floating_point requires_grad_ "
           "element_size to float double half bfloat16 int long bool short char byte cfloat cdouble type_as type cpu cuda expand_as view_as "
           "reshape_as shape ndim dtype device layout T mT H mH real imag requires_grad grad is_cuda is_leaf data is_sparse is_quantized "
           "data_ptr get_device is_meta itemsize nbytes index").split()
_CONTAINERS = ("append extend insert pop remove clear sort reverse copy index count keys values items get setdefault update join split "
               "strip lstrip rstrip lower upper startswith endswith replace add union is_integer bit_length find rfind rindex isdigit isalpha isalnum "
               "isspace istitle isupper islower isnumeric isdecimal isidentifier isprintable capitalize title swapcase center ljust rjust zfill "
               "expandtabs splitlines partition rpartition rsplit popitem wait done value").split()
_RESULTS = "values indices min max Q R L U S V Vh sign logabsdet eigenvalues eigenvectors solution mantissa exponent hist bin_edges".split()
_MATH = [n for n in dir(math) if not n.startswith("_")]
_VALUES = "inf nan pi e strided contiguous_format channels_last channels_last_3d preserve_format".split()
_OTHERS = ("tensor as_tensor scalar_tensor is_tensor numel is_floating_point is_complex get_default_dtype is_grad_enabled no_grad enable_grad "
           "result_type can_cast promote_types finfo iinfo device Size Tensor broadcast_shapes manual_seed").split()


class ProgramError(RuntimeError):
    """A program uses what the language does not have."""


@functools.cache
def methods():
    """Names of what may be read from tensors, lists, dicts and strings."""
    names = {n for n in facula.ops.methods if not n.startswith("_")}
    return frozenset(names.union(_NATIVE, _CONTAINERS, _RESULTS))


@functools.cache
def library():
    """What programs can name: path (without `torch.`) -> object."""
    found = {}
    for namespace, functions in facula.ops.functions.items():
        for name, function in functions.items():
            found[f"{namespace}.{name}" if namespace else name] = function
    for name, method in facula.ops.methods.items():  # in-place forms and methods that are no functions
        found.setdefault(name, method)
    for name in facula.nn.functional.__dict__:
        value = getattr(facula.nn.functional, name)
        if callable(value) and not name.startswith("_") and not isinstance(value, type):
            found.setdefault(f"nn.functional.{name}", value)
    from . import _misc

    found.update({"jit.fork": _misc.fork, "jit.wait": _misc.wait, "jit.isinstance": _types.is_instance})
    for name in (*_VALUES, *_OTHERS):
        if hasattr(facula, name):
            found[name] = getattr(facula, name)
    for name in dir(facula):
        if isinstance(getattr(facula, name, None), core.dtype):
            found[name] = getattr(facula, name)
    return found


@functools.cache
def _path_of_id():
    paths: dict[int, str] = {}
    for path, value in sorted(library().items(), key=lambda item: (item[0].count("."), item[0].startswith("_"))):
        if not isinstance(value, (int, float, str)):
            paths.setdefault(id(value), path)
    return paths


def path_of(value):
    """The library's path of an object, or None."""
    return _path_of_id().get(id(value))


def attribute(owner, name):
    """`owner.name` for names that only modules have: their parameters, buffers, submodules, attributes and methods."""
    if isinstance(owner, facula.nn.Module):
        for table in ("_parameters", "_buffers", "_modules"):
            if name in owner.__dict__[table]:
                return owner.__dict__[table][name]
        if name == "training" or name in getattr(owner, "_program_names", ()):
            return getattr(owner, name)
        if name in owner.__dict__ and not name.startswith("_"):
            return owner.__dict__[name]
        if callable(getattr(type(owner), name, None)) and name in ("forward", "flatten_parameters"):
            return getattr(owner, name)
        hidden = owner.__dict__.get("_hidden")  # of a frozen module
        if hidden and name in hidden:
            return hidden[name]
    try:
        return _classes.get(owner, name)
    except LookupError:
        pass
    raise AttributeError(f"{type(owner).__name__!r} object has no attribute {name!r} that a program can use")


def getattribute(owner, name):
    """The program's `getattr(owner, "name")`."""
    return attribute(owner, name)


def sizes(owner):
    """The program's `x.shape` and `x.size()`: a list."""
    return list(owner.shape) if isinstance(owner, facula.Tensor) else attribute(owner, "shape")


def sizes_by_call(owner, *args):
    """The program's `x.size()`: a list."""
    found = owner.size(*args) if isinstance(owner, facula.Tensor) else attribute(owner, "size")(*args)
    return list(found) if isinstance(found, tuple) else found


def rounded(x, digits=None):
    """The program's `round`: of a float it is a float."""
    return float(round(x)) if digits is None and isinstance(x, float) else round(x, digits)


def failure(where, kind, *message):
    """What the program's `raise kind(message)` raises."""
    text = ", ".join(str(m) for m in message)
    return _types.Error("The following operation failed in the TorchScript interpreter.\nTraceback of TorchScript (most recent call last):\n"
                        f"  in {where}\n{kind}: {text}\n")


class _Checker(ast.NodeTransformer):
    """Checks a function's tree, and replaces dotted library names by bindings to the objects."""

    def __init__(self, name, functions, constants, classes, of_class=False):
        self.where, self.functions, self.constants, self.classes, self.of_class = name, functions, constants, classes, of_class
        self.bindings: dict[str, object] = {}

    def refuse(self, node, what):
        line = f", line {node.lineno}" if hasattr(node, "lineno") else ""
        raise ProgramError(f"{self.where}{line}: {what}")

    def generic_visit(self, node):
        if not isinstance(node, (_STATEMENTS, _EXPRESSIONS)):
            self.refuse(node, f"{type(node).__name__} is not part of the language of saved programs")
        return super().generic_visit(node)

    def visit_Name(self, node):
        if node.id.startswith("__"):
            self.refuse(node, f"the name {node.id!r} is not allowed")
        if isinstance(node.ctx, ast.Load):
            if node.id in BUILTINS or node.id in EXCEPTIONS:
                self.bindings[node.id] = rounded if node.id == "round" else getattr(builtins, node.id)
            elif node.id == "getattr":
                self.bindings[node.id] = getattribute
        return node

    def visit_Attribute(self, node):
        path = _dotted(node)
        if path and isinstance(node.ctx, ast.Load):
            root, _, rest = path.partition(".")
            found = self._resolve(node, root, rest)
            if found is not None:
                return found
        if node.attr.startswith("__"):
            self.refuse(node, f"the attribute {node.attr!r} is not allowed")
        if isinstance(node.ctx, (ast.Store, ast.Del)):
            if not (isinstance(node.value, ast.Name) and node.value.id == "self") or node.attr.startswith("_") and not self.of_class:
                self.refuse(node, f"assignment to the attribute {node.attr!r}: only attributes of self can be assigned")
            return node
        value = self.visit(node.value)
        if node.attr == "shape":
            return self._helper(node, sizes, value)
        if node.attr in methods() and node.attr not in ("value", "wait", "done"):
            if node.attr == "to" or not isinstance(value, ast.Name) or value.id != "self":
                return ast.copy_location(ast.Attribute(value, node.attr, ast.Load()), node)
        return self._helper(node, attribute, value, ast.Constant(node.attr))

    def _helper(self, node, function, *arguments):
        """A call of one of this file's functions."""
        name = f"__{function.__name__}"
        self.bindings[name] = function
        return ast.copy_location(ast.Call(ast.Name(name, ast.Load()), list(arguments), []), node)

    def visit_Assign(self, node):
        target = node.targets[0]
        if len(node.targets) == 1 and isinstance(target, ast.Attribute) and not (isinstance(target.value, ast.Name) and target.value.id == "self"):
            if target.attr.startswith("__"):
                self.refuse(node, f"the attribute {target.attr!r} is not allowed")
            call = self._helper(node, _classes.put, self.visit(target.value), ast.Constant(target.attr), self.visit(node.value))
            return ast.copy_location(ast.Expr(call), node)
        return self.generic_visit(node)

    def visit_AugAssign(self, node):
        target = node.target
        if isinstance(target, ast.Attribute) and not (isinstance(target.value, ast.Name) and target.value.id == "self"):
            read = ast.Attribute(target.value, target.attr, ast.Load())
            return self.visit_Assign(ast.copy_location(ast.Assign([target], ast.BinOp(read, node.op, node.value)), node))
        return self.generic_visit(node)

    def visit_Raise(self, node):
        exc = node.exc
        name = exc.func if isinstance(exc, ast.Call) else exc
        if node.cause is not None or not isinstance(name, ast.Name) or name.id not in EXCEPTIONS:
            return self.generic_visit(node)
        arguments = [self.visit(a) for a in exc.args] if isinstance(exc, ast.Call) else []
        return ast.copy_location(ast.Raise(self._failed(node, name.id, *arguments)), node)

    def visit_Assert(self, node):
        test = ast.UnaryOp(ast.Not(), self.visit(node.test))
        message = [self.visit(node.msg)] if node.msg is not None else []
        return ast.copy_location(ast.If(test, [ast.Raise(self._failed(node, "AssertionError", *message))], []), node)

    def _failed(self, node, kind, *message):
        return self._helper(node, failure, ast.Constant(self.where), ast.Constant(kind), *message)

    def _resolve(self, node, root, rest):
        if root == "torch":
            found = library().get(rest)
            if found is None:
                # torch.x.y may be an attribute of a value: torch.inf.y makes no sense, torch.float32.itemsize does
                parent = library().get(rest.rpartition(".")[0])
                if parent is None:
                    self.refuse(node, f"torch.{rest} is not in the library that programs can use")
                return None
            return self._bind(node, "__torch_" + rest.replace(".", "__"), found)
        if root == "math":
            if rest not in _MATH:
                self.refuse(node, f"math.{rest} does not exist")
            return self._bind(node, "__math_" + rest, getattr(math, rest))
        if root == "functions":
            if rest not in self.functions:
                self.refuse(node, f"the program has no function {rest!r}")
            return ast.copy_location(ast.Name("__function_" + rest, ast.Load()), node)
        if root == "constants":
            if rest not in self.constants:
                self.refuse(node, f"the program has no constant {rest!r}")
            return self._bind(node, "__constant_" + rest, self.constants[rest])
        if root == "classes":
            name, _, member = rest.partition(".")
            if name not in self.classes or member and (self.classes[name].kind != "enum" or member not in self.classes[name].values):
                self.refuse(node, f"the program has no class {rest!r}")
            found = ast.Name("__class_" + name, ast.Load())
            return ast.copy_location(ast.Attribute(found, member, ast.Load()) if member else found, node)
        return None

    def _bind(self, node, name, value):
        self.bindings[name] = value
        return ast.copy_location(ast.Name(name, ast.Load()), node)

    def visit_Call(self, node):
        if isinstance(node.func, ast.Attribute) and node.func.attr == "format":
            text = node.func.value
            if not (isinstance(text, ast.Constant) and isinstance(text.value, str)) or any(c in text.value for c in "._["):
                plain = isinstance(text, ast.Constant) and isinstance(text.value, str) and not _reaches_inside(text.value)
                if not plain:
                    self.refuse(node, "str.format needs a literal text whose fields name no attributes")
            return ast.copy_location(ast.Call(ast.Attribute(text, "format", ast.Load()), [self.visit(a) for a in node.args],
                                              [self.visit(k) for k in node.keywords]), node)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "size" and not node.args and not node.keywords:
            return self._helper(node, sizes_by_call, self.visit(node.func.value))
        if isinstance(node.func, ast.Name) and node.func.id == "getattr" and \
                not (len(node.args) == 2 and isinstance(node.args[1], ast.Constant) and isinstance(node.args[1].value, str)):
            self.refuse(node, "getattr needs a literal name")
        return self.generic_visit(node)


def _reaches_inside(text):
    import string

    return any(f is not None and any(c in f for c in ".[") for _, f, _, _ in string.Formatter().parse(text))


def _dotted(node):
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else None


def _check_signature(checker, tree, skip_self):
    """The function's schema; annotations are taken out of the tree."""
    a = tree.args
    if a.vararg or a.kwarg or a.posonlyargs or tree.decorator_list or not isinstance(tree, ast.FunctionDef):
        checker.refuse(tree, "functions take named arguments only, without decorators")
    try:
        schema = _types.schema_of(tree, skip_self)
    except ValueError as error:
        checker.refuse(tree, str(error))
    for arg in (*a.args, *a.kwonlyargs):
        if arg.arg.startswith("__"):
            checker.refuse(tree, f"the argument {arg.arg!r} is not allowed")
        arg.annotation = None
    tree.returns = None
    a.defaults = [checker.visit(d) for d in a.defaults]
    a.kw_defaults = [d and checker.visit(d) for d in a.kw_defaults]
    return schema


def parse_function(name, text):
    """The tree of a text of one function.

    Raises:
        ProgramError: It is none.
    """
    if not isinstance(text, str):
        raise ProgramError(f"{name}: expected the text of one function")
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ProgramError(f"{name}: the text is no program: {error}") from None
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.FunctionDef):
        raise ProgramError(f"{name}: expected the text of one function")
    return tree


def compile_functions(methods_source, functions_source=None, constants=None, classes=None):
    """Checks and compiles a program's texts.

    Args:
        methods_source: name -> text of one `def` whose first argument is self.
        functions_source: name -> text of one `def`, named `functions.name` in the texts.
        constants: name -> tensor, named `constants.name` in the texts.
        classes: name -> ClassText, named `classes.name` in the texts.

    Returns:
        (methods by name, functions by name); each has its `schema`.

    Raises:
        ProgramError: A text uses something that the language does not have.
    """
    functions_source, constants, classes = functions_source or {}, constants or {}, classes or {}
    # Kernels written in Python import when they are first used; no text can name the import.
    scope: dict[str, object] = {"__builtins__": {"AssertionError": AssertionError, "__import__": builtins.__import__}}
    made: tuple[dict, dict] = ({}, {})
    for name, text in classes.items():
        methods = {}
        for method, source in text.methods.items():
            methods[method] = _compiled(scope, f"__class_{name}_{method}", method, source, (functions_source, constants, classes), "class")
        try:
            scope["__class_" + _checked_name(name)] = text.make(name, methods)
        except (ValueError, TypeError) as error:
            raise ProgramError(f"the class {name}: {error}") from None
    for sources, prefix, found, kind in ((methods_source, "__method_", made[0], "method"), (functions_source, "__function_", made[1], "function")):
        for name, text in sources.items():
            found[name] = _compiled(scope, prefix + name, name, text, (functions_source, constants, classes), kind)
    return made


def _checked_name(name, allowed=()):
    if not str(name).isidentifier() or str(name).startswith("__") and name not in allowed:
        raise ProgramError(f"{name!r} is no name in a program")
    return name


def _compiled(scope, bound, name, text, tables, kind):
    _checked_name(name, _classes.SPECIAL if kind == "class" else ())
    checker = _Checker(name, *tables, of_class=kind == "class")
    tree = parse_function(name, text)
    definition = tree.body[0]
    schema = _check_signature(checker, definition, kind != "function")
    schema.name = name
    body = []
    for statement in definition.body:
        body.append(checker.visit(statement))
    definition.body, definition.name = body, bound
    ast.fix_missing_locations(tree)
    scope.update(checker.bindings)
    exec(compile(tree, f"<torch_jit {name}>", "exec"), scope)  # checked above: nothing in it reaches outside
    made = scope[bound]
    made.__name__ = made.__qualname__ = name
    made.schema = schema
    return made
