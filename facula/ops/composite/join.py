"""Joining, repeating, rearranging and padding, in terms of operations that have kernels."""

import itertools
import warnings

import facula

from .._table import composite
from .shape import _tensors, _wrap, atleast


def _stacked_along(name, at_least, dim_of):
    def join(tensors):
        tensors = tuple(tensors)
        if not tensors:
            raise RuntimeError(f"{name} expects a non-empty TensorList")
        grown = [atleast(at_least, t) for t in tensors]
        return facula.cat(grown, dim_of(grown[0]))

    join.__name__ = name
    join.__doc__ = "Joins tensors along one axis."
    return join


for _names, _least, _dim in ((("hstack",), 1, lambda t: 0 if t.dim() == 1 else 1), (("vstack", "row_stack"), 2, lambda t: 0),
                             (("dstack",), 3, lambda t: 2)):
    for _name in _names:
        composite(_name, method=False)(_stacked_along(_name, _least, _dim))


@composite("column_stack", method=False)
def column_stack(tensors):
    """Joins vectors as columns, matrices side by side."""
    tensors = tuple(tensors)
    if not tensors:
        raise RuntimeError("column_stack expects a non-empty TensorList")
    return facula.hstack([t.reshape(t.numel(), 1) if t.dim() <= 1 else t for t in tensors])


@composite("block_diag", method=False)
def block_diag(*tensors):
    """A matrix with the given ones along its diagonal."""
    blocks = []
    for i, t in enumerate(tensors):
        if t.dim() > 2:
            raise RuntimeError(f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has {t.dim()} dimensions")
        blocks.append(atleast(2, t))
    if not blocks:
        return facula.empty(1, 0)
    total = sum(b.shape[1] for b in blocks)
    kind = blocks[0].dtype
    for b in blocks:
        kind = facula.promote_types(kind, b.dtype)
    rows, at = [], 0
    for b in blocks:
        rows.append(facula.constant_pad_nd(b.to(kind), [at, total - at - b.shape[1]]))
        at += b.shape[1]
    return facula.cat(rows)


@composite("meshgrid", method=False)
def meshgrid(*tensors, indexing=None):
    """Coordinate grids of vectors."""
    tensors = _tensors(tensors)
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    for t in tensors:
        if t.dim() > 1:
            raise RuntimeError(f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {_text(t)}")
        if t.dtype != tensors[0].dtype:
            raise RuntimeError("torch.meshgrid expects all tensors to have the same dtype")
    if indexing is None:
        warnings.warn("torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument.", UserWarning, stacklevel=2)
    swap = indexing == "xy" and len(tensors) >= 2
    if swap:
        tensors = (tensors[1], tensors[0], *tensors[2:])
    shape = [t.numel() for t in tensors]
    grids = [t.reshape([-1 if d == i else 1 for d in range(len(shape))]).expand(shape) for i, t in enumerate(tensors)]
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


def _text(t):
    return repr(t)


@composite("cartesian_prod", method=False)
def cartesian_prod(*tensors):
    """All tuples of elements, a row each."""
    tensors = _tensors(tensors)
    for t in tensors:
        if t.dim() != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(t.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    return facula.stack([g.flatten() for g in facula.meshgrid(*tensors, indexing="ij")], 1)


@composite("combinations")
def combinations(input, r=2, with_replacement=False):
    """All ways to pick r elements, a row each."""
    if input.dim() != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return facula.empty(0, dtype=input.dtype)
    pick = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = list(pick(range(input.shape[0]), r))
    index = facula.tensor(rows, dtype=facula.int64).reshape(len(rows), r)
    return input[index]


# ---------------------------------------------------------------- order
@composite("fliplr")
def fliplr(input):
    """Reverses the columns."""
    if input.dim() < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return input.flip(1)


@composite("flipud")
def flipud(input):
    """Reverses the rows."""
    if input.dim() < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return input.flip(0)


@composite("rot90")
def rot90(input, k=1, dims=(0, 1)):
    """Turns the plane of two dimensions by k quarters."""
    dims = list(dims)
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if input.dim() < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {input.dim()}")
    if dims[0] == dims[1] or abs(dims[0] - dims[1]) == input.dim():
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}")
    for i, d in enumerate(dims):
        if not -input.dim() <= d < input.dim():
            raise RuntimeError(f"Rotation dim{i} out of range, dim{i} = {d}")
    k %= 4
    if k == 0:
        return input.clone(memory_format=facula.contiguous_format)
    if k == 2:
        return input.flip(dims)
    return input.flip([dims[1]] if k == 1 else [dims[0]]).transpose(*dims)


# ---------------------------------------------------------------- repeats
@composite("tile")
def tile(input, *sizes, dims=None):
    """Repeats along the last dimensions, or more."""
    dims = sizes if dims is None else dims
    dims = list(dims[0]) if len(dims) == 1 and not isinstance(dims[0], int) else list(dims)
    return input.repeat([1] * (input.dim() - len(dims)) + dims)


@composite("repeat_interleave")
def repeat_interleave(input, repeats=None, dim=None, *, output_size=None):
    """Repeats every element (or slice along `dim`) in place."""
    if repeats is None:  # repeats alone: the indices that would be taken
        counts = input
        if counts.dim() != 1:
            raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
        if counts.dtype not in (facula.int64, facula.int32):
            raise RuntimeError("repeats has to be Long or Int tensor")
        return facula._repeat_positions(counts).to(counts.dtype)
    x = input if dim is not None else input.reshape(-1)
    dim = 0 if dim is None else _wrap(dim, input.dim())
    if x.dim() == 0:
        x = x.reshape(1)
    if isinstance(repeats, (list, tuple)):
        repeats = facula.tensor(repeats)
    n = x.shape[dim]
    if isinstance(repeats, int):
        if repeats < 0:
            raise RuntimeError("Repeats must be non-negative")
        shape = [*x.shape[:dim + 1], repeats, *x.shape[dim + 1:]]
        return x.unsqueeze(dim + 1).expand(shape).flatten(dim, dim + 1) if repeats != 1 else x.clone()
    if repeats.dim() == 0 or (repeats.dim() == 1 and repeats.numel() == 1):
        repeats = repeats.reshape(1).expand(n)
    elif repeats.dim() != 1:
        raise RuntimeError("repeats must be 0-dim or 1-dim tensor")
    if repeats.numel() != n:
        raise RuntimeError("repeats must have the same size as input along dim, but got repeats.size(0) = "
                           f"{repeats.numel()} and input.size({dim}) = {n}")
    return x.index_select(dim, repeat_interleave(repeats))


# ---------------------------------------------------------------- diagonals and triangles
@composite("diag_embed")
def diag_embed(input, offset=0, dim1=-2, dim2=-1):
    """Matrices with the last dimension along a diagonal."""
    n = input.dim() + 1
    dim1, dim2 = _wrap(dim1, n), _wrap(dim2, n)
    if dim1 == dim2:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    size = input.shape[-1] + abs(offset)
    shape = list(input.shape[:-1])
    for d in sorted((dim1, dim2)):
        shape.insert(d, size)
    return facula._diagonal_backward(input, shape, offset, dim1, dim2)


@composite("diag")
def diag(input, diagonal=0):
    """The diagonal of a matrix, or the matrix with a vector on its diagonal."""
    if input.dim() not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.dim()}D")
    return diag_embed(input, diagonal) if input.dim() == 1 else input.diagonal(diagonal).clone(memory_format=facula.contiguous_format)


@composite("diagflat")
def diagflat(input, offset=0):
    """The matrix with all elements on its diagonal."""
    return diag_embed(input.contiguous().view(-1), offset)


def _triangle_indices(keep):
    def indices(row, col, offset=0, *, dtype=None, layout=None, device=None, pin_memory=False):
        for name, n in (("row", row), ("col", col)):
            if n < 0:
                raise RuntimeError(f"{name} must be non-negative, got{n}")
        mask = getattr(facula.ones(row, col, dtype=facula.bool), keep)(offset)
        return facula._nonzero(mask).t().contiguous().to(device=device, dtype=dtype or facula.int64)

    indices.__name__ = keep + "_indices"
    indices.__doc__ = "Row and column indices of a triangle of a matrix."
    composite(indices.__name__, method=False)(indices)


_triangle_indices("tril")
_triangle_indices("triu")


def _powers(x, n):
    """x ** 0 ... x ** (n - 1) along a new last dimension."""
    x = x.to(facula.int64) if x.dtype in (facula.bool, facula.uint8, facula.int8, facula.int16, facula.int32) else x
    columns = [facula.ones_like(x)]
    while len(columns) < n:
        columns.append(columns[-1] * x)
    return facula.stack(columns[:n], -1) if n else x.new_empty((*x.shape, 0))


@composite("vander", method=False)
def vander(x, N=None, increasing=False):  # noqa: N803
    """Powers of x as columns, decreasing unless `increasing`."""
    if x.dim() != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    n = x.shape[0] if N is None else N
    if n < 0:
        raise RuntimeError("N must be non-negative.")
    powers = _powers(x, n)
    return powers if increasing else powers.flip(1)


@composite("linalg.vander")
def linalg_vander(x, *, N=None):  # noqa: N803
    """Powers of x along a new last dimension, increasing."""
    if x.dtype == facula.bool:
        raise RuntimeError("linalg.vander supports floating point, complex, and integer tensors, but got Bool")
    x = x if x.dim() else x.reshape(1)
    n = x.shape[-1] if N is None else N
    if n <= 1:
        raise RuntimeError("N must be greater than 1.")
    return _powers(x, n)


@composite("linalg.diagonal")
def linalg_diagonal(A, *, offset=0, dim1=-2, dim2=-1):  # noqa: N803
    """The diagonals of matrices, as a view."""
    return A.diagonal(offset, dim1, dim2)
