"""Eigenvalues, singular values, and what is made of them: pseudo-inverses, ranks, least squares, condition numbers."""

from __future__ import annotations

import facula

from .._levels import followed
from . import _linalg_gradients as gradients
from ._table import composite, op
from .linalg import check_inexact, check_matrices, check_square, named, type_name

op("_linalg_eig(Tensor input, bool vectors) -> (_, _)", kernel="linalg.eig", method=False,
   vjp={"input": lambda grads, results: gradients.eig(grads, results)})
op("_linalg_eigh(Tensor A, bool lower, bool vectors, str check) -> (_, _)", kernel="linalg.eigh", method=False, jvp=gradients.eigh_tangent,
   vjp={"A": lambda grads, results: gradients.eigh(grads, results)})
op("_linalg_svd_full(Tensor A, bool full_matrices, bool vectors, str check) -> (_, _, _)", kernel="linalg.svd", method=False, node="LinalgSvdBackward0",
   vjp={"A": lambda grads, results, A_shape, full_matrices: gradients.svd(grads, results, A_shape, full_matrices)})


def _wants_gradient(x):
    return followed(x)


def _check_eig(input, name):
    check_square(input, name)
    if not (input.dtype.is_floating_point or input.dtype.is_complex):
        raise RuntimeError(f"Unknown Complex ScalarType for {type_name(input)}")


@composite("linalg.eig")
def eig(input):
    """Eigenvalues and eigenvectors (columns, of length one) of square matrices; both complex."""
    _check_eig(input, "linalg.eig")
    return named("linalg_eig", ["eigenvalues", "eigenvectors"], facula._linalg_eig(input, True))


@composite("linalg.eigvals")
def eigvals(input):
    """The eigenvalues of square matrices."""
    _check_eig(input, "linalg.eigvals")
    return facula._linalg_eig(input, _wants_gradient(input))[0]


def _eigh(A, UPLO, vectors, check):
    check_square(A, "linalg.eigh")
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return facula._linalg_eigh(A, UPLO.upper() == "L", vectors, check)


@composite("linalg.eigh")
def eigh(input, UPLO="L"):
    """Eigenvalues, ascending, and orthonormal eigenvectors of Hermitian matrices, of which one triangle is read."""
    return named("linalg_eigh", ["eigenvalues", "eigenvectors"], _eigh(input, UPLO, True, "linalg.eigh"))


@composite("linalg.eigvalsh")
def eigvalsh(input, UPLO="L"):
    """The eigenvalues of Hermitian matrices, ascending."""
    return _eigh(input, UPLO, _wants_gradient(input), "linalg.eigh")[0]


def _svd(A, full_matrices, vectors, driver=None):
    check_matrices(A, "linalg.svd")
    check_inexact(A, "linalg.svd")
    if driver is not None:
        raise RuntimeError("torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend.")
    return facula._linalg_svd_full(A, full_matrices, vectors, "linalg.svd")


@composite("linalg.svd")
def svd(A, full_matrices=True, *, driver=None):
    """U, S, Vh with A = U diag(S) Vh and singular values S, descending."""
    return named("linalg_svd", ["U", "S", "Vh"], _svd(A, full_matrices, True, driver))


@composite("_linalg_svd", method=False)
def svd_or_values(A, full_matrices=False, compute_uv=True, *, driver=None):
    """`linalg.svd`, or with empty matrices the singular values alone."""
    return named("_linalg_svd", ["U", "S", "Vh"], _svd(A, full_matrices, compute_uv, driver))


@composite("linalg.svdvals")
def svdvals(A, *, driver=None):
    """The singular values, descending."""
    return _svd(A, False, _wants_gradient(A), driver)[1]


@composite("svd", method=True)
def old_svd(input, some=True, compute_uv=True):
    """The older name of `linalg.svd`, which gives V."""
    if input.dim() < 2:
        raise RuntimeError(f"linalg.svd: input should have at least 2 dimensions, but has {input.dim()} dimensions instead")
    if compute_uv:
        u, s, vh = _svd(input, not some, True)
    else:
        s = svdvals(input)
        u, vh = (input.new_zeros(*input.shape[:-2], n, n) for n in input.shape[-2:])
    return named("svd", ["U", "S", "V"], (u, s, gradients.adjoint(vh)))


# ---------------------------------------------------------------- cut-offs of small singular values

def _tolerances(x, atol, rtol, name):
    """Both cut-offs as tensors. Only where neither is given, rounding decides."""
    real = x.real.dtype if x.is_complex() else x.dtype
    if rtol is None:
        given = atol is not None
        rtol = facula.zeros((), dtype=real) if given else facula.full((), facula.finfo(real).eps * max(x.shape[-2:]), dtype=real)
        if given and isinstance(atol, facula.Tensor):  # where the absolute one is 0, rounding decides all the same
            rtol = facula.where(atol > 0, 0.0, facula.finfo(real).eps * max(x.shape[-2:])).to(real)
        elif given and atol == 0:
            rtol = facula.full((), facula.finfo(real).eps * max(x.shape[-2:]), dtype=real)
    atol = 0.0 if atol is None else atol
    found = []
    for what, value in (("atol", atol), ("rtol", rtol)):
        if not isinstance(value, facula.Tensor):
            value = facula.full((), value, dtype=real)
        if value.is_complex():
            raise RuntimeError(f"{name}: {what} tensor of complex type is not supported. Got {type_name(value)}")
        found.append(value)
    return found


def _singular_values(x, hermitian):
    return eigvalsh(x).abs() if hermitian else svdvals(x)


def _pinv(input, atol, rtol, hermitian):
    input = input.detach()
    if input.numel() == 0:
        return input.new_empty(*input.shape[:-2], input.shape[-1], input.shape[-2])
    if hermitian:
        values, vectors = _eigh(input, "L", True, "linalg.eigh")
        sizes = values.abs()
        keep = sizes > facula.maximum(atol.unsqueeze(-1), rtol.unsqueeze(-1) * sizes.amax(-1, keepdim=True))
        return (vectors * _reciprocals(values, keep).unsqueeze(-2)) @ gradients.adjoint(vectors)
    u, s, vh = _svd(input, False, True)
    keep = s > facula.maximum(atol.unsqueeze(-1), rtol.unsqueeze(-1) * s[..., :1])
    return (gradients.adjoint(vh) * _reciprocals(s, keep).unsqueeze(-2)) @ gradients.adjoint(u)


def _reciprocals(values, keep):
    return facula.where(keep, 1 / values, facula.zeros((), dtype=values.dtype))


op("_linalg_pinv(Tensor input, Tensor atol, Tensor rtol, bool hermitian)", compute=_pinv, method=False,
   vjp={"input": lambda grad, result, input: gradients.pinv(grad, result, input)})


@composite("linalg.pinv")
def pinv(input, rcond=None, hermitian=False, *, atol=None, rtol=None):
    """The Moore-Penrose pseudo-inverse: singular values up to max(atol, rtol * largest) count as 0."""
    if input.dim() < 2 or input.dtype not in (facula.float32, facula.float64, facula.complex64, facula.complex128):
        raise RuntimeError(f"linalg.pinv({type_name(input)}{{{list(input.shape)}}}): expected a tensor with 2 or more dimensions of float, double, "
                           "cfloat or cdouble types")
    if hermitian:
        check_square(input, "linalg.eigh")
    atol, rtol = (0.0, rcond) if rcond is not None else (atol, rtol)
    return facula._linalg_pinv(input, *_tolerances(input, atol, rtol, "torch.linalg.pinv"), hermitian)


@composite("pinverse", method=True)
def pinverse(input, rcond=1e-15):
    """The older name of `linalg.pinv`."""
    return pinv(input, rcond)


@composite("linalg.matrix_rank")
def matrix_rank(input, tol=None, hermitian=False, *, atol=None, rtol=None):
    """How many singular values exceed max(atol, rtol * largest)."""
    name = "torch.linalg.matrix_rank"
    check_matrices(input, name, "input")
    if input.dtype not in (facula.float32, facula.float64, facula.complex64, facula.complex128):
        raise RuntimeError("This function doesn't handle types other than float and double")
    if hermitian:
        check_square(input, "linalg.eigh")
    if tol is not None:
        atol, rtol = tol, 0.0
    input = input.detach()
    atol, rtol = _tolerances(input, atol, rtol, name)
    if input.numel() == 0:
        return facula.zeros(input.shape[:-2], dtype=facula.int64)
    values = _singular_values(input, hermitian)
    largest = values.amax(-1)
    return (values > facula.maximum(atol, rtol * largest).unsqueeze(-1)).sum(-1)


# ---------------------------------------------------------------- least squares

op("_lstsq_driver(Tensor A, Tensor B, float rcond, str driver) -> (_, _, _)", kernel="linalg.lstsq", method=False, differentiable=False)
_DRIVERS = ("gels", "gelsy", "gelsd", "gelss")


def _lstsq(A, B, rcond, driver):
    A, B = A.detach(), B.detach()
    vector = _one_side(A, B)
    full, rank, singular = facula._lstsq_driver(A, B.unsqueeze(-1) if vector else B, rcond, driver)
    m, n = A.shape[-2:]
    residuals = facula.empty(0, dtype=singular.dtype)
    if m > n and driver != "gelsy" and (driver == "gels" or bool((rank == n).all())):
        below = full[..., n:, :]
        residuals = (below * below.conj()).real.sum(-2) if A.is_complex() else (below * below).sum(-2)
    solution = full[..., :n, :]
    return solution.squeeze(-1) if vector else solution, residuals, rank, singular


def _one_side(A, B):
    return B.dim() == 1 or (A.dim() - 1 == B.dim() and B.shape == A.shape[:-1])


op("_linalg_lstsq(Tensor A, Tensor B, float rcond, str driver) -> (_, _, _, _)", compute=_lstsq, method=False,
   vjp={"A, B": lambda grads, A, B, results, needs: gradients.lstsq(grads, A, B, results, needs)})


@composite("linalg.lstsq")
def lstsq(input, b, rcond=None, *, driver=None):
    """X that minimises the length of A X - B; residuals, rank and singular values where the driver finds them."""
    name = "torch.linalg.lstsq"
    if input.dim() < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if b.dim() < 1:
        raise RuntimeError(f"{name}: other must have at least 1 dimension.")
    if input.dtype != b.dtype:
        raise RuntimeError(f"{name}: Expected input and other to have the same dtype, but got input's dtype {type_name(input)} and other's dtype "
                           f"{type_name(b)}")
    if input.shape[-2] != (b.shape[-1] if _one_side(input, b) else b.shape[-2]):
        raise RuntimeError(f"{name}: input.size(-2) should match other.size(-{1 if _one_side(input, b) else 2})")
    if driver is not None and driver not in _DRIVERS:
        raise RuntimeError(f"{name}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)")
    if input.dtype not in (facula.float32, facula.float64, facula.complex64, facula.complex128):
        raise RuntimeError("This function doesn't handle types other than float and double")
    if rcond is None:
        rcond = facula.finfo(input.dtype).eps * max(input.shape[-2:])
    return named("linalg_lstsq", ["solution", "residuals", "rank", "singular_values"], facula._linalg_lstsq(input, b, float(rcond), driver or "gelsy"))


# ---------------------------------------------------------------- condition numbers

@composite("linalg.cond")
def cond(input, p=None):
    """How much a matrix amplifies errors: the norm times the norm of the inverse."""
    if input.dim() < 2:
        raise RuntimeError("linalg.cond: The input tensor must have at least 2 dimensions.")
    if p is None or p in (2, -2):
        if input.numel() == 0:
            return _empty_cond(input)
        s = svdvals(input)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    if p not in ("fro", "nuc", 1, -1, float("inf"), float("-inf")):
        raise RuntimeError(f"linalg.cond got an invalid norm type: {p}")
    check_square(input, f"linalg.cond(ord={_plain(p)})")
    if input.numel() == 0:
        return _empty_cond(input)
    inverse, info = facula.linalg.inv_ex(input)
    singular = (info > 0)[..., None, None]
    if bool(singular.any()):
        inverse = inverse.masked_fill(singular, float("inf"))
    if p == "nuc":
        return facula.linalg.matrix_norm(input, p) * _nuclear(inverse)
    found = facula.linalg.matrix_norm(input, p) * facula.linalg.matrix_norm(inverse, p)
    return facula.where(singular.squeeze(-1).squeeze(-1), float("inf"), found)


def _nuclear(inverse):
    """The nuclear norm, infinite where the matrix is not finite (LAPACK refuses those)."""
    finite = facula.isfinite(inverse.detach()).all(-1).all(-1)
    if bool(finite.all()):
        return facula.linalg.matrix_norm(inverse, "nuc")
    safe = facula.where(finite[..., None, None], inverse, facula.zeros((), dtype=inverse.dtype))
    return facula.where(finite, facula.linalg.matrix_norm(safe, "nuc"), float("inf"))


def _plain(p):
    return p if isinstance(p, str) else f"{p:g}"


def _empty_cond(input):
    return facula.zeros(input.shape[:-2], dtype=input.real.dtype if input.is_complex() else input.dtype)


# ---------------------------------------------------------------- matrix exponential

_TERMS = 16  # of the Taylor series, in four groups: enough for a norm of 0.75 in double precision, of 3 in single


def _matrix_exp(input):
    A = input.detach()
    if A.dtype in (facula.float16, facula.bfloat16):
        return _matrix_exp(A.float()).to(A.dtype)
    if A.numel() == 0:
        return A.clone()
    if A.shape[-1] == 1:
        return A.exp()
    norm = A.abs().sum(-2).amax(-1)
    halvings = (norm / (3.0 if norm.dtype == facula.float32 else 0.75)).log2().ceil().nan_to_num(0.0, 0.0, 0.0).clamp_min(0)
    A = A * (0.5 ** halvings)[..., None, None].to(A.dtype)
    squared = A @ A
    powers = [facula.eye(A.shape[-1], dtype=A.dtype), A, squared, squared @ A]
    fourth = squared @ squared
    coefficients = [1.0]
    for k in range(1, _TERMS + 1):
        coefficients.append(coefficients[-1] / k)
    result = powers[0] * coefficients[_TERMS]
    for group in range(_TERMS // 4 - 1, -1, -1):  # Paterson and Stockmeyer (1973)
        here = sum(p * coefficients[4 * group + i] for i, p in enumerate(powers))
        result = here + (fourth * coefficients[_TERMS] if group == _TERMS // 4 - 1 else fourth @ result)
    most = int(halvings.max())
    for step in range(most):
        again = result @ result
        result = again if A.dim() == 2 else facula.where((halvings > step)[..., None, None], again, result)
    return result


op("linalg.matrix_exp(Tensor input)", compute=lambda input: _checked_exp(input),
   vjp={"input": lambda grad, input: gradients.matrix_exp(grad, input)}, doc="The exponential of square matrices.")


def _checked_exp(input):
    check_square(input, "linalg.matrix_exp")
    check_inexact(input, "linalg.matrix_exp")
    return _matrix_exp(input)


@composite("matrix_exp", method=True)
def old_matrix_exp(input):
    """The exponential of square matrices."""
    return facula.linalg.matrix_exp(input)


# ---------------------------------------------------------------- tensors as matrices

def _size(shape):
    n = 1
    for s in shape:
        n *= s
    return n


@composite("linalg.tensorinv")
def tensorinv(input, ind=2):
    """The inverse for tensordot over the first `ind` dimensions."""
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind', but got {ind}")
    rows, cols = input.shape[:ind], input.shape[ind:]
    if _size(rows) != _size(cols):
        raise RuntimeError("Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got "
                           f"{_size(cols)} != {_size(rows)}")
    return facula.linalg.inv(input.reshape(_size(cols), _size(rows))).reshape(*cols, *rows)


@composite("linalg.tensorsolve")
def tensorsolve(input, other, dims=None):
    """X with tensordot(A, X, X.ndim) == B."""
    if dims is not None:
        dims = [d % input.dim() for d in dims]
        input = input.permute([d for d in range(input.dim()) if d not in dims] + dims)
    front, back = input.shape[:other.dim()], input.shape[other.dim():]
    if _size(front) != _size(back):
        raise RuntimeError("Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), but got "
                           f"{_size(back)} != {_size(front)}")
    return facula.linalg.solve(input.reshape(_size(back), _size(back)), other.reshape(-1)).reshape(back)


op("linalg.cross(Tensor input, Tensor other, *, int dim=-1)", kernel="linalg.cross",
   vjp={"input": lambda grad, other, dim: facula.linalg.cross(other.conj() if other.is_complex() else other, grad, dim=dim),
        "other": lambda grad, input, dim: facula.linalg.cross(grad, input.conj() if input.is_complex() else input, dim=dim)})


@composite("cross", method=True)
def cross(input, other, dim=None):
    """The cross product along `dim`, or along the first dimension of size 3."""
    if dim is None:
        places = [d for d, n in enumerate(input.shape) if n == 3]
        if not places:
            raise RuntimeError("no dimension of size 3 in input")
        dim = places[0]
    return facula.linalg.cross(input, other, dim=dim)
