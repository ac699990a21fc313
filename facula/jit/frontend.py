"""From Python's source of a function to the source of a program.

The source is rewritten so that nothing in it depends on where it stood: global names become constants, names of the library
or functions of the program; annotations go; branches on `is_scripting()` are taken.
"""

from __future__ import annotations

import ast
import builtins
import enum
import inspect
import math
import textwrap
import types
import typing

import facula

from . import _types
from ._language import BUILTINS, EXCEPTIONS, path_of
from ._marks import _unwrap_optional, annotate, is_scripting, is_tracing
from ._misc import isinstance as jit_isinstance
from ._modules import ScriptFunction

__all__ = ["NotSupportedError", "UnsupportedNodeError"]

MISSING = object()


class NotSupportedError(RuntimeError):
    """The source uses Python that programs do not have."""


class UnsupportedNodeError(NotSupportedError):
    """A construct that programs do not have."""


class Frontend(ast.NodeTransformer):
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
            if text is not None and given.get(x.arg, MISSING) is None and not text.startswith(("Optional", "Any", "Union")):
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
        """The object of Python that a name or dotted name outside of the function stands for, or MISSING."""
        if isinstance(node, ast.Name):
            if node.id in self.locals:
                return MISSING
            found = self.names.get(node.id, MISSING)
            return getattr(builtins, node.id, MISSING) if found is MISSING else found
        if isinstance(node, ast.Attribute):
            owner = self.static(node.value)
            return MISSING if owner is MISSING else getattr(owner, node.attr, MISSING)
        return MISSING

    def is_self(self, node):
        return self.self_name is not None and isinstance(node, ast.Name) and node.id == self.self_name

    def visit_Name(self, node):
        if node.id in self.locals or not isinstance(node.ctx, ast.Load):
            return node
        value = self.static(node)
        if value is MISSING:
            self.refuse(node, f"undefined value {node.id}", RuntimeError)
        return ast.copy_location(self.constant(value, node), node)

    def visit_Attribute(self, node):
        value = self.static(node)
        if value is not MISSING:
            return ast.copy_location(self.constant(value, node), node)
        if self.static(node.value) is not MISSING and not isinstance(self.static(node.value), facula.dtype):
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
        value = self.static(node.value.func) if isinstance(node.value, ast.Call) else MISSING
        if getattr(value, "__module__", "") == "warnings":
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)

    def _unsupported(self, node):
        self.refuse(node, f"{type(node).__name__} aren't supported", UnsupportedNodeError)

    visit_Try = visit_Lambda = visit_FunctionDef = visit_ClassDef = visit_Import = visit_ImportFrom = visit_Yield = visit_YieldFrom = \
        visit_Global = visit_Nonlocal = visit_AsyncFunctionDef = visit_Await = visit_NamedExpr = visit_Match = _unsupported
