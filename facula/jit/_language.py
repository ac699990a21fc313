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
               "strip lstrip rstrip lower upper startswith endswith replace add union is_integer bit_length").split()
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
    raise AttributeError(f"{type(owner).__name__!r} object has no attribute {name!r} that a program can use")


def getattribute(owner, name):
    """The program's `getattr(owner, "name")`."""
    return attribute(owner, name)


class _Checker(ast.NodeTransformer):
    """Checks a function's tree, and replaces dotted library names by bindings to the objects."""

    def __init__(self, name, functions, constants):
        self.where, self.functions, self.constants = name, functions, constants
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
                self.bindings[node.id] = getattr(builtins, node.id)
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
            if not (isinstance(node.value, ast.Name) and node.value.id == "self") or node.attr.startswith("_"):
                self.refuse(node, f"assignment to the attribute {node.attr!r}: only attributes of self can be assigned")
            return node
        value = self.visit(node.value)
        if node.attr in methods():
            if node.attr == "to" or not isinstance(value, ast.Name) or value.id != "self":
                return ast.copy_location(ast.Attribute(value, node.attr, ast.Load()), node)
        self.bindings["__attribute"] = attribute
        call = ast.Call(ast.Name("__attribute", ast.Load()), [value, ast.Constant(node.attr)], [])
        return ast.copy_location(call, node)

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


def _check_signature(checker, tree):
    a = tree.args
    if a.vararg or a.kwarg or a.posonlyargs or tree.decorator_list or not isinstance(tree, ast.FunctionDef):
        checker.refuse(tree, "functions take named arguments only, without decorators")
    for arg in (*a.args, *a.kwonlyargs):
        if arg.arg.startswith("__"):
            checker.refuse(tree, f"the argument {arg.arg!r} is not allowed")
        arg.annotation = None
    tree.returns = None
    a.defaults = [checker.visit(d) for d in a.defaults]
    a.kw_defaults = [d and checker.visit(d) for d in a.kw_defaults]


def compile_functions(methods_source, functions_source=None, constants=None):
    """Checks and compiles a program's texts.

    Args:
        methods_source: name -> text of one `def` whose first argument is self.
        functions_source: name -> text of one `def`, named `functions.name` in the texts.
        constants: name -> tensor, named `constants.name` in the texts.

    Returns:
        (methods by name, functions by name)

    Raises:
        ProgramError: A text uses something that the language does not have.
    """
    functions_source, constants = functions_source or {}, constants or {}
    scope: dict[str, object] = {"__builtins__": {"AssertionError": AssertionError}}
    made: tuple[dict, dict] = ({}, {})
    for sources, prefix, found in ((methods_source, "__method_", made[0]), (functions_source, "__function_", made[1])):
        for name, text in sources.items():
            if not str(name).isidentifier() or str(name).startswith("__"):
                raise ProgramError(f"{name!r} is no name for a function of a program")
            checker = _Checker(name, functions_source, constants)
            try:
                tree = ast.parse(text)
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                raise ProgramError(f"{name}: the text is no program: {error}") from None
            if len(tree.body) != 1 or not isinstance(tree.body[0], ast.FunctionDef):
                raise ProgramError(f"{name}: expected the text of one function")
            definition = tree.body[0]
            _check_signature(checker, definition)
            definition.body = [checker.visit(s) for s in definition.body]
            definition.name = prefix + name
            ast.fix_missing_locations(tree)
            scope.update(checker.bindings)
            exec(compile(tree, f"<torch_jit {name}>", "exec"), scope)  # checked above: nothing in it reaches outside
            found[name] = scope[prefix + name]
            found[name].__name__ = found[name].__qualname__ = name
    return made
