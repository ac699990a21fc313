"""Capture: runs a function and writes down the table operations it calls, as a graph.

One recorder is active at a time in a thread. It sees every operation behind the door (`_dispatch.call`), the sizes that
are read (they become `Int`s, which remember where they come from) and the values that leave the graph for Python.
A graph is in order of execution and keeps in-place operations as they are: a value names a tensor *after* the
operation that made or last wrote it.
"""

from __future__ import annotations

import operator
import threading
import warnings
from dataclasses import dataclass, field

from ._native import core

Tensor = core.Tensor


class TracerWarning(Warning):
    """What a trace will not follow: values that Python code looked at."""

    @staticmethod
    def ignore_lib_warnings():
        """Accepted: the library's own code raises none."""


@dataclass(eq=False, repr=False)
class Value:
    """One value of a graph: an input, a parameter or buffer (by path), a constant tensor, or a node's result."""

    kind: str                    # "input", "attribute", "constant", "result"
    name: str = ""
    node: Node | None = None
    tensor: Tensor | None = None  # what it was while capturing; None for integers
    integer: int | None = None

    def __repr__(self):
        return f"%{self.name}{_type(self)}"

    @property
    def shape(self):
        return tuple(self.tensor.shape) if self.tensor is not None else ()


@dataclass(eq=False, repr=False)
class Node:
    """One call: operation, arguments (with `Value`s in them) and results."""

    op: str                      # qualified name in the table, with "_" for the in-place form; "size" and "int.add" ... for integers
    callable: object             # the operation
    entry: object                # its overload; None for integers
    arguments: tuple             # by parameter of the entry
    results: list[Value] = field(default_factory=list)
    scope: tuple[str, ...] = ()  # paths of the modules that were running
    in_place: bool = False
    places: list[str] = field(default_factory=list)  # of a program's call: where its results stand in what it gives

    def __repr__(self):
        return f"{self.op}({', '.join(map(_text, self.arguments))})"

    @property
    def inputs(self):
        """The values among the arguments."""
        return list(values_in(self.arguments))

    def argument(self, name, default=None):
        """An argument by the name of its parameter."""
        for p, a in zip(self.entry.params, self.arguments):
            if p[0] == name:
                return a
        return default


@dataclass(eq=False, repr=False)
class Graph:
    """What a function did: inputs, nodes in order, and the nested tuple, list or dict of outputs."""

    inputs: list[Value] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    outputs: object = None
    attributes: list[Value] = field(default_factory=list)
    constants: list[Value] = field(default_factory=list)
    scope_names: dict[str, str] = field(default_factory=dict)  # module path -> class name

    def __str__(self):
        lines = [f"graph({', '.join('%' + v.name + _type(v) for v in self.inputs)}):"]
        for v in (*self.attributes, *self.constants):
            lines.append(f"  %{v.name}{_type(v)} = prim::{'GetAttr' if v.kind == 'attribute' else 'Constant'}[name=\"{v.name}\"]()")
        for n in self.nodes:
            shown = ", ".join(_text(a) for a in n.arguments)
            scope = f" # scope: {n.scope[-1]}" if n.scope else ""
            lines.append(f"  {', '.join('%' + v.name + _type(v) for v in n.results)} = aten::{n.op}({shown}){scope}")
        lines.append(f"  return ({', '.join('%' + v.name for v in values_in(self.outputs))})")
        return "\n".join(lines) + "\n"

    def prune(self):
        """Drops nodes whose results nothing needs; writes in place stay."""
        needed, kept = set(map(id, values_in(self.outputs))), []
        for node in reversed(self.nodes):
            if node.in_place or any(id(v) in needed for v in node.results):
                needed.update(map(id, node.inputs))
                kept.append(node)
        self.nodes = kept[::-1]
        self.attributes = [v for v in self.attributes if id(v) in needed]
        self.constants = [v for v in self.constants if id(v) in needed]
        return self


def values_in(tree):
    """The `Value`s in nested tuples, lists, dicts and slices, in order."""
    if isinstance(tree, Value):
        yield tree
    elif isinstance(tree, (tuple, list)):
        for item in tree:
            yield from values_in(item)
    elif isinstance(tree, dict):
        for item in tree.values():
            yield from values_in(item)


def map_tree(function, tree):
    """Applies `function` to the leaves of nested tuples, lists and dicts."""
    if type(tree) in (tuple, list):
        return type(tree)(map_tree(function, t) for t in tree)
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(map_tree(function, t) for t in tree)) if not hasattr(tree, "n_fields") else tuple(map_tree(function, t) for t in tree)
    if isinstance(tree, (tuple, list)):
        return tuple(map_tree(function, t) for t in tree)
    if isinstance(tree, dict):
        return {k: map_tree(function, t) for k, t in tree.items()}
    return function(tree)


def _type(v):
    if v.tensor is None:
        return " : int"
    kind = str(v.tensor.dtype).rpartition(".")[2]
    return f" : {kind}({', '.join(map(str, v.tensor.shape))})"


def _text(a):
    if isinstance(a, Value):
        return "%" + a.name
    if isinstance(a, (tuple, list)):
        return "[" + ", ".join(_text(x) for x in a) + "]"
    return repr(a)


# ---------------------------------------------------------------- integers that know where they come from

class Int(int):
    """A size that was read while capturing, or a number computed from sizes."""

    _recorder = _value = None


def _int_operator(name, reflected):
    function = getattr(operator, name)
    plain = getattr(int, f"__{'r' if reflected else ''}{name}__")

    def call(self, other):
        recorder = self._recorder
        if not isinstance(other, int) or isinstance(other, bool) or recorder is None or recorder is not active():
            return plain(int(self), other)
        pair = (other, self) if reflected else (self, other)
        return recorder.integer(f"int.{name}", pair, function(*map(int, pair)))

    return call


for _name in ("add", "sub", "mul", "floordiv", "mod"):
    for _reflected in (False, True):
        setattr(Int, f"__{'r' if _reflected else ''}{_name}__", _int_operator(_name, _reflected))
Int.__neg__ = lambda self: 0 - self
Int.__pos__ = lambda self: self
Int.__reduce__ = lambda self: (int, (int(self),))
INT_FUNCTIONS = {f"int.{n}": getattr(operator, n) for n in ("add", "sub", "mul", "floordiv", "mod")}


# ---------------------------------------------------------------- recording

_local = threading.local()


def active():
    """The recorder of this thread that is recording, or None."""
    return getattr(_local, "recorder", None)


class Recorder:
    """A scope in which calls are recorded; `root` is the module whose parameters get names."""

    keeps_calls = False  # whether calls of scripted programs stay calls (jit.trace)

    def __init__(self, root=None):
        self.graph, self.scopes = Graph(), []
        self._values: dict[int, Value] = {}
        self._alive: list = []  # ids stay unique while capturing
        self._names: dict[int, str] = {}
        self._paths: dict[int, str] = {}
        self._root = root
        self._hooks: tuple = ()
        if root is not None:
            for path, tensor in (*root.named_parameters(remove_duplicate=False), *root.named_buffers(remove_duplicate=False)):
                self._names.setdefault(id(tensor), path)
            for path, module in root.named_modules():
                self._paths[id(module)] = path
                self.graph.scope_names[path] = type(module).__name__

    def __enter__(self):
        if active() is not None:
            raise RuntimeError("a capture is already running in this thread: jit.trace, onnx.export and friends do not nest")
        if self._root is not None:
            from .nn.modules import module

            self._hooks = (module.register_module_forward_pre_hook(self._enter_module),
                           module.register_module_forward_hook(self._leave_module, always_call=True))
        _local.recorder = self
        core.add_capture(1)
        return self

    def __exit__(self, *exc):
        core.add_capture(-1)
        _local.recorder = None
        for hook in self._hooks:
            hook.remove()

    def _enter_module(self, module, args):
        self.scopes.append(self._paths.get(id(module), type(module).__name__))

    def _leave_module(self, module, args, result):
        self.scopes.pop()

    # ---- values
    def _new(self, kind, tensor, name=None, node=None, integer=None):
        value = Value(kind, name or f"v{len(self._alive)}", node, tensor, integer)
        self._alive.append(tensor if tensor is not None else value)
        if tensor is not None:
            self._values[id(tensor)] = value
        return value

    def add_input(self, tensor, name):
        """Declares a tensor as the graph's next input."""
        with paused():
            value = self._new("input", tensor, name)
        self.graph.inputs.append(value)
        return value

    def value_of(self, x):
        """The value that stands for an argument; anything that is no tensor or traced integer stands for itself."""
        if isinstance(x, Int) and x._recorder is self:
            return x._value
        if isinstance(x, (tuple, list)):
            return type(x)(map(self.value_of, x)) if type(x) in (tuple, list) else tuple(map(self.value_of, x))
        if not isinstance(x, Tensor):
            return int(x) if isinstance(x, Int) else x
        value = self._values.get(id(x))
        if value is None:
            name = self._names.get(id(x))
            value = self._new("attribute" if name else "constant", x, name or f"c{len(self.graph.constants)}")
            (self.graph.attributes if name else self.graph.constants).append(value)
        return value

    def tree_of(self, tree):
        """A nested result with values in place of tensors."""
        return map_tree(self.value_of, tree)

    # ---- calls
    def record(self, op, entry, values, out):
        """Runs a call of an operation and writes it down."""
        arguments = self.value_of(values)
        with paused():
            result = op._run(entry, values, out)
            base = entry.qualified
            in_place = op.in_place or entry.in_place
            if op.in_place and not base.endswith("_"):
                base += "_"
            node = Node(base, op, entry, arguments, [], tuple(self.scopes), in_place)
            self.graph.nodes.append(node)
            results = result if isinstance(result, (tuple, list)) else (result,)
            if out is not None:
                self._write_out(node, out, results)
            else:
                for r in results:
                    node.results.append(self._new("result", r, node=node) if isinstance(r, Tensor) else self._new("result", None, node=node))
        return result

    def _write_out(self, node, out, results):
        # `out=` is a new tensor, then a copy into the given one.
        import facula

        for given, r in zip(out if isinstance(out, (tuple, list)) else (out,), results):
            node.results.append(Value("result", f"v{len(self._alive)}", node, r))
            copy = facula.Tensor.copy_
            again = Node("copy_", copy, copy.entries[0], (self.value_of(given), node.results[-1], False), [], node.scope, True)
            again.results.append(self._new("result", given, node=again))
            self.graph.nodes.append(again)

    def path_of(self, module):
        """Where a module stands below the root; None if it does not."""
        return self._paths.get(id(module))

    def program_call(self, function, owner, name, args, kwargs):
        """Runs a scripted function, or method of the module `owner`, and writes it down as one call: its control flow stays."""
        op = "prim::CallFunction" if owner is None else "prim::CallMethod"
        arguments = (function if owner is None else self.path_of(owner), name, self.value_of(tuple(args)), self.tree_of(dict(kwargs)))
        with paused():
            result = function._call(*args, **kwargs) if owner is None else function(owner, *args, **kwargs)
        node = Node(op, function, None, arguments, [], tuple(self.scopes), in_place=True)
        self.graph.nodes.append(node)

        def keep(x, path):
            if isinstance(x, Tensor):
                node.results.append(self._new("result", x, node=node))
                node.places.append(path)
            elif isinstance(x, (tuple, list)):
                for i, item in enumerate(x):
                    keep(item, f"{path}[{i}]")
            elif isinstance(x, dict):
                for k, item in x.items():
                    keep(item, f"{path}[{k!r}]")

        keep(result, "")
        return result

    def integer(self, op, arguments, result):
        """Writes down that an integer was read or computed."""
        node = Node(op, None, None, tuple(self.value_of(a) for a in arguments), [], tuple(self.scopes))
        self.graph.nodes.append(node)
        made = Int(result)
        made._recorder, made._value = self, self._new("result", None, node=node, integer=result)
        node.results.append(made._value)
        return made

    def shape(self, x):
        """The sizes of x, each an `Int` that comes from it (not for constants and parameters: their sizes are fixed)."""
        with paused():
            sizes = tuple(x.shape)
        value = self.value_of(x)
        if value.kind in ("attribute", "constant"):
            return core.Size(sizes)
        return core.Size([self.integer("size", (x, d), n) for d, n in enumerate(sizes)])

    def numel(self, x):
        out = 1
        for n in self.shape(x):
            out = n * out
        return out

    def same(self, x, result, name="alias"):
        """Writes down that `result` is x without history."""
        import facula

        op = facula.alias
        node = Node(name, op, op.entries[0], (self.value_of(x),), [], tuple(self.scopes))
        node.results.append(self._new("result", result, node=node))
        self.graph.nodes.append(node)
        return result

    def leaves(self, x, kind):
        """Warns that Python looks at a value which the graph then takes as fixed."""
        value = self._values.get(id(x))
        if value is not None and value.kind in ("input", "result"):
            warnings.warn(f"Converting a tensor to a Python {kind} might cause the trace to be incorrect. We can't record the data flow of "
                          "Python values, so this value will be treated as a constant in the future. This means that the trace might "
                          "not generalize to other inputs!", TracerWarning, stacklevel=4)


class paused:
    """Inside, calls are not recorded."""

    def __enter__(self):
        self.recorder = active()
        if self.recorder is not None:
            _local.recorder = None
            core.add_capture(-1)

    def __exit__(self, *exc):
        if self.recorder is not None:
            _local.recorder = self.recorder
            core.add_capture(1)


# ---------------------------------------------------------------- from the core

def captured_shape(x):
    return active().shape(x)


def captured_numel(x):
    return active().numel(x)


def item(x):
    active().leaves(x, "number")
    with paused():
        return x.item()


def truth(x):
    active().leaves(x, "boolean")
    with paused():
        return bool(x)


def detach(x):
    with paused():
        result = x.detach()
    return active().same(x, result)


# ---------------------------------------------------------------- capturing and replaying

def capture(function, arguments, names=None, root=None, keeps_calls=False):
    """Runs function(*arguments) and gives (its graph, its result). Tensors in the arguments are the graph's inputs."""
    recorder = Recorder(root)
    recorder.keeps_calls = keeps_calls
    flat = list(_tensors(arguments))
    names = list(names or ())
    for i, tensor in enumerate(flat):
        recorder.add_input(tensor, names[i] if i < len(names) else f"input{i}" if len(flat) > 1 else "input")
    with recorder:
        result = function(*arguments)
        recorder.graph.outputs = recorder.tree_of(result)
    return recorder.graph, map_tree(lambda v: int(v) if isinstance(v, Int) else v, result)


def _tensors(tree):
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, (tuple, list)):
        for t in tree:
            yield from _tensors(t)
    elif isinstance(tree, dict):
        for t in tree.values():
            yield from _tensors(t)
