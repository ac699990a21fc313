"""Indexing, gathering, scattering."""

from __future__ import annotations

import facula

from ..._capture import Value
from .._builder import UnsupportedOperatorError, maps


@maps("embedding")
def _embedding(b, weight, indices, *_):
    return b.emit("Gather", weight, indices, axis=0)


@maps("index_select")
def _index_select(b, x, dim, index):
    return b.emit("Gather", x, index if b.rank(index) else b.emit("Reshape", index, [1]), axis=b.axis(x, dim))


@maps("gather")
def _gather(b, x, dim, index, *_):
    return b.emit("GatherElements", x, index, axis=b.axis(x, dim))


def _positions(b, x, indices):
    """Dimension -> index tensor; masks are refused unless they are the only index."""
    found = {}
    dim = 0
    for t in indices:
        if t is not None:
            if b.dtype(t) in (facula.bool, facula.uint8):
                raise UnsupportedOperatorError("onnx.export: a mask among other indices has no form in ONNX")
            found[dim] = t
        dim += 1
    return found


@maps("_index")
def _index(b, x, indices):
    indices = list(indices)
    if len(indices) == 1 and b.dtype(indices[0]) == facula.bool:
        places = b.emit("Transpose", b.emit("NonZero", indices[0]), perm=[1, 0])
        return b.emit("GatherND", x, places)
    found = _positions(b, x, indices)
    if len(found) == 1:
        (dim, index), = found.items()
        return b.emit("Gather", x, index, axis=dim)
    dims = list(found)
    stacked, shape = _stacked(b, found)
    order = dims + [d for d in range(b.rank(x)) if d not in dims]
    moved = b.emit("Transpose", x, perm=order) if order != list(range(b.rank(x))) else b(x)
    out = b.emit("GatherND", moved, stacked)
    together = dims == list(range(dims[0], dims[0] + len(dims)))
    if together and dims[0]:  # the new dimensions stand where the indexed ones were
        rest = b.rank(x) - len(dims)
        perm = [*range(shape, shape + dims[0]), *range(shape), *range(shape + dims[0], shape + rest)]
        out = b.emit("Transpose", out, perm=perm)
    return out


def _stacked(b, found):
    """Index tensors broadcast and stacked along a last dimension; the rank of what they select."""
    tensors = list(found.values())
    rank = max(b.rank(t) for t in tensors)
    total = b(tensors[0])
    for t in tensors[1:]:
        total = b.emit("Add", total, t)
    shape = b.emit("Shape", total)
    parts = [b.emit("Unsqueeze", b.emit("Expand", b.cast(t, facula.int64), shape), [-1]) for t in tensors]
    return b.emit("Concat", *parts, axis=-1), rank


@maps("_index_put", "_index_put_", "index_put", "index_put_")
def _index_put(b, x, indices, values, accumulate=False):
    indices = list(indices)
    values = b.cast(values, b.dtype(x))
    if len(indices) == 1 and b.dtype(indices[0]) == facula.bool:
        mask = indices[0]
        if b.rank(mask) < b.rank(x):
            mask = b.emit("Unsqueeze", mask, list(range(b.rank(mask), b.rank(x))))
        return b.emit("Where", mask, values, x)
    found = _positions(b, x, indices)
    dims = list(found)
    if dims != list(range(len(dims))):
        raise UnsupportedOperatorError("onnx.export: a write at computed places needs the indices in the leading dimensions")
    stacked, rank = _stacked(b, found)
    tail = [b.size(x, d) for d in range(len(dims), b.rank(x))]
    lead = b.emit("Shape", stacked, start=0, end=rank)
    shape = b.emit("Concat", lead, *tail, axis=0) if tail else lead
    return b.emit("ScatterND", x, stacked, b.emit("Expand", values, shape), reduction="add" if accumulate else None)


@maps("scatter")
def _scatter(b, x, dim, index, src, *rest):
    if isinstance(src, Value):
        updates = b.cast(src, b.dtype(x))
        if src.shape != index.shape:
            n = b.rank(index)
            updates = b.emit("Slice", updates, [0] * n, b.emit("Shape", index), list(range(n)))
    else:
        updates = b.emit("Expand", b.scalar(src, b.dtype(x)), b.emit("Shape", index))
    reduction = {"add": "add", "multiply": "mul"}.get(rest[0]) if rest and rest[0] else None
    return b.emit("ScatterElements", x, index, updates, axis=b.axis(x, dim), reduction=reduction)


@maps("scatter_add")
def _scatter_add(b, x, dim, index, src):
    n = b.rank(index)
    updates = b(src) if src.shape == index.shape else b.emit("Slice", src, [0] * n, b.emit("Shape", index), list(range(n)))
    return b.emit("ScatterElements", x, index, updates, axis=b.axis(x, dim), reduction="add")


@maps("_nonzero", "nonzero")
def _nonzero(b, x):
    return b.emit("Transpose", b.emit("NonZero", x), perm=[1, 0])
