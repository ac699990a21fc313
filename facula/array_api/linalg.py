"""Linear algebra of the array API standard."""

from collections import namedtuple

import facula

__all__ = ["cholesky", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "matmul", "matrix_norm", "matrix_power", "matrix_rank", "matrix_transpose",
           "outer", "pinv", "qr", "slogdet", "solve", "svd", "svdvals", "tensordot", "trace", "vecdot", "vector_norm"]
_Eigh = namedtuple("eigh_result", "eigenvalues eigenvectors")
_QR = namedtuple("qr_result", "Q R")
_Slogdet = namedtuple("slogdet_result", "sign logabsdet")
_SVD = namedtuple("svd_result", "U S Vh")


def matmul(x1, x2, /):
    """The matrix product."""
    kind = facula.promote_types(x1.dtype, x2.dtype)
    return facula.matmul(x1.to(kind), x2.to(kind))


def matrix_transpose(x, /):
    """Matrices with rows and columns exchanged."""
    if x.ndim < 2:
        raise ValueError(f"matrix_transpose(): at least 2 dimensions are needed, got {x.ndim}")
    return x.mT


def tensordot(x1, x2, /, *, axes=2):
    """Products summed over axes of both."""
    kind = facula.promote_types(x1.dtype, x2.dtype)
    return facula.tensordot(x1.to(kind), x2.to(kind), axes)


def vecdot(x1, x2, /, *, axis=-1):
    """Sums of conj(x1) x2 along an axis."""
    x1, x2 = facula.broadcast_tensors(x1, x2)
    products = x1.conj() * x2
    return products.sum(axis, dtype=products.dtype)


def outer(x1, x2, /):
    """All products of an element of one vector with one of the other."""
    return facula.outer(x1, x2)


def cross(x1, x2, /, *, axis=-1):
    """The cross product of vectors of three."""
    return facula.linalg.cross(x1, x2, dim=axis)


def diagonal(x, /, *, offset=0):
    """Diagonals of matrices."""
    return x.diagonal(offset, -2, -1)


def trace(x, /, *, offset=0, dtype=None):
    """Sums of diagonals."""
    from ._statistics import sum

    return sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)


def vector_norm(x, /, *, axis=None, keepdims=False, ord=2):
    """Norms of vectors."""
    return facula.linalg.vector_norm(x, ord, axis, keepdims)


def matrix_norm(x, /, *, keepdims=False, ord="fro"):
    """Norms of matrices."""
    return facula.linalg.matrix_norm(x, ord, keepdim=keepdims)


def cholesky(x, /, *, upper=False):
    """Cholesky's factor."""
    return facula.linalg.cholesky(x, upper=upper)


def eigh(x, /):
    """Eigenvalues and eigenvectors of symmetric matrices."""
    return _Eigh(*facula.linalg.eigh(x))


def qr(x, /, *, mode="reduced"):
    """Orthogonal and triangular factors."""
    return _QR(*facula.linalg.qr(x, mode))


def slogdet(x, /):
    """Signs and logarithms of determinants."""
    return _Slogdet(*facula.linalg.slogdet(x))


def svd(x, /, *, full_matrices=True):
    """Singular vectors and values."""
    return _SVD(*facula.linalg.svd(x, full_matrices=full_matrices))


def matrix_rank(x, /, *, rtol=None):
    """How many singular values count."""
    return facula.linalg.matrix_rank(x, rtol=rtol)


def pinv(x, /, *, rtol=None):
    """The pseudo-inverse."""
    return facula.linalg.pinv(x, rtol=rtol)


def matrix_power(x, n, /):
    """Powers of matrices."""
    return facula.linalg.matrix_power(x, n)


def solve(x1, x2, /):
    """Solutions of x1 @ y = x2; x2 is a vector only if it has one dimension."""
    return facula.linalg.solve(x1, x2) if x2.ndim != 1 else facula.linalg.solve(x1, x2.unsqueeze(-1)).squeeze(-1)


def det(x, /):
    """Determinants."""
    return facula.linalg.det(x)


def eigvalsh(x, /):
    """Eigenvalues of symmetric matrices."""
    return facula.linalg.eigvalsh(x)


def inv(x, /):
    """Inverses."""
    return facula.linalg.inv(x)


def svdvals(x, /):
    """Singular values."""
    return facula.linalg.svdvals(x)
