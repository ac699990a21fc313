"""Constructors of sparse tensors."""

from __future__ import annotations

import facula

from .._layouts import Coo, wrap
from .._native import core

_BLOCKS = (core.sparse_bsr, core.sparse_bsc)


def sparse_coo_tensor(indices, values=None, size=None, *, dtype=None, device=None, pin_memory=False, requires_grad=False, check_invariants=None,
                      is_coalesced=None):
    """A tensor given by coordinates.

    Args:
        indices: (sparse dimensions, nnz), integers; or, alone, the size of a tensor without elements.
        values: (nnz, *dense sizes).
        size: Sizes of all dimensions; by default just large enough.
        dtype: Of the values, by default theirs.
        check_invariants: Whether to look for coordinates outside of the size.
        is_coalesced: Promises that the coordinates are sorted and different.

    Raises:
        RuntimeError: The numbers of coordinates, values and sizes do not fit.

    Example:
        >>> sparse_coo_tensor([[0, 1], [2, 0]], [3., 4.], (2, 3)).to_dense()
        tensor([[0., 0., 3.],
                [4., 0., 0.]])
    """
    if values is None:
        return empty(size if size is not None else indices, dtype, requires_grad)
    indices = facula.as_tensor(indices).detach().to(facula.int64)
    values = _values(values, dtype, device)
    if indices.dim() != 2:
        raise RuntimeError(f"indices must be sparse_dim x nnz, but got: {list(indices.shape)}")
    if values.dim() == 0:
        values = values.expand(indices.shape[1])
    if size is None:
        if indices.shape[0] and not indices.shape[1]:
            raise RuntimeError("size must be given where there are no indices that tell it")
        size = [n + 1 for n in indices.amax(1).tolist()] if indices.shape[0] else []
        size += list(values.shape[1:])
    size = tuple(int(n) for n in size)
    _check_coo(indices, values, size, check_invariants)
    out = facula._coo(indices, values if requires_grad is False else values.detach(), size, bool(is_coalesced))
    return out.requires_grad_() if requires_grad else out


def _values(values, dtype, device):
    values = values if isinstance(values, facula.Tensor) else facula.tensor(values)
    return values if dtype is None else values.to(dtype)


def _check_coo(indices, values, size, thoroughly):
    if len(size) != indices.shape[0] + values.dim() - 1:
        raise RuntimeError(f"'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) = {len(size)}, sparse_dim = {indices.shape[0]}, "
                           f"dense_dim = {values.dim() - 1}")
    if indices.shape[1] != values.shape[0]:
        raise RuntimeError(f"indices and values must have same nnz, but got nnz from indices: {indices.shape[1]}, nnz from values: {values.shape[0]}")
    if tuple(values.shape[1:]) != size[indices.shape[0]:]:
        raise RuntimeError(f"values has incorrect size, expected {[values.shape[0], *size[indices.shape[0]:]]}, got {list(values.shape)}")
    if not indices.numel():
        return
    low, high = indices.amin(1).tolist(), indices.amax(1).tolist()
    for d, (a, b) in enumerate(zip(low, high, strict=True)):
        if a < 0:
            raise RuntimeError(f"found negative index {a} for dim {d}")
        if b >= size[d]:
            raise RuntimeError(f"size is inconsistent with indices: for dim {d}, size is {size[d]} but found index {b}")


def empty(size, dtype=None, requires_grad=False, layout=core.sparse_coo):
    """A sparse tensor of a size, without elements."""
    size = tuple(int(n) for n in size)
    dtype = dtype or core.get_default_dtype()
    if layout == core.sparse_coo:
        out = wrap(Coo(facula.zeros((len(size), 0), dtype=facula.int64), facula.zeros(0, dtype=dtype), False), size)
    else:
        out = facula.zeros(size, dtype=dtype).to_sparse(layout=layout, blocksize=(1, 1) if layout in _BLOCKS else None)
    return out.requires_grad_() if requires_grad else out


def sparse_compressed_tensor(compressed_indices, plain_indices, values, size=None, *, dtype=None, layout=None, device=None, pin_memory=False,
                             requires_grad=False, check_invariants=None):
    """A tensor given by where each row (or column) begins, the other coordinate of each element, and the elements.

    Args:
        compressed_indices: (*batch, rows + 1), integers from 0 to nnz.
        plain_indices: (*batch, nnz).
        values: (*batch, nnz, *dense sizes), or blocks: (*batch, nnz, height, width).
        size: Sizes of all dimensions; by default just large enough.
        layout: sparse_csr, sparse_csc, sparse_bsr or sparse_bsc.

    Raises:
        RuntimeError: The parts do not fit to each other.
    """
    if layout is None or layout in (core.strided, core.sparse_coo):
        raise RuntimeError(f"sparse_compressed_tensor: expected sparse compressed tensor layout but got {layout}")
    compressed, plain = (x if isinstance(x, facula.Tensor) else facula.tensor(x, dtype=facula.int64) for x in (compressed_indices, plain_indices))
    values = _values(values, dtype, device)
    name = str(layout).rpartition(".")[2]
    by_rows = layout in (core.sparse_csr, core.sparse_bsr)
    blocks = tuple(values.shape[-2:]) if layout in _BLOCKS else (1, 1)
    if size is None:
        lines, across = compressed.shape[-1] - 1, int(plain.max()) + 1 if plain.numel() else 0
        rows, columns = (lines, across) if by_rows else (across, lines)
        dense = () if layout in _BLOCKS else values.shape[compressed.dim():]
        size = (*compressed.shape[:-1], rows * blocks[0], columns * blocks[1], *dense)
    size = tuple(int(n) for n in size)
    _check_compressed(compressed.detach(), plain.detach(), values, size, by_rows, blocks)
    out = facula._compressed(compressed.detach(), plain.detach(), values if requires_grad is False else values.detach(), size, name)
    return out.requires_grad_() if requires_grad else out


def _check_compressed(compressed, plain, values, size, by_rows, blocks):
    names = ("crow_indices", "col_indices") if by_rows else ("ccol_indices", "row_indices")
    batch = compressed.dim() - 1
    lines, across = size[batch] // blocks[0], size[batch + 1] // blocks[1]
    if not by_rows:
        lines, across = across, lines
    if compressed.shape[-1] != lines + 1:
        raise RuntimeError(f"{names[0]}.shape[-1] must be equal to the number of {'rows' if by_rows else 'columns'} + 1 as defined by the size ({lines} + 1), "
                           f"but got {compressed.shape[-1]}")
    if plain.shape[-1] != values.shape[batch]:
        raise RuntimeError(f"number of elements in {names[1]} ({plain.shape[-1]}) and in values ({values.shape[batch]}) must be the same")
    if compressed.numel() and (bool((compressed[..., 0] != 0).any()) or bool((compressed[..., -1] != plain.shape[-1]).any())):
        raise RuntimeError(f"`{names[0]}[..., 0] == 0` and `{names[0]}[..., -1] == nnz` must be satisfied")
    if bool((compressed.diff(dim=-1) < 0).any()):
        raise RuntimeError(f"`0 <= {names[0]}[..., 1:] - {names[0]}[..., :-1] <= {'ncols' if by_rows else 'nrows'}` is not satisfied.")
    if plain.numel() and not (0 <= int(plain.min()) and int(plain.max()) < across):
        raise RuntimeError(f"`0 <= {names[1]} < {'ncols' if by_rows else 'nrows'}` is not satisfied.")


def _constructor(name, first, second):
    layout = getattr(core, name)

    def make(*args, **kwargs):
        places = [*args[:2], *(kwargs.pop(n) for n in (first, second)[len(args[:2]):])]
        return sparse_compressed_tensor(*places, *args[2:], layout=layout, **kwargs)

    make.__name__ = make.__qualname__ = name + "_tensor"
    make.__doc__ = f"A tensor of the layout {name}: ({first}, {second}, values, size=None); see `sparse_compressed_tensor`."
    return make


sparse_csr_tensor = _constructor("sparse_csr", "crow_indices", "col_indices")
sparse_csc_tensor = _constructor("sparse_csc", "ccol_indices", "row_indices")
sparse_bsr_tensor = _constructor("sparse_bsr", "crow_indices", "col_indices")
sparse_bsc_tensor = _constructor("sparse_bsc", "ccol_indices", "row_indices")
