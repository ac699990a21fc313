"""Operations on shapes, and how writes into views go back."""

from __future__ import annotations

import facula

from ..._capture import Value
from .._builder import END, UnsupportedOperatorError, inverts, maps


@maps("view", "reshape")
def _reshape(b, x, shape):
    if isinstance(shape, facula.dtype):
        return b.emit("Cast", x, to=None) if shape == b.dtype(x) else _no_bits(shape)
    return b.emit("Reshape", x, list(shape) if shape else b.constant(facula.empty(0, dtype=facula.int64)), allowzero=_zero(b, shape))


def _no_bits(shape):
    raise UnsupportedOperatorError(f"onnx.export: view({shape}) reads bits as another dtype, which ONNX cannot")


def _zero(b, shape):
    known = [b.known(n) for n in shape]
    return 1 if 0 in known and -1 not in known else None


@maps("flatten")
def _flatten(b, x, start=0, end=-1):
    n = b.rank(x)
    if n == 0:
        return b.emit("Reshape", x, [1])
    start, end = b.axis(x, start), b.axis(x, end)
    if start == 1 and end == n - 1 and n > 1:
        return b.emit("Flatten", x, axis=1)
    if start == end:
        return b.emit("Identity", x)
    parts = [b.size(x, d) for d in range(start)] + [b.constant([-1])] + [b.size(x, d) for d in range(end + 1, n)]
    return b.emit("Reshape", x, b.emit("Concat", *parts, axis=0) if len(parts) > 1 else parts[0])


def _permuted(b, x, order):
    return b.emit("Transpose", x, perm=order)


@maps("permute")
def _permute(b, x, dims):
    return _permuted(b, x, [b.axis(x, d) for d in dims])


@maps("transpose", "swapaxes", "swapdims")
def _transpose(b, x, d0, d1):
    return _permuted(b, x, _swapped(b, x, d0, d1)) if b.rank(x) else b.emit("Identity", x)


def _swapped(b, x, d0, d1):
    order = list(range(b.rank(x)))
    d0, d1 = b.axis(x, d0), b.axis(x, d1)
    order[d0], order[d1] = order[d1], order[d0]
    return order


@maps("t")
def _t(b, x):
    return _permuted(b, x, list(range(b.rank(x)))[::-1])


@maps("movedim", "moveaxis")
def _movedim(b, x, source, destination):
    source, destination = ([b.axis(x, d) for d in (v if isinstance(v, (list, tuple)) else [v])] for v in (source, destination))
    rest = iter(d for d in range(b.rank(x)) if d not in source)
    places = dict(zip(destination, source))
    return _permuted(b, x, [places[d] if d in places else next(rest) for d in range(b.rank(x))])


@maps("unsqueeze")
def _unsqueeze(b, x, dim):
    return b.emit("Unsqueeze", x, [dim % (b.rank(x) + 1)])


@maps("squeeze")
def _squeeze(b, x, dim=None):
    dims = range(b.rank(x)) if dim is None else dim if isinstance(dim, (list, tuple)) else [dim]
    ones = [b.axis(x, d) for d in dims if x.shape and x.shape[b.axis(x, d)] == 1]
    return b.emit("Squeeze", x, ones) if ones else b.emit("Identity", x)


@maps("expand", "broadcast_to")
def _expand(b, x, size, *_):
    size = list(size)
    lead = len(size) - b.rank(x)
    items = [1 if b.known(n) == -1 and i >= lead else n for i, n in enumerate(size)]
    return b.emit("Expand", x, items) if items else b.emit("Identity", x)


@maps("repeat")
def _repeat(b, x, repeats):
    lead = len(repeats) - b.rank(x)
    if lead:
        x = b.emit("Unsqueeze", x, list(range(lead)))
    return b.emit("Tile", x, list(repeats)) if len(repeats) else b.emit("Identity", x)


@maps("cat", "concat", "concatenate")
def _cat(b, tensors, dim=0):
    kept = [t for t in tensors if t.shape != (0,)] or list(tensors)
    dtype = kept[0].tensor.dtype
    for t in kept[1:]:
        dtype = facula.promote_types(dtype, t.tensor.dtype)
    return b.emit("Concat", *(b.cast(t, dtype) for t in kept), axis=b.axis(kept[0], dim))


@maps("stack")
def _stack(b, tensors, dim=0):
    dim = dim % (b.rank(tensors[0]) + 1)
    return b.emit("Concat", *(b.emit("Unsqueeze", t, [dim]) for t in tensors), axis=dim)


def slice_(b, x, dim, start, end, step=1):
    """x[start:end:step] along one dimension."""
    return b.emit("Slice", x, [start], [end], [dim], [step])


@maps("_slice")
def _slice(b, x, dim=0, start=None, end=None, step=1):
    return slice_(b, x, b.axis(x, dim), 0 if start is None else start, END if end is None else end, step)


@maps("narrow")
def _narrow(b, x, dim, start, length):
    if isinstance(start, Value) and start.tensor is not None:
        start_name = b.emit("Reshape", b.cast(start, facula.int64), [1])
        end = b.emit("Add", start_name, [length])
        return b.emit("Slice", x, start_name, end, [b.axis(x, dim)])
    known = b.known(start), b.known(length)
    if None in known:
        end = b.emit("Add", _one(b, start), _one(b, length))
        return b.emit("Slice", x, _one(b, start), end, [b.axis(x, dim)])
    start = known[0] if known[0] >= 0 else known[0] + x.shape[b.axis(x, dim)]
    return slice_(b, x, b.axis(x, dim), start, start + known[1])


def _one(b, n):
    return b(n) if isinstance(n, Value) and b.known(n) is None else b.constant([int(b.known(n))])


@maps("select")
def _select(b, x, dim, index):
    known = b.known(index)
    place = b.scalar(int(known), facula.int64) if known is not None else b.emit("Squeeze", index, [0])
    return b.emit("Gather", x, place, axis=b.axis(x, dim))


def _split_sizes(x, dim, pieces):
    n = x.shape[dim]
    return [min(pieces, n - i) for i in range(0, n, pieces)] or [0]


def _split_by(b, x, dim, sizes):
    if len(sizes) == 1:
        return (b.emit("Identity", x),)
    return b.emit("Split", x, sizes, axis=dim, outputs=len(sizes))


@maps("split", "split_with_sizes")
def _split(b, x, size, dim=0):
    dim = b.axis(x, dim)
    if isinstance(size, (list, tuple)):
        return _split_by(b, x, dim, list(size))
    return _split_by(b, x, dim, _split_sizes(x, dim, b.plain(size, "the size of a split")[0]))


@maps("chunk")
def _chunk(b, x, chunks, dim=0):
    dim = b.axis(x, dim)
    return _split_by(b, x, dim, _split_sizes(x, dim, max(-(-x.shape[dim] // chunks), 1)))


@maps("unbind")
def _unbind(b, x, dim=0):
    dim = b.axis(x, dim)
    return tuple(b.emit("Gather", x, b.scalar(i, facula.int64), axis=dim) for i in range(x.shape[dim]))


@maps("flip")
def _flip(b, x, dims):
    dims = [b.axis(x, d) for d in dims]
    return b.emit("Slice", x, [-1] * len(dims), [-END] * len(dims), dims, [-1] * len(dims)) if dims else b.emit("Identity", x)


@maps("roll")
def _roll(b, x, shifts, dims=()):
    shifts = shifts if isinstance(shifts, (list, tuple)) else [shifts]
    if not dims:
        flat = b.emit("Reshape", x, [-1])
        out = b.emit("Concat", slice_(b, flat, 0, -shifts[0], END), slice_(b, flat, 0, 0, -shifts[0]), axis=0)
        return b.emit("Reshape", out, b.emit("Shape", x))
    name = b(x)
    for shift, d in zip(shifts, dims if isinstance(dims, (list, tuple)) else [dims]):
        d = b.axis(x, d)
        shift = shift % max(x.shape[d], 1)
        if shift:
            name = b.emit("Concat", slice_(b, name, d, -shift, END), slice_(b, name, d, 0, -shift), axis=d)
    return name


def _triangle(upper):
    def emit(b, x, diagonal=0):
        if b.dtype(x) == facula.bool:
            return b.emit("Cast", b.emit("Trilu", b.cast(x, facula.int64), b.scalar(int(diagonal), facula.int64), upper=upper), to=9)
        return b.emit("Trilu", x, b.scalar(int(diagonal), facula.int64), upper=upper)

    return emit


maps("tril")(_triangle(0))
maps("triu")(_triangle(1))


@maps("diagonal")
def _diagonal(b, x, offset=0, dim1=0, dim2=1):
    d1, d2 = b.axis(x, dim1), b.axis(x, dim2)
    n1, n2 = x.shape[d1], x.shape[d2]
    length = max(min(n1, n2 - offset) if offset >= 0 else min(n1 + offset, n2), 0)
    rest = [d for d in range(b.rank(x)) if d not in (d1, d2)]
    moved = b.emit("Reshape", b.emit("Transpose", x, perm=[*rest, d1, d2]), [*(x.shape[d] for d in rest), n1 * n2])
    places = facula.arange(length) * (n2 + 1) + (offset if offset >= 0 else -offset * n2)
    return b.emit("Gather", moved, b.constant(places), axis=len(rest))


@maps("constant_pad_nd")
def _pad(b, x, pad, value=0):
    n, pad = b.rank(x), list(pad)
    before, after = [0] * n, [0] * n
    for i in range(len(pad) // 2):
        before[n - 1 - i], after[n - 1 - i] = pad[2 * i], pad[2 * i + 1]
    return b.emit("Pad", x, before + after, b.scalar(value, b.dtype(x)))


@maps("unfold")
def _unfold(b, x, dimension, size, step):
    d = b.axis(x, dimension)
    count = (x.shape[d] - size) // step + 1
    places = (facula.arange(count) * step).reshape(-1, 1) + facula.arange(size)
    out = b.emit("Gather", x, b.constant(places), axis=d)
    order = [i for i in range(b.rank(x) + 1) if i != d + 1] + [d + 1]
    return b.emit("Transpose", out, perm=order)


# ---------------------------------------------------------------- writes into views
@inverts("alias", "contiguous")
def _whole(b, base, new, place, view, *_):
    return new


@inverts("view", "reshape", "flatten", "squeeze", "unsqueeze")
def _reshaped(b, base, new, place, view, *_):
    return b.emit("Reshape", new, b.emit("Shape", base))


@inverts("transpose", "swapaxes", "swapdims")
def _transposed(b, base, new, place, view, d0, d1):
    return b.emit("Transpose", new, perm=_swapped(b, base, d0, d1))


@inverts("t")
def _transposed_matrix(b, base, new, place, view):
    return b.emit("Transpose", new, perm=list(range(b.rank(base)))[::-1])


@inverts("permute")
def _permuted_back(b, base, new, place, view, dims):
    dims = [b.axis(base, d) for d in dims]
    return b.emit("Transpose", new, perm=[dims.index(d) for d in range(len(dims))])


def _replaced(b, base, new, dim, start, end):
    parts = []
    if start:
        parts.append(slice_(b, base, dim, 0, start))
    parts.append(new)
    if end < base.shape[dim]:
        parts.append(slice_(b, base, dim, end, END))
    return b.emit("Concat", *parts, axis=dim) if len(parts) > 1 else new


@inverts("select")
def _selected(b, base, new, place, view, dim, index):
    dim = b.axis(base, dim)
    index = b.plain(index, "an index")[0] % base.shape[dim]
    return _replaced(b, base, b.emit("Unsqueeze", new, [dim]), dim, index, index + 1)


@inverts("unbind")
def _unbound(b, base, new, place, view, dim=0):
    return _selected(b, base, new, place, view, dim, place)


@inverts("_slice")
def _sliced(b, base, new, place, view, dim=0, start=None, end=None, step=1):
    dim = b.axis(base, dim)
    n = base.shape[dim]
    start, end, step = slice(*(None if v is None else b.plain(v, "a slice")[0] for v in (start, end, step))).indices(n)
    if step == 1:
        return _replaced(b, base, new, dim, start, max(start, end))
    places = facula.arange(start, end, step)
    shape = [1] * b.rank(base)
    shape[dim] = len(places)
    index = b.emit("Expand", b.constant(places.reshape(shape)), b.emit("Shape", new))
    return b.emit("ScatterElements", base, index, new, axis=dim)


@inverts("narrow")
def _narrowed(b, base, new, place, view, dim, start, length):
    return _sliced(b, base, new, place, view, dim, start, b.plain(start, "a slice")[0] + b.plain(length, "a slice")[0])


@inverts("chunk", "split", "split_with_sizes")
def _split_back(b, base, new, place, view, how, dim=0):
    dim = b.axis(base, dim)
    sizes = list(how) if isinstance(how, (list, tuple)) else _split_sizes(base, dim, how)
    if not isinstance(how, (list, tuple)) and view.tensor.shape[dim] != sizes[0]:
        sizes = _split_sizes(base, dim, max(-(-base.shape[dim] // how), 1))
    start = sum(sizes[:place])
    return _replaced(b, base, new, dim, start, start + sizes[place])


@inverts("diagonal")
def _diagonal_back(b, base, new, place, view, offset=0, dim1=0, dim2=1):
    d1, d2 = b.axis(base, dim1), b.axis(base, dim2)
    n1, n2 = base.shape[d1], base.shape[d2]
    order = [*(d for d in range(b.rank(base)) if d not in (d1, d2)), d1, d2]
    lead = [base.shape[d] for d in order[:-2]]
    flat = b.emit("Reshape", b.emit("Transpose", base, perm=order), [*lead, n1 * n2])
    length = view.tensor.shape[-1]
    places = facula.arange(length) * (n2 + 1) + (offset if offset >= 0 else -offset * n2)
    out = b.emit("ScatterElements", flat, b.constant(places.expand(*lead, length).contiguous()), new, axis=len(lead))
    return b.emit("Transpose", b.emit("Reshape", out, [*lead, n1, n2]), perm=[order.index(d) for d in range(len(order))])


# A write into a view, as an operation of its own: (base, new view, *arguments of the view).
maps("select_scatter")(lambda b, x, src, dim, index: _selected(b, x, b(src), 0, None, dim, index))
maps("slice_scatter")(lambda b, x, src, dim=0, start=None, end=None, step=1: _sliced(b, x, b(src), 0, None, dim, start, end, step))
maps("diagonal_scatter")(lambda b, x, src, offset=0, dim1=0, dim2=1: _diagonal_back(b, x, b(src), 0, src, offset, dim1, dim2))


@maps("as_strided")
def _as_strided(b, x, size, stride, storage_offset=None):
    if not x.tensor.is_contiguous():
        raise UnsupportedOperatorError("onnx.export: as_strided of a tensor that is not contiguous has no form in ONNX")
    size, stride = b.plain(size, "a size of as_strided"), b.plain(stride, "a stride")
    places = facula.zeros((), dtype=facula.int64) + (0 if storage_offset is None else storage_offset - x.tensor.storage_offset())
    for d, (n, step) in enumerate(zip(size, stride)):
        places = places + (facula.arange(n) * step).reshape(-1, *[1] * (len(size) - d - 1))
    return b.emit("Gather", b.emit("Reshape", x, [-1]), b.constant(places), axis=0)
