"""Names that programs take from PyTorch's tracer of bytecode; here `facula.compile` captures calls instead."""

from __future__ import annotations

from types import SimpleNamespace

from ..compiler import allow_in_graph, assume_constant_result, disable, list_backends, reset, substitute_in_graph  # noqa: F401
from ..compiler._backend import InvalidBackend, OptimizedModule, registered  # noqa: F401
from . import config, exc, external_utils  # noqa: F401

__all__ = ["allow_in_graph", "config", "disable", "exc", "explain", "graph_break", "is_compiling", "list_backends", "optimize", "register_backend", "reset"]
def register_backend(compiler_fn=None, name=None, tags=()):
    """Gives a backend a name for `compile`; a decorator too."""
    if compiler_fn is None:
        return lambda f: register_backend(f, name, tags)
    registered[name or compiler_fn.__name__] = compiler_fn
    return compiler_fn


def optimize(backend="inductor", *, nopython=False, disable=False, dynamic=None, **options):
    """A decorator: `compile` with the backend."""
    import facula

    return lambda f: facula.compile(f, backend=backend, disable=disable)


def explain(f, *extra_args, **extra_kwargs):
    """What was captured of a call: `explain(f)(*args)` gives graphs, graph_count and op_count."""
    def inner(*args, **kwargs):
        graphs = []

        def keep(gm, inputs):
            graphs.append(gm)
            return gm.forward

        import facula

        facula.compile(f, backend=keep)(*args, **kwargs)
        count = sum(n.op.startswith("call") for g in graphs for n in g.graph.nodes)
        return SimpleNamespace(graphs=graphs, graph_count=len(graphs), graph_break_count=0, break_reasons=[], op_count=count, ops_per_graph=[
            [n.target for n in g.graph.nodes if n.op.startswith("call")] for g in graphs], out_guards=[])

    return inner(*extra_args, **extra_kwargs) if extra_args or extra_kwargs else inner


def graph_break(msg=""):
    """Nothing to break: a capture is one call."""


def is_compiling():
    """False."""
    return False


def mark_dynamic(t, index, *, hint_override=None, min=None, max=None, specialize_on=None):  # noqa: A002
    """Says that a size may vary: all may."""


maybe_mark_dynamic = mark_unbacked = mark_dynamic


def mark_static(t, index=None):
    """Says that sizes stay: nothing relies on it."""


def mark_static_address(t, guard=False):
    """Says that a tensor's memory stays: nothing relies on it."""


def forbid_in_graph(fn):
    return fn


disallow_in_graph = forbid_in_graph


def is_dynamo_supported():
    return False


from . import eval_frame  # noqa: E402, F401
