"""Norms of vectors and matrices."""

from __future__ import annotations

import facula

from ._table import composite, op
from .linalg import check_inexact, check_matrices, type_name

_INF = float("inf")


def _dims(dim, rank):
    """A list of places, all for none."""
    if dim is None or (isinstance(dim, (list, tuple)) and not dim):
        return list(range(rank))
    return [d % rank if rank else 0 for d in ((dim,) if isinstance(dim, int) else dim)]


def _shown(ord):
    return f"{ord:g}"


def _check_vectors(x, ord, dim):
    """Extremes of nothing have no value."""
    if x.numel() or (ord >= 0 and ord != _INF):
        return
    if dim is None or not _dims(dim, x.dim()) or x.dim() == 0 or dim == []:
        raise RuntimeError(f"linalg.vector_norm cannot compute the {_shown(ord)} norm on an empty tensor because the operation does not have an identity")
    for d in _dims(dim, x.dim()):
        if x.shape[d] == 0:
            raise RuntimeError(f"linalg.vector_norm cannot compute the {_shown(ord)} norm on the dimension {d}because this dimension is empty and the "
                               "operation does not have an identity")


def _check_dtype(x, dtype, name):
    if dtype is None:
        return
    if not (dtype.is_floating_point or dtype.is_complex):
        raise RuntimeError(f"{name}: dtype should be floating point or complex, but got {type_name(dtype)}")
    if x.is_complex() != dtype.is_complex:
        raise RuntimeError(f"{name}: dtype should be {'complex for complex' if x.is_complex() else 'real for real'} inputs, but got {type_name(dtype)}")
    if facula.promote_types(x.dtype, dtype) != dtype:
        raise RuntimeError(f"{name}: the dtype of the input ({type_name(x)}) should be convertible without narrowing to the specified dtype "
                           f"({type_name(dtype)})")


def vector_norm(input, ord, dim, keepdim, dtype=None):
    check_inexact(input, "linalg.vector_norm")
    _check_dtype(input, dtype, "linalg.vector_norm")
    _check_vectors(input, ord, dim)
    x = input.detach()
    if dtype is not None:
        x = x.to(dtype)
    if abs(ord) != _INF:
        return facula._finite_norm(x, float(ord), dim, keepdim)
    sizes = x.abs()
    if not x.numel() or not x.dim():
        return sizes.sum(_dims(dim, x.dim()), keepdim)
    return sizes.amax(_dims(dim, x.dim()), keepdim) if ord > 0 else sizes.amin(_dims(dim, x.dim()), keepdim)


op("_finite_norm(Tensor input, float p, int[1]? dim, bool keepdim)", kernel="linalg.vector_norm", method=False, differentiable=False)


def norm_gradient(grad, x, norm, p, dims, keepdim):
    """Of a vector norm; 0 where the norm has no slope."""
    if not keepdim and x.dim():
        for d in sorted(dims):
            grad, norm = grad.unsqueeze(d), norm.unsqueeze(d)
    if p == 0:
        return facula.zeros_like(x)
    if p == 1:
        return x.sgn() * grad
    if p == 2:
        return grad * (x / norm).masked_fill(norm == 0, 0)
    if p in (_INF, -_INF):
        size = x.abs()
        hit = ((size == norm) | (size.isnan() & norm.isnan())).to(grad.dtype)
        return x.sgn() * hit * (grad / hit.sum(dims, True))
    if p < 1:
        return (x.sgn() * x.abs().pow(p - 1)).masked_fill(x == 0, 0) * (grad * norm.pow(1 - p))
    if p < 2:
        return x.sgn() * x.abs().pow(p - 1) * (grad / norm.pow(p - 1)).masked_fill(norm == 0, 0)
    return x * x.abs().pow(p - 2) * (grad / norm.pow(p - 1)).masked_fill(norm == 0, 0)


def _norm_tangent(primals, tangents, results):
    x, p, dim, keepdim, _ = primals
    dims = _dims(dim, x.dim())
    change = tangents[0] * norm_gradient(facula.ones_like(results[0]), x, results[0], p, dims, keepdim).conj()
    return (change.real if change.is_complex() else change).sum(dims, keepdim).to(results[0].dtype)


op("linalg.vector_norm(Tensor input, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, dtype? dtype=None)", compute=vector_norm, jvp=_norm_tangent,
   vjp={"input": lambda grad, input, result, ord, dim, keepdim: norm_gradient(grad, input, result, ord, _dims(dim, input.dim()), keepdim)},
   doc="The vector norm of any order over the given dimensions, or over all.")


def _matrix_dims(A, dim, name="linalg.matrix_norm"):
    dims = [dim] if isinstance(dim, int) else list(dim)
    if len(dims) != 2:
        raise RuntimeError(f"{name}: dim must be a 2-tuple. Got {' '.join(map(str, dims))}")
    for d in dims:
        if not -A.dim() <= d < A.dim():
            raise IndexError(f"Dimension out of range (expected to be in range of [{-A.dim()}, {A.dim() - 1}], but got {d})")
    dims = [d % A.dim() for d in dims]
    if dims[0] == dims[1]:
        raise RuntimeError(f"{name}: dims must be different. Got ({dim[0]}, {dim[1]})")
    return dims


def _extreme(x, dim, keepdim, largest):
    return x.amax(dim, keepdim) if largest else x.amin(dim, keepdim)


@composite("linalg.matrix_norm")
def matrix_norm(input, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None):
    """The matrix norm of two dimensions: 'fro', 'nuc', or of order 1, 2, inf or their negatives."""
    name = "linalg.matrix_norm"
    check_matrices(input, name)
    check_inexact(input, name)
    dims = _matrix_dims(input, dim)
    if ord not in ("fro", "nuc") and (isinstance(ord, str) or abs(ord) not in (1, 2, _INF)):
        raise RuntimeError(f"{name}: Order {ord} not supported.")
    _check_dtype(input, dtype, name)
    if ord == "fro":
        return facula.linalg.vector_norm(input, 2, dims, keepdim, dtype=dtype)
    if dtype is not None:
        input = input.to(dtype)
    if ord == "nuc" or abs(ord) == 2:
        check_inexact(input, name, halves=False)
        values = facula.linalg.svdvals(input.movedim(dims, (-2, -1)))
        found = values.sum(-1) if ord == "nuc" else _extreme(values, -1, False, ord > 0)
        return _with_ones(found, dims) if keepdim else found
    first, second = dims if abs(ord) == 1 else dims[::-1]
    sums = facula.linalg.vector_norm(input, 1, [first], keepdim)
    if not keepdim and first < second:
        second -= 1
    return _extreme(sums, second, keepdim, ord > 0)


def _with_ones(x, dims):
    for d in sorted(dims):
        x = x.unsqueeze(d)
    return x


@composite("linalg.norm")
def norm(input, ord=None, dim=None, keepdim=False, *, dtype=None):
    """A vector norm or a matrix norm, whichever the dimensions ask for."""
    if dim is not None:
        dim = [dim] if isinstance(dim, int) else list(dim)
        if len(dim) not in (1, 2):
            raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {dim}")
    elif ord is not None and input.dim() not in (1, 2):
        raise RuntimeError(f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {input.dim()}D.")
    if ord is not None and (len(dim) if dim is not None else input.dim()) == 2:
        return matrix_norm(input, ord, dim or (0, 1), keepdim, dtype=dtype)
    if isinstance(ord, str):
        return matrix_norm(input, ord, dim if dim is not None else (0,), keepdim, dtype=dtype)
    return facula.linalg.vector_norm(input, 2 if ord is None else ord, dim, keepdim, dtype=dtype)


@composite("norm")
def old_norm(input, p="fro", dim=None, keepdim=False, out=None, dtype=None):
    """The older name: the vector norm of all given dimensions, except for p='nuc'."""
    if p == "nuc":
        result = matrix_norm(input, "nuc", range(input.dim()) if dim is None else dim, keepdim, dtype=dtype)
    elif isinstance(p, str) and p != "fro":
        result = matrix_norm(input, p, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    else:
        result = facula.linalg.vector_norm(input, 2 if p in ("fro", None) else p, dim, keepdim, dtype=dtype)
    if out is None:
        return result
    from ._table import _copy_out

    return _copy_out(out, result, "norm")


@composite("nuclear_norm", method=False)
def nuclear_norm(input, dim=None, keepdim=False):
    """The sum of singular values."""
    return matrix_norm(input, "nuc", range(input.dim()) if dim is None else dim, keepdim)


@composite("frobenius_norm", method=False)
def frobenius_norm(input, dim=(), keepdim=False):
    """The root of the sum of squares."""
    return facula.linalg.vector_norm(input, 2, dim, keepdim)
