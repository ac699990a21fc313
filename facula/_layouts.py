"""Layouts written in Python: a sparse tensor is a tensor object without memory whose `_wrapped` holds dense parts.

The object has the sizes and dtype that users see and the flag OTHER, so that every call which names it takes the slow path
(`_dispatch.slow_call`) and arrives at `call` here. Dense tensors never meet this file.
"""

from __future__ import annotations

from ._native import core

Tensor = core.Tensor
OTHER = 128


class Coo:
    """Coordinates: indices (sparse dims, nnz) and values (nnz, *dense sizes); `coalesced`: sorted, each coordinate once."""

    layout, is_sparse, is_sparse_csr = core.sparse_coo, True, False
    __slots__ = ("indices", "values", "coalesced")

    def __init__(self, indices, values, coalesced=False):
        self.indices, self.values, self.coalesced = indices, values, coalesced

    def copy(self):
        return Coo(self.indices, self.values, self.coalesced)


class Compressed:
    """Rows (or columns) compressed: where each begins (`compressed`), the other coordinate (`plain`), the values or blocks."""

    is_sparse = False
    __slots__ = ("layout", "compressed", "plain", "values")

    def __init__(self, layout, compressed, plain, values):
        self.layout, self.compressed, self.plain, self.values = layout, compressed, plain, values

    @property
    def is_sparse_csr(self):
        return self.layout == core.sparse_csr

    @property
    def by_rows(self):
        return self.layout in (core.sparse_csr, core.sparse_bsr)

    def copy(self):
        return Compressed(self.layout, self.compressed, self.plain, self.values)


def wrap(parts, size):
    """The tensor of the given size that has these parts."""
    values = parts.values
    out = values.new_empty((0,)).detach()
    out._set_geometry(tuple(size), (0,) * len(size), 0)
    out._wrapped = parts
    out._flags |= OTHER
    return out


def is_other(x):
    """Whether a value is a tensor of a layout written in Python."""
    return isinstance(x, Tensor) and bool(x._flags & OTHER)


def parts(x):
    """The Coo or Compressed of a tensor, without history."""
    return x._wrapped


def alias(x):
    """Another object for the same parts: what is done to one in place shows in the other."""
    return wrap(x._wrapped, x.shape)


def own(x):
    """Another object with parts of its own (which share memory until one is replaced)."""
    return wrap(x._wrapped.copy(), x.shape)


# ---------------------------------------------------------------- calls

aware: set = set()  # entries of the table whose Python takes tensors of any layout
rules: dict = {}  # operation name -> what it does where an argument is sparse; see sparse/_rules.py


def call(op, entry, values, out):
    """A call of an operation one of whose arguments has another layout."""
    if entry in aware:
        return op._run(entry, values, out)
    if not rules:
        from .sparse import _rules  # noqa: F401
    name = op.__name__
    rule = rules.get(name)
    before = core.is_grad_enabled()
    writes = name.endswith("_") and not name.startswith("__")
    if writes and before and values[0].requires_grad and values[0].is_leaf:
        raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
    core.set_grad_enabled(False)
    try:
        result = rule(*values) if rule else NotImplemented
    finally:
        core.set_grad_enabled(before)
    if result is NotImplemented:
        refuse(name, values)
    if out is not None:
        return _copy_out(out, result)
    if before and any(t.requires_grad for t in _tensors(values)):
        op._record(entry, values, result if isinstance(result, tuple) else (result,))
    return result


def _tensors(values):
    for v in values:
        if isinstance(v, Tensor):
            yield v
        elif isinstance(v, (tuple, list)):
            yield from (t for t in v if isinstance(t, Tensor))


def _copy_out(out, result):
    if is_other(result):
        out._set_geometry(tuple(result.shape), (0,) * result.dim(), 0)
        out._wrapped, out._flags = result._wrapped.copy(), out._flags | OTHER
        return out
    if out.shape != result.shape:
        out.resize_(result.shape)
    return out.copy_(result)


def backend(values):
    """The name PyTorch has for where a call with these arguments would run."""
    kinds = {parts(t).layout for t in _tensors(values) if is_other(t)}
    return "SparseCPU" if core.sparse_coo in kinds else "SparseCsrCPU"


def refuse(name, values):
    where = backend(values)
    raise NotImplementedError(f"Could not run 'aten::{name}' with arguments from the '{where}' backend. This could be because the operator doesn't exist for "
                              f"this backend: {name} is not there for sparse tensors; convert them with .to_dense() first.")


def one_number(x):
    """The only element of a sparse tensor."""
    if x.numel() != 1:
        raise RuntimeError(f"a Tensor with {x.numel()} elements cannot be converted to Scalar")
    return x.detach().to_dense().item()
