"""Proxies: what a function is run on while it is traced. Whatever is done to one becomes a node."""

from __future__ import annotations

import dis
import inspect
import operator

import facula

from .node import Node, map_aggregate

__all__ = ["Proxy", "TracerBase", "TraceError", "Attribute"]


_PLAIN = (str, int, float, bool, complex, Node, facula.dtype, facula.device, facula.layout, facula.memory_format, range)


class TraceError(ValueError):
    """The function does what cannot be followed without values."""


class TracerBase:
    """Makes nodes and proxies."""

    graph = None
    record_stack_traces = False
    proxy_buffer_attributes = False

    def create_node(self, kind, target, args, kwargs, name=None, type_expr=None):
        """Adds a node to the graph."""
        return self.graph.create_node(kind, target, args, kwargs, name, type_expr)

    def proxy(self, node):
        """The proxy of a node."""
        return Proxy(node, self)

    def create_proxy(self, kind, target, args, kwargs, name=None, type_expr=None, proxy_factory_fn=None):
        """A node made of a call, and its proxy."""
        node = self.create_node(kind, target, self.create_arg(args), self.create_arg(kwargs), name, type_expr)
        if self.record_stack_traces:
            import traceback

            node.stack_trace = "".join(traceback.format_stack()[:-2])
        return (proxy_factory_fn or self.proxy)(node)

    def create_arg(self, a):
        """Arguments as nodes hold them."""
        return map_aggregate(a, self.create_leaf)

    def create_leaf(self, a):
        """An argument that is no container.

        Raises:
            NotImplementedError: Nodes cannot hold such a value.
        """
        if isinstance(a, Proxy):
            return a.node
        if a is None or a is Ellipsis or isinstance(a, _PLAIN) or inspect.isfunction(a) or inspect.isbuiltin(a):
            return a
        raise NotImplementedError(f"argument of type: {type(a)}")

    def to_bool(self, obj):
        """A proxy where Python needs a truth value.

        Raises:
            TraceError: Always; override it to decide.
        """
        raise TraceError("symbolically traced variables cannot be used as inputs to control flow")

    def iter(self, obj):
        """A proxy that is iterated over: only unpacking tells how many elements there are."""
        frame = inspect.currentframe().f_back.f_back
        found = {i.offset: i for i in dis.get_instructions(frame.f_code)}.get(frame.f_lasti)
        if found is not None and found.opname == "UNPACK_SEQUENCE":
            return (obj[i] for i in range(found.argval))
        raise TraceError("Proxy object cannot be iterated. This can be attempted when the Proxy is used in a loop or as a *args or **kwargs function "
                         "argument. See the torch.fx docs on pytorch.org for a more detailed explanation of what types of control flow can be traced, "
                         "and check out the Proxy docstring for help troubleshooting Proxy iteration errors")

    def keys(self, obj):
        """The keys of a proxy, as a proxy."""
        return Attribute(obj, "keys")()


class Proxy:
    """Stands for a value that is not known."""

    def __init__(self, node, tracer=None):
        self.tracer = tracer if tracer is not None else _GraphTracer(node.graph)
        self.node = node

    def __repr__(self):
        return f"Proxy({self.node.name})"

    def __getattr__(self, name):
        return Attribute(self, name)

    def __call__(self, *args, **kwargs):
        return self.tracer.create_proxy("call_method", "__call__", (self, *args), kwargs)

    def __iter__(self):
        return self.tracer.iter(self)

    def __bool__(self):
        return self.tracer.to_bool(self)

    def __len__(self):
        raise RuntimeError("'len' is not supported in symbolic tracing by default. If you want this call to be recorded, please call "
                           "torch.fx.wrap('len') at module scope")

    def __contains__(self, item):
        return self.tracer.to_bool(self)

    def __setitem__(self, index, value):
        self.tracer.create_proxy("call_function", operator.setitem, (self, index, value), {})

    def __index__(self):
        raise TraceError("symbolically traced variables cannot be used as indices of Python's own sequences")

    def __deepcopy__(self, memo):
        return self

    def keys(self):
        """The keys, as a proxy."""
        return self.tracer.keys(self)

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        tracer = next(p.tracer for p in _proxies((args, kwargs)))
        if func in _methods():
            return tracer.create_proxy("call_method", _methods()[func], args, kwargs)
        return tracer.create_proxy("call_function", func, args, kwargs)


class Attribute(Proxy):
    """An attribute of a proxy; a node only once it is used other than by a call."""

    def __init__(self, root, attr):
        self.root, self.attr, self.tracer, self._node = root, attr, root.tracer, None

    @property
    def node(self):
        """The node that reads the attribute."""
        if self._node is None:
            self._node = self.tracer.create_proxy("call_function", getattr, (self.root, self.attr), {}).node
        return self._node

    def __call__(self, *args, **kwargs):
        return self.tracer.create_proxy("call_method", self.attr, (self.root, *args), kwargs)


class _GraphTracer(TracerBase):
    """Makes nodes in a given graph."""

    def __init__(self, graph):
        self.graph = graph


def _proxies(tree):
    found: list[Proxy] = []
    map_aggregate(tree, lambda x: found.append(x) if isinstance(x, Proxy) else None)
    return found


def _methods():
    # Operations that are methods of tensors only.
    table = facula.ops.methods
    if not _known:
        functions = {id(f) for members in facula.ops.functions.values() for f in members.values()}
        _known.update({op: name for name, op in table.items() if id(op) not in functions})
    return _known


_known: dict = {}


def _operator(name, reflected):
    function = getattr(operator, name)

    def call(self, *rest):
        args = (*rest, self) if reflected else (self, *rest)
        return self.tracer.create_proxy("call_function", function, args, {})

    return call


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "lshift", "rshift", "and_", "or_", "xor"):
    _plain = _name.rstrip("_")
    setattr(Proxy, f"__{_plain}__", _operator(_name, False))
    setattr(Proxy, f"__r{_plain}__", _operator(_name, True))
for _name in ("eq", "ne", "lt", "gt", "le", "ge", "neg", "pos", "invert", "abs", "getitem"):
    setattr(Proxy, f"__{_name}__", _operator(_name, False))
Proxy.__hash__ = object.__hash__
