"""Indexing, gathering, scattering."""

from __future__ import annotations

import math

import facula

from ..._capture import Value
from .._builder import UnsupportedOperatorError, dtype_code, maps


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


@maps("_nonzero")
def _nonzero(b, x):
    return b.emit("Transpose", b.emit("NonZero", x), perm=[1, 0])


# ---------------------------------------------------------------- along one dimension
def _spread(b, x, dim, index, source=None):
    """The index of a dimension for every element of `source`, or of x with that dimension as long as the index."""
    dim, shape = b.axis(x, dim), [1] * max(b.rank(x), 1)
    shape[dim] = -1
    index = b.emit("Reshape", b.cast(index, facula.int64), shape)
    if source is not None:
        return b.emit("Expand", index, b.emit("Shape", source))
    return b.emit("Expand", index, [1 if d == dim else n for d, n in enumerate(x.shape)] if not b.dynamic else b.emit(
        "Concat", *(b.constant([1]) if d == dim else b.size(x, d) for d in range(b.rank(x))), axis=0))


@maps("index_add")
def _index_add(b, x, dim, index, source, alpha=1):
    updates = b.cast(source, b.dtype(x))
    updates = updates if alpha == 1 else b.emit("Mul", updates, b.scalar(alpha, b.dtype(x)))
    return b.emit("ScatterElements", x, _spread(b, x, dim, index, source), updates, axis=b.axis(x, dim), reduction="add")


@maps("index_copy")
def _index_copy(b, x, dim, index, source):
    return b.emit("ScatterElements", x, _spread(b, x, dim, index, source), source, axis=b.axis(x, dim))


@maps("index_fill")
def _index_fill(b, x, dim, index, value):
    where = _spread(b, x, dim, index)
    value = b.cast(value, b.dtype(x)) if isinstance(value, Value) else b.scalar(value, b.dtype(x))
    return b.emit("ScatterElements", x, where, b.emit("Expand", value, b.emit("Shape", where)), axis=b.axis(x, dim))


def _reduced_into(b, x, dim, where, updates, reduce, include_self):
    modes = {"sum": ("add", 0), "prod": ("mul", 1), "amax": ("max", -math.inf), "amin": ("min", math.inf)}
    if reduce not in modes:
        raise UnsupportedOperatorError(f"onnx.export: a scatter that reduces by {reduce!r} has no form in ONNX")
    (mode, neutral), dtype = modes[reduce], b.dtype(x)
    if math.isinf(neutral) and not dtype.is_floating_point:
        neutral = facula.iinfo(dtype).min if neutral < 0 else facula.iinfo(dtype).max
    target, axis = b(x), b.axis(x, dim)
    if not include_self:
        target = b.emit("ScatterElements", target, where, b.emit("Expand", b.scalar(neutral, dtype), b.emit("Shape", where)), axis=axis)
    return b.emit("ScatterElements", target, where, updates, axis=axis, reduction=mode)


@maps("scatter_reduce")
def _scatter_reduce(b, x, dim, index, src, reduce, include_self=True):
    n = b.rank(index)
    updates = b(src) if src.shape == index.shape else b.emit("Slice", src, [0] * n, b.emit("Shape", index), list(range(n)))
    return _reduced_into(b, x, dim, b(index), updates, reduce, include_self)


@maps("index_reduce")
def _index_reduce(b, x, dim, index, source, reduce, include_self=True):
    return _reduced_into(b, x, dim, _spread(b, x, dim, index, source), b(source), reduce, include_self)


# ---------------------------------------------------------------- by flat positions and masks
@maps("take")
def _take(b, x, index):
    return b.emit("Gather", b.emit("Reshape", x, [-1]), index, axis=0)


@maps("put")
def _put(b, x, index, source, accumulate=False):
    flat, places, values = (b.emit("Reshape", v, [-1]) for v in (x, index, source))
    out = b.emit("ScatterElements", flat, places, values, axis=0, reduction="add" if accumulate else None)
    return b.emit("Reshape", out, b.emit("Shape", x))


@maps("masked_select")
def _masked_select(b, x, mask):
    shape = b.emit("Shape", b.emit("Expand", x, b.emit("Shape", mask)))
    x, mask = (b.emit("Reshape", b.emit("Expand", v, shape), [-1]) for v in (x, mask))
    return b.emit("Compress", x, mask, axis=0)


@maps("masked_scatter")
def _masked_scatter(b, x, mask, source):
    shape = b.emit("Shape", b.emit("Expand", x, b.emit("Shape", mask)))
    places = b.emit("Transpose", b.emit("NonZero", b.emit("Expand", mask, shape)), perm=[1, 0])
    values = b.emit("Slice", b.emit("Reshape", source, [-1]), [0], b.emit("Shape", places, start=0, end=1), [0])
    return b.emit("ScatterND", b.emit("Expand", x, shape), places, values)


@maps("_searchsorted")
def _searchsorted(b, ordered, values, right, out_int32):
    ordered = b.emit("Unsqueeze", ordered, [b.rank(ordered) - 1]) if b.rank(ordered) > 1 else b(ordered)
    below = b.emit("LessOrEqual" if right else "Less", ordered, b.emit("Unsqueeze", values, [b.rank(values)]))
    return b.emit("ReduceSum", b.emit("Cast", below, to=dtype_code(facula.int32 if out_int32 else facula.int64)), [-1], keepdims=0)
