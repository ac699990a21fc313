"""Products, sums and softmax of sparse tensors."""

from __future__ import annotations

import facula

from .._layouts import Compressed, Coo, is_other, parts, wrap
from .._native import core
from ._table import composite, op
from .sparse import NAMES, any_layout, as_coo, at_places, coalesced, flat_index, rows_of, starts, with_values

# ---------------------------------------------------------------- products

def multiply(matrix, dense):
    """sparse (rows, n) @ dense (n, columns), dense."""
    own = parts(matrix)
    if isinstance(own, Compressed) and own.layout == core.sparse_csr:
        return facula._csr_product(own.compressed, own.plain, own.values, dense)
    own = as_coo(matrix)
    (row, column), values = own.indices, own.values
    if not own.coalesced:
        order = row.argsort(stable=True)
        row, column, values = row[order], column[order], values[order]
    return facula._csr_product(starts(row, matrix.shape[0]), column, values, dense)


op("_csr_product(Tensor starts, Tensor columns, Tensor values, Tensor dense, str reduce='sum')", kernel="sparse.csr_product", method=False, differentiable=False)
op("_csr_dots(Tensor starts, Tensor columns, Tensor a, Tensor b)", kernel="sparse.csr_dots", method=False, differentiable=False)
op("_csr_csr_product(Tensor a_starts, Tensor a_columns, Tensor a_values, Tensor b_starts, Tensor b_columns, Tensor b_values, int width) -> (_, _)",
   kernel="sparse.csr_csr_product", method=False, differentiable=False)
op("_merge_places(Tensor a, Tensor b) -> (_, _, _)", kernel="sparse.merge_places", method=False, differentiable=False)


def check_product(a, b):
    if a.shape[1] != b.shape[0]:
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({a.shape[0]}x{a.shape[1]} and {b.shape[0]}x{b.shape[1]})")


def _sparse_addmm(input, mat1, mat2, beta, alpha):
    check_product(mat1, mat2)
    product = multiply(mat1, mat2)
    return (product if alpha == 1 else product * alpha) if beta == 0 else beta * input + alpha * product


any_layout("_sparse_addmm(Tensor input, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1)", compute=_sparse_addmm, method=False,
            node="SparseAddmmBackward0",
            vjp={"input": lambda grad, beta: grad * beta,
                 "mat1": lambda grad, mat1, mat2, alpha: facula.sparse.sampled_addmm(mat1, grad, mat2.mH, beta=0, alpha=alpha)
                 if mat1.layout == core.sparse_csr else (grad @ mat2.mH * alpha).sparse_mask(mat1),
                 "mat2": lambda grad, mat1, alpha: facula._sparse_addmm(grad.new_zeros(()), mat1.mH, grad, beta=0, alpha=alpha)})


@composite("sparse.addmm")
def sparse_addmm(mat, mat1, mat2, *, beta=1.0, alpha=1.0):
    """beta * mat + alpha * (sparse mat1 @ mat2); the gradient of mat1 is sparse."""
    return facula._sparse_addmm(mat, mat1, mat2, beta=beta, alpha=alpha)


@composite("sparse.mm")
def sparse_mm(mat1, mat2, reduce=None):
    """mat1 @ mat2 with at least one of them sparse.

    Args:
        mat1: (rows, n).
        mat2: (n, columns).
        reduce: "sum", "mean", "amax" or "amin" of the products of a row's elements, for a CSR mat1 and a dense mat2.
    """
    if reduce is not None:
        return facula._sparse_mm_reduce(mat1, mat2, reduce)
    if is_other(mat1) and is_other(mat2):
        return facula._sparse_sparse_mm(mat1, mat2)
    if is_other(mat1):
        return facula._sparse_addmm(mat2.new_zeros(()), mat1, mat2, beta=0)
    return facula._sparse_addmm(mat1.new_zeros(()), mat2.t(), mat1.t(), beta=0).t()


def _in_rows(x):
    """(starts, columns, values) of a sparse matrix of any layout."""
    own = parts(x)
    if isinstance(own, Compressed) and own.layout == core.sparse_csr:
        return own.compressed, own.plain, own.values
    own = coalesced(wrap(as_coo(x), x.shape))
    return starts(own.indices[0], x.shape[0]), own.indices[1], own.values


def _product_of_sparse(input, mat2):
    """Row by row: the rows of the second that a row of the first meets, added up."""
    check_product(input, mat2)
    size = (input.shape[0], mat2.shape[1])
    made = wrap(Coo(*facula._csr_csr_product(*_in_rows(input), *_in_rows(mat2), size[1]), True), size)
    return made if input.layout == core.sparse_coo else made.to_sparse_csr()


any_layout("_sparse_sparse_mm(Tensor input, Tensor mat2)", compute=_product_of_sparse, method=False, node="SparseSparseMatmulBackward0",
            vjp={"input": lambda grad, input, mat2: (grad.to_dense() @ mat2.mH.to_dense()).sparse_mask(input),
                 "mat2": lambda grad, input, mat2: (input.mH.to_dense() @ grad.to_dense()).sparse_mask(mat2)})


def _reduce_csr(input, mat2, reduce):
    """(result, index of the element that gave each, -1 for none)."""
    if input.layout != core.sparse_csr or is_other(mat2):
        raise RuntimeError("sparse_mm_reduce: expect mat1 to be in the CSR layout and mat2 to be dense")
    if reduce not in ("sum", "mean", "amax", "amin", "max", "min"):
        raise RuntimeError(f"reduce argument must be either sum, mean, amax or amin, got {reduce}")
    check_product(input, mat2)
    own = parts(input)
    names = {"max": "amax", "min": "amin"}
    return facula._csr_product(own.compressed, own.plain, own.values, mat2, names.get(reduce, reduce))


def _reduce_gradients(grad, input, mat2, reduce, result, needs):
    """Both gradients, in terms of operations on the values."""
    own = parts(input)
    rows, columns = rows_of(own.compressed, own.plain.shape[0]).to(facula.int64), own.plain.to(facula.int64)
    values = input.values()
    each = grad.index_select(0, rows)  # (nnz, columns)
    if reduce == "mean":
        each = each / own.compressed.diff().clamp(min=1).index_select(0, rows).unsqueeze(1)
    elif reduce != "sum":
        each = each * _first_of_row(mat2.detach().index_select(0, columns) * own.values.unsqueeze(1), result.detach(), rows)
    one = facula._values_like(input, (each * mat2.index_select(0, columns)).sum(1)) if needs[0] else None
    other = facula.zeros_like(mat2).index_add(0, columns, each * values.unsqueeze(1)) if needs[1] else None
    return one, other


def _first_of_row(terms, result, rows):
    """1 at the first term of a row that equals the row's result, 0 elsewhere."""
    same = terms == result.index_select(0, rows)
    place = facula.arange(rows.shape[0]).unsqueeze(1).expand_as(same)
    place = place.masked_fill(~same, rows.shape[0])
    first = place.new_full(result.shape, rows.shape[0]).index_reduce_(0, rows, place, "amin")
    return (same & (place == first.index_select(0, rows))).to(terms.dtype)


any_layout("_sparse_mm_reduce(Tensor input, Tensor mat2, str reduce)", compute=_reduce_csr, method=False, node="SparseMmReduceImplBackward0",
            vjp={"input, mat2": _reduce_gradients})


def _sampled(input, mat1, mat2, beta, alpha):
    if input.layout != core.sparse_csr:
        raise RuntimeError(f"Expected input tensor to have SparseCsr layout, but got {NAMES[input.layout]}")
    if mat1.shape[-1] != mat2.shape[-2]:
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({mat1.shape[-2]}x{mat1.shape[-1]} and {mat2.shape[-2]}x{mat2.shape[-1]})")
    own = parts(input)
    if own.compressed.dim() > 1 or mat1.dim() > 2:
        picked = at_places((mat1 @ mat2).expand(input.shape), input)._wrapped.values
    else:
        picked = facula._csr_dots(own.compressed, own.plain, mat1, mat2.mT)
    return with_values(input, alpha * picked if beta == 0 else beta * own.values + alpha * picked)


any_layout("sparse.sampled_addmm(Tensor input, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1)", compute=_sampled,
            node="SparseSampledAddmmBackward0",
            vjp={"input": lambda grad, beta: grad * beta.conjugate(),
                 "mat1": lambda grad, input, mat2, alpha: facula._masked_product(grad, input, mat2.mH, alpha.conjugate()),
                 "mat2": lambda grad, input, mat1, alpha: facula._masked_product(grad, input, mat1.mH, alpha.conjugate(), True)})


@composite("_masked_product", method=False)
def _masked_product(grad, mask, dense, alpha, left=False):
    """The dense gradient of a sampled product's factor: the gradient at the mask's places times the other factor."""
    grad = grad.sparse_mask(mask).to_dense()
    return (dense @ grad if left else grad @ dense) * alpha


# ---------------------------------------------------------------- sums and softmax

def _sum_over(input, dim, dtype):
    own = parts(input)
    dims = sorted({d % input.dim() for d in ([dim] if isinstance(dim, int) else dim)})
    sparse = own.indices.shape[0]
    values = own.values if dtype is None else own.values.to(dtype)
    dense = [d - sparse + 1 for d in dims if d >= sparse]
    if dense:
        values = values.sum(dense)
    size = tuple(n for d, n in enumerate(input.shape) if d not in dims)
    left = [d for d in range(sparse) if d not in dims]
    if not left:
        return values.sum(0)
    made = wrap(Coo(own.indices[left], values, len(left) == sparse and own.coalesced), size)
    return wrap(coalesced(made), size)


def _spread(grad, input, dim):
    dims = sorted({d % input.dim() for d in ([dim] if isinstance(dim, int) else dim)})
    grad = grad.to_dense()
    for d in dims:
        grad = grad.unsqueeze(d)
    return grad.expand(input.shape).sparse_mask(input)


any_layout("_sparse_sum(Tensor input, int[1] dim, dtype? dtype=None)", compute=_sum_over, method=False,
            vjp={"input": lambda grad, input, dim: _spread(grad, input, dim)})


@composite("sparse.sum")
def sparse_sum(input, dim=None, dtype=None):
    """The sum over given dimensions, sparse where sparse dimensions are left; over all: a number."""
    if dim is None or dim == ():
        total = input.coalesce().values() if input.layout == core.sparse_coo else input.values()
        return total.sum(dtype=dtype)
    return facula._sparse_sum(input, dim, dtype)


def _normalized(name, function):
    @composite(f"sparse.{name}")
    def normalize(input, dim, *, dtype=None):
        input = input.coalesce()
        values = input.values() if dtype is None else input.values().to(dtype)
        sparse = input.sparse_dim()
        dim = dim % input.dim()
        if dim >= sparse:
            return facula._coo(input.indices(), getattr(facula, name)(values, dim - sparse + 1), input.shape, True)
        indices, sizes = input.indices(), tuple(input.shape)
        rest = [d for d in range(sparse) if d != dim]
        _, lines = facula.unique(flat_index(indices[rest], [sizes[d] for d in rest]), return_inverse=True)
        count = int(lines.max()) + 1 if lines.numel() else 0
        top = values.detach().new_zeros((count, *values.shape[1:])).index_reduce(0, lines, values.detach(), "amax", include_self=False)
        shifted = values - top.index_select(0, lines)
        total = shifted.new_zeros((count, *values.shape[1:])).index_add(0, lines, shifted.exp()).index_select(0, lines)
        return facula._coo(indices, function(shifted, total), input.shape, True)

    normalize.__name__ = normalize.__qualname__ = name
    normalize.__doc__ = f"{name} over the elements that are there: the others count as minus infinity."


_normalized("softmax", lambda shifted, total: shifted.exp() / total)
_normalized("log_softmax", lambda shifted, total: shifted - total.log())
