"""From a captured graph to an ONNX graph: names, constants, sizes, and operations in place made functional."""

from __future__ import annotations

import facula

from .. import _capture
from .._capture import Value

END = 2 ** 63 - 1
TYPES = {"float32": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5, "int32": 6, "int64": 7, "bool": 9, "float16": 10, "float64": 11,
         "uint32": 12, "uint64": 13, "complex64": 14, "complex128": 15, "bfloat16": 16}
mappings: dict[str, object] = {}   # operation of the table -> function (builder, *arguments) that emits it
inverses: dict[str, object] = {}   # view operation -> function (builder, old base, new view, *arguments) giving the new base


class OnnxExporterError(RuntimeError):
    """The export failed."""


class UnsupportedOperatorError(OnnxExporterError):
    """An operation has no mapping to ONNX."""


def maps(*names):
    """Decorates the function that emits operations of the table."""

    def add(function):
        for name in names:
            mappings[name] = function
        return function

    return add


def inverts(*names):
    """Decorates the function that puts a changed view back into what it is a view of."""

    def add(function):
        for name in names:
            inverses[name] = function
        return function

    return add


def dtype_code(dtype):
    """ONNX's number of a dtype."""
    return TYPES[str(dtype).rpartition(".")[2]]


def _python_of(entry):
    """An entry's forward pass as Python made of other operations, or None: what stands for an operation without a mapping."""
    if entry.compute is not None or entry.composed is not None:
        return entry.compute or entry.composed
    if not entry.is_pointwise:
        return None

    def formula(*arguments):
        value = entry.formula(*(arguments[i] for i in entry.operands))
        how = arguments[entry.reduction] if entry.reduction >= 0 else 0
        return value.mean() if how == 1 else value.sum() if how == 2 else value

    return formula


class Builder:
    """Emits nodes. Emitted values are strings; arguments of operations are `Value`s and plain Python."""

    def __init__(self, opset, dynamic):
        import onnx

        from . import ops  # noqa: F401 - fills the tables

        self.onnx, self.opset, self.dynamic = onnx, opset, dynamic
        self.nodes, self.initializers = [], {}
        self.names: dict[int, str] = {}      # of values
        self.current: dict[int, str] = {}    # of tensors: what they are now
        self.views: dict[int, tuple] = {}    # tensor -> (node, place among its results, base tensor)
        self.stale: set[int] = set()
        self.constants: dict[tuple, str] = {}
        self.scope, self.count = "", 0
        self.inlined: list[str] = []  # operations that are being written as others
        self.kept: list = []
        self.used: set[str] = set()

    # ---- emitting
    def fresh(self, hint="v"):
        """A name that nothing has yet."""
        while True:
            name = f"{hint}_{self.count}"
            self.count += 1
            if name not in self.used:
                self.used.add(name)
                return name

    def emit(self, op, *inputs, outputs=1, **attributes):
        """Adds a node; gives the name of its result, or a tuple of names."""
        inputs = [self(i) if i is not None else "" for i in inputs]
        while inputs and inputs[-1] == "":
            inputs.pop()
        names = [self.fresh(op.lower()) for _ in range(outputs)]
        attributes = {k: v for k, v in attributes.items() if v is not None}
        node = self.onnx.helper.make_node(op, inputs, names, name=self.fresh(f"{self.scope}/{op}"), **attributes)
        self.nodes.append(node)
        return names[0] if outputs == 1 else tuple(names)

    def constant(self, data, dtype=facula.int64):
        """An initializer with the given numbers."""
        array = data.detach().cpu().contiguous() if isinstance(data, facula.Tensor) else facula.tensor(data, dtype=dtype)
        raw = array.numel() <= 64 and (str(array.dtype), tuple(array.shape), tuple(array.reshape(-1).tolist()))
        if raw and raw in self.constants and raw[2] == raw[2]:
            return self.constants[raw]
        name = self.fresh("constant")
        self.initializers[name] = array
        if raw:
            self.constants[raw] = name
        return name

    def scalar(self, number, dtype):
        """A 0-dim constant."""
        return self.constant(number, dtype)

    def __call__(self, x):
        """The ONNX name of an argument: a value, a name, or a list of integers."""
        if isinstance(x, str):
            return x
        if isinstance(x, Value):
            return self._value(x)
        if isinstance(x, (list, tuple)):
            return self.ints(x)
        if isinstance(x, int):
            return self.constant([x])
        raise OnnxExporterError(f"internal error: no ONNX value for {x!r}; please report this text")

    def _value(self, x):
        if x.tensor is not None:
            key = id(x.tensor)
            if key in self.stale:
                self._refresh(key)
            if key in self.current:
                return self.current[key]
            if x.kind in ("attribute", "constant"):
                name = x.name if x.kind == "attribute" else self.constant(x.tensor)
                if x.kind == "attribute":
                    self.initializers[name] = x.tensor.detach()
                    self.used.add(name)
                self.current[key] = name
                return name
        return self.names[id(x)]

    # ---- integers
    def known(self, x):
        """The plain int of an integer argument; None where it depends on a dynamic size."""
        if isinstance(x, Value):
            return None if self.dynamic and id(x) not in self.fixed else x.integer
        return x

    def ints(self, items):
        """A 1-d int64 value of integers, some of which may be computed."""
        items = [x if (k := self.known(x)) is None else int(k) for x in items]
        if not any(isinstance(x, Value) for x in items):
            return self.constant(items if items else facula.empty(0, dtype=facula.int64))
        return self.emit("Concat", *items, axis=0) if len(items) > 1 else self(items[0])

    def plain(self, items, what):
        """Integers that ONNX wants as an attribute."""
        items = items if isinstance(items, (list, tuple)) else [items]
        found = [self.known(x) for x in items]
        if None in found:
            raise OnnxExporterError(f"onnx.export: {what} depends on a dynamic size, which ONNX cannot express")
        return [int(x) for x in found]

    # ---- what is known of values
    @staticmethod
    def rank(x):
        return len(x.tensor.shape)

    @staticmethod
    def axis(x, dim):
        """A dimension counted from the front."""
        return dim % max(len(x.tensor.shape), 1)

    @staticmethod
    def dtype(x):
        return x.tensor.dtype

    def cast(self, x, to, have=None):
        """x as another dtype."""
        if (have or self.dtype(x)) == to:
            return self(x)
        return self.emit("Cast", x, to=dtype_code(to))

    def size(self, x, dim):
        """One size as a 1-element int64 value: a constant where sizes are fixed."""
        if not self.dynamic or isinstance(x, Value) and x.kind in ("attribute", "constant"):
            return self.constant([x.tensor.shape[dim]])
        shape = self.emit("Shape", x, start=self.axis(x, dim), end=self.axis(x, dim) + 1)
        return shape

    # ---- nodes of the capture
    def run(self, graph):
        """Emits a whole graph."""
        self._find_fixed(graph)
        for node in graph.nodes:
            self.node(node)

    def _find_fixed(self, graph):
        # Integers that cannot change: sizes of dimensions no dynamic input reaches are found by running twice (see _export).
        self.fixed = set()
        if self.dynamic is True or not self.dynamic:
            return
        self.fixed = {id(v) for n in graph.nodes if n.entry is None for v in n.results if v.name in self.dynamic.fixed}

    def node(self, node):
        """Emits one call."""
        self.scope = node.scope[-1] if node.scope else ""
        if node.entry is None:
            self._integer(node)
        elif node.in_place:
            self._in_place(node)
        else:
            results = self._call(node.op, node, node.arguments)
            self._bind(node, results)

    def _integer(self, node):
        value = node.results[0]
        if self.known(value) is not None:
            return
        if node.op == "size":
            x, d = node.arguments
            self.names[id(value)] = self.emit("Shape", x, start=int(d), end=int(d) + 1)
            return
        op = {"int.add": "Add", "int.sub": "Sub", "int.mul": "Mul", "int.floordiv": "Div", "int.mod": "Mod"}[node.op]
        self.names[id(value)] = self.emit(op, *(a if isinstance(a, Value) and self.known(a) is None else self.constant([int(self.known(a))])
                                                for a in node.arguments))

    def _bind(self, node, results):
        results = results if isinstance(results, (tuple, list)) else (results,)
        for i, (value, name) in enumerate(zip(node.results, results)):
            if name is None or value.tensor is None:
                continue
            self.names[id(value)] = self.current[id(value.tensor)] = name
            if node.entry.view and isinstance(node.arguments[0], Value):
                self.views[id(value.tensor)] = (node, i, node.arguments[0])

    def _call(self, op, node, arguments):
        emit = mappings.get(op)
        if emit is not None:
            return emit(self, *arguments)
        python = _python_of(node.entry)
        if python is None or op in self.inlined:
            raise UnsupportedOperatorError(f"onnx.export: the operation {op!r} has no mapping to ONNX (in module {self.scope or 'the model'!r}); "
                                           "add one in facula/onnx/ops")
        self.inlined.append(op)
        results = self._inline(python, arguments)
        self.inlined.pop()
        return results

    def _inline(self, python, arguments):
        """An operation that is made of others: those are emitted."""
        recorder = _capture.Recorder()
        values, outer = [], {}
        for a in arguments:
            if isinstance(a, Value) and a.tensor is not None:
                inner = recorder.add_input(a.tensor.detach(), a.name)
                outer[id(inner.tensor)] = self(a)
                values.append(inner.tensor)
            else:
                values.append(a.integer if isinstance(a, Value) else a)
        with facula.no_grad(), recorder:
            result = python(*values)
            outputs = recorder.tree_of(result if isinstance(result, (tuple, list)) else (result,))
        self.kept.append(recorder)  # ids stay unique
        self.current.update(outer)
        for inner in recorder.graph.nodes:
            self.node(inner)
        return tuple(None if v is None else self(v) for v in outputs)

    # ---- in place
    def _in_place(self, node):
        target = node.arguments[0]
        name = self._call(node.op if node.op in mappings else node.op.removesuffix("_"), node, node.arguments)
        name = name[0] if isinstance(name, tuple) else name
        self.names[id(node.results[0])] = name
        self._assign(target, name)

    def _assign(self, target, name):
        """The tensor of `target` has a new content: so has what it is a view of, and other views of that."""
        key = id(target.tensor)
        self.stale.discard(key)
        parent = self.views.get(key)
        self.current[key] = name
        if parent is not None:
            node, place, base = parent
            inverse = inverses.get(node.op)
            if inverse is None:
                raise UnsupportedOperatorError(f"onnx.export: a write into a view made by {node.op!r} has no form in ONNX")
            written = inverse(self, base, name, place, target, *node.arguments[1:])
            self._assign(base, written)
            self.stale.discard(key)
            self.current[key] = name
        changed = {id(base) for base in (target.tensor,)}
        self._mark(changed, key)

    def _mark(self, changed, but):
        for key, (_, _, base) in self.views.items():
            if id(base.tensor) in changed and key != but and key not in changed:
                self.stale.add(key)
                self._mark({key}, but)

    def _refresh(self, key):
        node, place, _ = self.views[key]
        self.stale.discard(key)
        results = self._call(node.op, node, node.arguments)
        self.current[key] = results[place] if isinstance(results, (tuple, list)) else results
