"""Sparse tensors: making them, their parts, conversions, products and sums. What plain operations do to them: sparse/_rules.py."""

from __future__ import annotations

import facula

from .. import _layouts
from .._layouts import Compressed, Coo, is_other, parts, wrap
from .._native import core
from ._table import composite, op

NAMES = {core.strided: "Strided", core.sparse_coo: "Sparse", core.sparse_csr: "SparseCsr", core.sparse_csc: "SparseCsc", core.sparse_bsr: "SparseBsr",
          core.sparse_bsc: "SparseBsc"}
_LAYOUTS = {str(k).rpartition(".")[2]: k for k in NAMES}


def any_layout(signature, **options):
    """An operation that takes tensors of all layouts."""
    _layouts.aware.add(op(signature, **options))


# ---------------------------------------------------------------- coordinates

def flat_index(indices, sizes):
    """Coordinates (dims, nnz) as places in the flattened sizes."""
    place = indices.new_zeros(indices.shape[1])
    for row, n in zip(indices.unbind(0), sizes, strict=True):
        place = place * n + row
    return place


def coordinates(flat, sizes):
    """The coordinates (dims, nnz) of places in the flattened sizes."""
    rows = []
    for n in reversed(sizes):
        rows.append(flat % n)
        flat = facula.div(flat, n, rounding_mode="floor")
    return facula.stack(rows[::-1]) if rows else flat.new_zeros((0, flat.shape[0]))


def coalesced(x):
    """The Coo of x with sorted coordinates, values of equal ones added."""
    own = parts(x)
    if own.coalesced or own.indices.shape[1] < 2:
        return Coo(own.indices, own.values, True)
    sizes = tuple(x.shape[:own.indices.shape[0]])
    places, at = facula.unique(flat_index(own.indices, sizes), return_inverse=True)
    values = own.values.new_zeros((places.shape[0], *own.values.shape[1:]))
    if values.dtype == facula.bool:
        values[at[own.values]] = True
    else:
        values.index_add_(0, at, own.values)
    return Coo(coordinates(places, sizes), values, True)


def rows_of(compressed, count):
    """The row of each element: starts (*batch, rows + 1) -> (*batch, count)."""
    batch, rows = compressed.shape[:-1], compressed.shape[-1] - 1
    each = facula.arange(rows, dtype=compressed.dtype).expand(*batch, rows).reshape(-1)
    return each.repeat_interleave(compressed.diff(dim=-1).reshape(-1)).reshape(*batch, count)


def as_coo(x):
    """The Coo of a tensor of another layout without batch dimensions."""
    own = parts(x)
    if isinstance(own, Coo):
        return own
    if own.compressed.dim() > 1 or own.layout in (core.sparse_bsr, core.sparse_bsc):
        return parts(_dense_to_coo(_compressed_to_dense(x), x.dim()))
    first, second = rows_of(own.compressed, own.plain.shape[-1]), own.plain
    both = facula.stack((first, second) if own.by_rows else (second, first)).to(facula.int64)
    return Coo(both, own.values, own.by_rows)


# ---------------------------------------------------------------- conversions

def _coo_to_dense(x):
    own = parts(x)
    sizes, dense = tuple(x.shape[:own.indices.shape[0]]), tuple(own.values.shape[1:])
    if own.values.dtype == facula.bool:
        own = coalesced(x)
    count = 1
    for n in sizes:
        count *= n
    out, place = own.values.new_zeros((count, *dense)), flat_index(own.indices, sizes)
    if own.values.numel():
        out = out.index_copy_(0, place, own.values) if own.coalesced else out.index_add_(0, place, own.values)
    return out.reshape(x.shape)


def _compressed_to_dense(x):
    own = parts(x)
    batch, count = own.compressed.shape[:-1], own.plain.shape[-1]
    first, second = rows_of(own.compressed, count).to(facula.int64), own.plain.to(facula.int64)
    if not own.by_rows:
        first, second = second, first
    blocks = tuple(own.values.shape[len(batch) + 1:]) if own.layout in (core.sparse_bsr, core.sparse_bsc) else (1, 1)
    dense = () if blocks != (1, 1) or own.layout in (core.sparse_bsr, core.sparse_bsc) else tuple(own.values.shape[len(batch) + 1:])
    rows, columns = x.shape[len(batch)] // blocks[0], x.shape[len(batch) + 1] // blocks[1]
    number = 1
    for n in batch:
        number *= n
    which = facula.arange(number).reshape(*batch, 1).expand(*batch, count)
    place = ((which * rows + first) * columns + second).reshape(-1)
    out = own.values.new_zeros((number * rows * columns, *blocks, *dense))
    out[place] = own.values.reshape(-1, *blocks, *dense)
    return out.reshape(number, rows, columns, *blocks, *dense).transpose(2, 3).reshape(x.shape)


def _to_dense(input, dtype, masked_grad):
    out = input if not is_other(input) else _coo_to_dense(input) if input.layout == core.sparse_coo else _compressed_to_dense(input)
    return out if dtype is None else out.to(dtype)


def _dense_to_coo(x, dims):
    if x.dim() == 0:
        return wrap(Coo(facula.zeros((0, int(bool(x))), dtype=facula.int64), x.reshape(1)[:int(bool(x))], True), ())
    lead = tuple(x.shape[:dims])
    kept = x if x.dtype == facula.bool else x != 0
    count = 1
    for n in lead:
        count *= n
    rest = tuple(x.shape[dims:])
    kept = kept.reshape(count, *([-1] if x.numel() else [0]) if rest else ())
    kept = kept.any(1) if rest else kept
    place = facula._nonzero(kept).reshape(-1)
    return wrap(Coo(coordinates(place, lead), x.reshape(count, *rest).index_select(0, place), True), x.shape)


def _to_coo(input, sparse_dim):
    if not is_other(input):
        dims = input.dim() if sparse_dim is None else sparse_dim
        if sparse_dim is not None and not 0 < dims <= max(input.dim(), 1):
            raise RuntimeError(f"sparse_dim argument must be in >0 and <={input.dim()}, got {sparse_dim}"
                               if dims < 1 else f"sparse_dim argument for CPU must be less than or equal to the dimension, got {sparse_dim}")
        return _dense_to_coo(input, dims)
    if input.layout == core.sparse_coo:
        return input
    own = as_coo(input)
    return wrap(own if own.coalesced else coalesced(wrap(own, input.shape)), input.shape)


def starts(index, count):
    """Where each of `count` rows begins in sorted row numbers."""
    return facula.cat((index.new_zeros(1), index.bincount(minlength=count).cumsum(0)))


def _blocked(x, blocksize):
    """(*batch, rows, columns, bh, bw) of (*batch, rows * bh, columns * bw)."""
    bh, bw = blocksize
    if x.shape[-2] % bh or x.shape[-1] % bw:
        raise RuntimeError(f"tensor sparse size ({x.shape[-2]},{x.shape[-1]}) must be divisible by given blocksize ({bh},{bw})")
    return x.reshape(*x.shape[:-2], x.shape[-2] // bh, bh, x.shape[-1] // bw, bw).transpose(-3, -2)


def _to_compressed(input, layout, blocksize, dense_dim):
    kind = _LAYOUTS[layout]
    if input.layout == kind:
        return input
    by_rows = kind in (core.sparse_csr, core.sparse_bsr)
    if input.layout == core.sparse_coo and blocksize is None:
        own = coalesced(input)
        if own.indices.shape[0] != 2:
            raise RuntimeError(f"Conversion of a COO tensor to {NAMES[kind]} wants two sparse dimensions, got {own.indices.shape[0]}")
        first, second = own.indices if by_rows else own.indices.flip(0)
        order = facula.arange(first.shape[0]) if by_rows else first.argsort(stable=True)
        made = Compressed(kind, starts(first[order], input.shape[0 if by_rows else 1]), second[order], own.values[order])
        return wrap(made, input.shape)
    dense = _to_dense(input, None, None)
    if dense.dim() < 2:
        raise RuntimeError(f"Only tensors with two or more dimensions can be converted to the {NAMES[kind]} layout but got Tensor with {dense.dim()} dimensions.")
    return _dense_to_compressed(dense, kind, by_rows, blocksize)


def _dense_to_compressed(x, kind, by_rows, blocksize):
    grid = x if blocksize is None else _blocked(x, blocksize)
    kept = grid if grid.dtype == facula.bool else grid != 0
    if blocksize is not None:
        kept = kept.any(-1).any(-1)
    if not by_rows:
        kept, grid = kept.transpose(x.dim() - 2, x.dim() - 1), grid.transpose(x.dim() - 2, x.dim() - 1)
    batch = kept.shape[:-2]
    counts = kept.sum(-1)  # (*batch, rows)
    each = counts.reshape(-1, counts.shape[-1]).sum(-1)
    if batch and each.numel() and bool((each != each[0]).any()):
        raise RuntimeError(f"Expect the same number of specified elements per batch.")  # noqa: F541
    compressed = facula.cat((counts.new_zeros((*batch, 1)), counts.cumsum(-1)), -1)
    at = facula._nonzero(kept).unbind(1)
    number = int(each[0]) if each.numel() else 0
    values = grid[at] if at else grid
    return wrap(Compressed(kind, compressed, at[-1].reshape(*batch, number), values.reshape(*batch, number, *grid.shape[kept.dim():])), x.shape)


def like_layout(grad, input):
    """A gradient in the layout of its input: dense, or at the input's places."""
    if not is_other(input):
        return grad.to_dense() if is_other(grad) else grad
    return grad if is_other(grad) and grad.layout == input.layout else grad.sparse_mask(input)


any_layout("to_dense(Tensor input, dtype? dtype=None, *, bool? masked_grad=None)", compute=_to_dense,
            vjp={"input": lambda grad, input, masked_grad: grad if masked_grad is False else like_layout(grad, input)}, function=False)
any_layout("_to_coo(Tensor input, int? sparse_dim)", compute=_to_coo, node="ToSparseBackward1", vjp={"input": lambda grad, input: like_layout(grad, input)})
any_layout("_to_compressed(Tensor input, str layout, int[]? blocksize, int? dense_dim)", compute=_to_compressed, node="ToSparseBackward0",
            vjp={"input": lambda grad, input: like_layout(grad, input)})


@composite("to_sparse", function=False)
def to_sparse(self, sparse_dim=None, *, layout=None, blocksize=None, dense_dim=None):
    """The tensor in a sparse layout, by default coordinates: elements that are zero are left out."""
    if isinstance(sparse_dim, core.layout):
        sparse_dim, layout = None, sparse_dim
    if layout in (None, core.sparse_coo):
        return facula._to_coo(self, sparse_dim)
    if layout == core.strided:
        return self.to_dense()
    return facula._to_compressed(self, str(layout).rpartition(".")[2], blocksize, dense_dim)


def _converter(name, with_blocks):
    def plain(self, dense_dim=None):
        return facula._to_compressed(self, name, None, dense_dim)

    def blocks(self, blocksize, dense_dim=None):
        return facula._to_compressed(self, name, blocksize, dense_dim)

    convert = blocks if with_blocks else plain
    convert.__name__ = convert.__qualname__ = "to_" + name
    convert.__doc__ = f"The tensor in the layout {name}."
    composite("to_" + name, function=False)(convert)


for _name in ("sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc"):
    _converter(_name, "bs" in _name)


# ---------------------------------------------------------------- parts

def _expect(x, name, kind="sparse coordinate tensor", layouts=(core.sparse_coo,)):
    if x.layout not in layouts:
        raise RuntimeError(f"{name} expected {kind} layout but got {NAMES[x.layout]}")


def _indices(input):
    _expect(input, "indices")
    if not parts(input).coalesced:
        raise RuntimeError("Cannot get indices on an uncoalesced tensor, please call .coalesce() first")
    return parts(input).indices


def _values(input):
    if not is_other(input):
        _expect(input, "values", "sparse tensor")
    own = parts(input)
    if isinstance(own, Coo) and not own.coalesced:
        raise RuntimeError("Cannot get values on an uncoalesced tensor, please call .coalesce() first")
    return own.values


def with_values(input, values):
    """A tensor with the places of another one."""
    own = parts(input).copy()
    own.values = values
    return wrap(own, input.shape)


def _coalesce(input):
    _expect(input, "coalesce")
    return input if parts(input).coalesced else wrap(coalesced(input), input.shape)


def _raw(name):
    def part(input):
        _expect(input, "_" + name)
        return getattr(parts(input), name)

    return part


def _compressed_part(name, kind, layouts):
    def part(input):
        _expect(input, name, kind, layouts)
        own = parts(input)
        return own.compressed if name in ("crow_indices", "ccol_indices") else own.plain

    any_layout(f"{name}(Tensor input)", compute=part, differentiable=False, function=False)


any_layout("_values_like(Tensor input, Tensor values)", compute=with_values, method=False, node="ValuesBackwardBackward0",
            vjp={"values": lambda grad, input: grad.to_dense() if not is_other(grad) else facula._pick_like(grad, input)})
any_layout("_pick_like(Tensor input, Tensor places)", compute=lambda input, places: at_places(input, places)._wrapped.values, method=False,
            vjp={"input": lambda grad, places: facula._values_like(places, grad)})
any_layout("indices(Tensor input)", compute=_indices, differentiable=False, function=False)
any_layout("values(Tensor input)", compute=_values, function=False, vjp={"input": lambda grad, input: facula._values_like(input, grad)})
any_layout("_indices(Tensor input)", compute=_raw("indices"), differentiable=False, function=False)
any_layout("_values(Tensor input)", compute=_raw("values"), differentiable=False, function=False)
any_layout("coalesce(Tensor input)", compute=_coalesce, function=False, vjp={"input": lambda grad: grad})
any_layout("_coalesced_(Tensor input, bool coalesced)", compute=lambda input, coalesced: _set_coalesced(input, coalesced), function=False, differentiable=False)
for _name, _kind in (("crow_indices", "row"), ("ccol_indices", "column"), ("col_indices", "row"), ("row_indices", "column")):
    _compressed_part(_name, f"sparse {_kind} compressed tensor",
                     (core.sparse_csr, core.sparse_bsr) if _kind == "row" else (core.sparse_csc, core.sparse_bsc))


def _set_coalesced(x, coalesced):
    parts(x).coalesced = coalesced
    return x


# ---------------------------------------------------------------- construction

any_layout("_coo(Tensor indices, Tensor values, int[] size, bool coalesced)", method=False, node="SparseCooTensorWithDimsAndTensorsBackward0",
            compute=lambda indices, values, size, coalesced: wrap(Coo(indices, values, coalesced), size),
            vjp={"values": lambda grad, result: facula._pick_like(grad, result)})
any_layout("_compressed(Tensor compressed, Tensor plain, Tensor values, int[] size, str layout)", method=False,
            node="SparseCompressedTensorBackward0",
            compute=lambda compressed, plain, values, size, layout: wrap(Compressed(_LAYOUTS[layout], compressed, plain, values), size),
            vjp={"values": lambda grad, result: facula._pick_like(grad, result)})


# ---------------------------------------------------------------- masks

def at_places(x, mask):
    """The elements of x (of any layout) at the places of a sparse mask."""
    own = parts(mask)
    dense = _to_dense(x, None, None)
    if isinstance(own, Coo):
        sizes = tuple(mask.shape[:own.indices.shape[0]])
        if is_other(x) and x.layout == core.sparse_coo and parts(x).indices.shape == own.indices.shape and facula.equal(parts(x).indices, own.indices):
            return x
        return wrap(Coo(own.indices, dense.reshape(-1, *dense.shape[len(sizes):]).index_select(0, flat_index(own.indices, sizes)), own.coalesced), mask.shape)
    batch, count = own.compressed.dim() - 1, own.plain.shape[-1]
    if own.layout in (core.sparse_bsr, core.sparse_bsc):
        dense = _blocked(dense, own.values.shape[-2:])
    first, second = rows_of(own.compressed, count).to(facula.int64), own.plain.to(facula.int64)
    if not own.by_rows:
        first, second = second, first
    lead = tuple(facula.arange(n).reshape(*([1] * i), n, *([1] * (batch - i))) for i, n in enumerate(own.compressed.shape[:-1]))
    return wrap(Compressed(own.layout, own.compressed, own.plain, dense[(*lead, first, second)]), mask.shape)


def _sparse_mask(input, mask):
    if input.shape != mask.shape:
        raise RuntimeError(f"sparse_mask(): operands have incompatible sizes; self has size {list(input.shape)} but mask has size {list(mask.shape)}")
    return at_places(input, mask) if is_other(mask) else input


any_layout("sparse_mask(Tensor input, Tensor mask)", compute=_sparse_mask, function=False, vjp={"input": lambda grad, input: like_layout(grad, input)})


# ---------------------------------------------------------------- questions

def _question(name):
    def add(function):
        return composite(name, function=False)(function)

    return add


@_question("is_coalesced")
def is_coalesced(self):
    """Whether the coordinates are sorted and different."""
    _expect(self, "is_coalesced")
    return parts(self).coalesced


@_question("_nnz")
def _nnz(self):
    """Number of elements that are there."""
    if not is_other(self):
        raise NotImplementedError("Could not run 'aten::_nnz' with arguments from the 'CPU' backend: only sparse tensors count their elements.")
    own = parts(self)
    return own.indices.shape[1] if isinstance(own, Coo) else own.plain.shape[-1]


@_question("sparse_dim")
def sparse_dim(self):
    """Number of dimensions that have coordinates."""
    if not is_other(self):
        return 0
    return parts(self).indices.shape[0] if self.layout == core.sparse_coo else 2


@_question("dense_dim")
def dense_dim(self):
    """Number of dimensions that the values have by themselves."""
    if not is_other(self):
        return self.dim()
    own = parts(self)
    if isinstance(own, Coo):
        return own.values.dim() - 1
    return own.values.dim() - own.compressed.dim() - (2 if own.layout in (core.sparse_bsr, core.sparse_bsc) else 0)


@_question("to_sparse_coo")
def to_sparse_coo(self):
    """The tensor in coordinates."""
    return self.to_sparse()
