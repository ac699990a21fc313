"""compile(backend=function): the function gets the operations of a call as an fx.GraphModule and says what to run instead.

The first call with inputs of some shapes runs as written and is captured; from the second on what the backend gave is
run. Where Python looked at values (`if x.sum() > 0`) nothing is captured: such functions stay as they are.
"""

from __future__ import annotations

import functools
import inspect
import operator
import re
import warnings

import facula

from .. import _capture
from .._capture import TracerWarning, Value
from .._dispatch import as_called
from ..nn import Module

BACKENDS = ("inductor", "eager", "aot_eager", "aot_ts", "cudagraphs", "onnxrt", "openxla", "tvm", "aot_eager_decomp_partition")
Tensor = facula.Tensor
registered: dict[str, object] = {}


class InvalidBackend(RuntimeError):
    """No backend has that name."""


InvalidBackend.__module__ = "torch._dynamo.exc"


def resolve(backend):
    """The function of a backend; None for those that mean to run as written.

    Raises:
        InvalidBackend: No backend has that name.
    """
    if callable(backend):
        return backend
    if backend in registered:
        return registered[backend]
    if backend in BACKENDS:
        return None
    raise InvalidBackend(f"Invalid backend: {backend!r}, see `torch._dynamo.list_backends()` for available backends.")


def compiled(target, backend):
    """A function, or a module around a module, that runs what the backend gives."""
    if isinstance(target, Module):
        return OptimizedModule(target, backend)
    calls = Calls(target, None, backend)

    @functools.wraps(target)
    def call(*args, **kwargs):
        return calls(args, kwargs)

    return call


class OptimizedModule(Module):
    """A module whose forward runs what a backend gave; everything else is the original's."""

    def __init__(self, mod, backend):
        super().__init__()
        self._orig_mod = mod
        self.__dict__["_calls"] = Calls(mod, mod, backend)

    def forward(self, *args, **kwargs):
        """Runs the original's forward, compiled."""
        return self._calls(args, kwargs)

    def __getattr__(self, name):
        if name == "_orig_mod":
            return self._modules["_orig_mod"]
        return getattr(self._modules["_orig_mod"], name)

    def train(self, mode=True):
        """Sets the mode of both."""
        super().train(mode)
        return self


OptimizedModule.__module__ = "torch._dynamo.eval_frame"


class Calls:
    """The compiled forms of one function, by what its inputs are."""

    def __init__(self, function, root, backend):
        self.function, self.root, self.backend = function, root, backend
        self.forms: dict[object, object] = {}
        try:
            self.names = [n for n in inspect.signature(getattr(function, "forward", function)).parameters]
        except (TypeError, ValueError):
            self.names = []

    def __call__(self, args, kwargs):
        if _capture.active() is not None:
            return self.function(*args, **kwargs)
        key = self._key(args, kwargs)
        form = self.forms.get(key, self)
        if form is None:
            return self.function(*args, **kwargs)
        if form is not self:
            return form(args, kwargs)
        return self._first(key, args, kwargs)

    def _key(self, args, kwargs):
        def describe(x):
            if isinstance(x, Tensor):
                return x.dtype, tuple(x.shape), x.stride(), x.requires_grad
            if isinstance(x, (tuple, list)):
                return type(x), tuple(map(describe, x))
            if isinstance(x, dict):
                return tuple((k, describe(v)) for k, v in x.items())
            try:
                hash(x)
            except TypeError:
                return id(x)
            return type(x), x

        modes = () if self.root is None else tuple(m.training for m in self.root.modules())
        return describe(args), describe(kwargs), facula.is_grad_enabled(), modes

    def _first(self, key, args, kwargs):
        recorder = _capture.Recorder(self.root)
        names = iter(self.names)
        for where, value in (*((next(names, f"args_{i}"), a) for i, a in enumerate(args)), *kwargs.items()):
            flat = list(_capture._tensors(value))
            for i, t in enumerate(flat):
                if id(t) not in recorder._values:
                    recorder.add_input(t, where if isinstance(value, Tensor) else f"{where}_{i}")
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            with recorder:
                result = self.function(*args, **kwargs)
                tree = _map(recorder.value_of, result)
        for w in seen:
            if not issubclass(w.category, TracerWarning):
                warnings.warn_explicit(w.message, w.category, w.filename, w.lineno)
        if any(issubclass(w.category, TracerWarning) for w in seen):
            self.forms[key] = None
            return _plain(result)
        form = Form(recorder.graph, tree, self.root)
        if form.count:
            form.run = self.backend(form.module, form.inputs(args, kwargs))
            self.forms[key] = form
        else:
            self.forms[key] = None
        return _plain(result)


def _map(function, tree):
    """Applies a function to the leaves of a result; tuples with names keep them."""
    if isinstance(tree, tuple) and hasattr(tree, "n_fields"):
        return type(tree)(tuple(_map(function, t) for t in tree))
    if isinstance(tree, (tuple, list)):
        made = [_map(function, t) for t in tree]
        return type(tree)(*made) if hasattr(tree, "_fields") else type(tree)(made) if type(tree) in (tuple, list) else tuple(made)
    if isinstance(tree, dict):
        return {k: _map(function, v) for k, v in tree.items()}
    return function(tree)


def _plain(result):
    return _map(lambda v: int(v) if isinstance(v, _capture.Int) else v, result)


def _lifted(value):
    """The placeholder of a parameter or buffer."""
    owner, _, last = value.name.rpartition(".")
    kind = "parameters" if isinstance(value.tensor, facula.nn.Parameter) else "buffers"
    return f"L_self_{''.join(f'modules_{p}_' for p in owner.split('.') if owner)}{kind}_{last}_"


class Form:
    """A captured call as an fx.GraphModule, and how its inputs and results stand in the function's.

    Args:
        graph, tree: The capture, and the result with values in place of tensors.
        root: The module that parameters are taken from at each call.
        names: (of an attribute's path, of an input's name): the targets of placeholders.
    """

    def __init__(self, graph, tree, root, names=None):
        from ..fx import Graph, GraphModule

        self.root, self.tree, self.run = root, tree, None
        outputs = list(_capture.values_in(tree))
        graph.outputs = outputs
        graph.prune()
        self.given = list(graph.inputs)
        self.paths = [v.name for v in graph.attributes]
        self.count = sum(n.entry is not None for n in graph.nodes)
        made, self.nodes, holder = Graph(), {}, Module()
        of_attribute, of_input = names or (_lifted, lambda v: f"L_{v.name}_")
        for v in graph.attributes:
            self._placeholder(made, v, of_attribute(v))
        for v in self.given:
            self._placeholder(made, v, of_input(v))
        for i, v in enumerate(graph.constants):
            setattr(holder, f"_tensor_constant{i}", v.tensor)
            self.nodes[id(v)] = made.get_attr(f"_tensor_constant{i}")
        self.current = {id(v.tensor): self.nodes[id(v)] for v in (*graph.attributes, *self.given, *graph.constants)}
        for node in graph.nodes:
            if node.entry is not None:
                self._call(made, node)
        self.results = [v for v in outputs if v.tensor is not None]
        made.output(tuple(self._node(v) for v in self.results))
        self.module = GraphModule(holder, made)

    def _placeholder(self, made, value, target):
        target = re.sub(r"\W", "_", target)
        node = self.nodes[id(value)] = made.create_node("placeholder", target, name=target.lower())
        node.meta["example_value"] = value.tensor

    def _node(self, value):
        return self.nodes.get(id(value)) or self.current[id(value.tensor)]

    def _argument(self, a):
        if isinstance(a, Value):
            return self._node(a) if a.tensor is not None else a.integer
        if isinstance(a, (tuple, list)):
            return type(a)(map(self._argument, a)) if type(a) in (tuple, list) else tuple(map(self._argument, a))
        return a

    def _call(self, made, node):
        args, kwargs = as_called(node.entry, node.arguments)
        result = made.call_function(node.callable, tuple(map(self._argument, args)), {k: self._argument(v) for k, v in kwargs.items()})
        single = len(node.results) == 1 and not node.entry.list_result
        for i, v in enumerate(node.results):
            self.nodes[id(v)] = result if single else made.call_function(operator.getitem, (result, i))
            if v.tensor is not None:
                self.current[id(v.tensor)] = self.nodes[id(v)]
                self.nodes[id(v)].meta["example_value"] = v.tensor

    def inputs(self, args, kwargs):
        """The tensors that the graph takes."""
        seen: dict[int, Tensor] = {}
        for t in _capture._tensors((args, kwargs)):
            seen.setdefault(id(t), t)
        table = {**dict(self.root.named_parameters(remove_duplicate=False)), **dict(self.root.named_buffers(remove_duplicate=False))} if self.paths else {}
        return [*(table[p] for p in self.paths), *seen.values()]

    def __call__(self, args, kwargs):
        found = dict(zip(map(id, self.results), self.run(*self.inputs(args, kwargs))))
        return _map(lambda v: found[id(v)] if isinstance(v, Value) and v.tensor is not None else v.integer if isinstance(v, Value) else v, self.tree)
