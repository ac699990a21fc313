"""Matrix factorizations and what they solve. The kernels call LAPACK; see native/linalg/lapack.h.

A private operation is the node of the graph; the public functions check, name results, and say what to do where a matrix is
singular: the last text argument of a kernel is the name that its error message begins with, none where errors are not wanted.
"""

from __future__ import annotations

import facula

from . import _linalg_gradients as gradients
from ._table import composite, op

_NAMES = {"float32": "Float", "float64": "Double", "float16": "Half", "bfloat16": "BFloat16", "int64": "Long", "int32": "Int",
          "int16": "Short", "int8": "Char", "uint8": "Byte", "bool": "Bool", "complex64": "ComplexFloat", "complex128": "ComplexDouble"}


def type_name(x):
    """PyTorch's name of a dtype in messages."""
    name = str(x.dtype if isinstance(x, facula.Tensor) else x).split(".")[-1]
    return _NAMES.get(name, name)


def check_matrices(x, name, letter="A"):
    if x.dim() < 2:
        raise RuntimeError(f"{name}: The input tensor {letter} must have at least 2 dimensions.")


def check_square(x, name, letter="A"):
    check_matrices(x, name, letter)
    if x.shape[-1] != x.shape[-2]:
        raise RuntimeError(f"{name}: {letter} must be batches of square matrices, but they are {x.shape[-2]} by {x.shape[-1]} matrices")


def check_inexact(x, name, halves=True):
    if not (x.dtype.is_floating_point or x.dtype.is_complex):
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got {type_name(x)}")
    if not halves and x.dtype in (facula.float16, facula.bfloat16, facula.complex32):
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {type_name(x)}")


def named(name, fields, values):
    """The named tuple of an operation."""
    from .._return_types import named_result

    return named_result(name, fields)(tuple(values))


def _check_sides(A, B, name, left):
    if B.shape[-2 if left else -1] != A.shape[-2]:
        raise RuntimeError(f"{name}: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} "
                           f"({A.shape[-2]}x{A.shape[-1]} and {B.shape[-2]}x{B.shape[-1]})")


def _check_sizes(A, B, name):
    """The checks of the older solvers."""
    if A.shape[-1] != A.shape[-2]:
        raise RuntimeError(f"A must be batches of square matrices, but they are {A.shape[-2]} by {A.shape[-1]} matrices")
    if A.shape[-2] != B.shape[-2]:
        raise RuntimeError(f"Incompatible matrix sizes for {name}: each A matrix is {A.shape[-1]} by {A.shape[-1]} but each b matrix is "
                           f"{B.shape[-2]} by {B.shape[-1]}")
    if A.dtype != B.dtype:
        raise RuntimeError(f"Expected b and A to have the same dtype, but found b of type {type_name(B)} and A of type {type_name(A)} instead.")


# ---------------------------------------------------------------- Cholesky

op("_linalg_cholesky(Tensor input, bool upper, str check) -> (_, _)", kernel="linalg.cholesky", method=False, node="LinalgCholeskyExBackward0",
   jvp=gradients.cholesky_tangent,
   vjp={"input": lambda grads, results, upper: gradients.cholesky(grads, results, upper)})
op("_cholesky(Tensor input, bool upper, str check) -> (_, _)", kernel="linalg.cholesky", method=False, node="CholeskyBackward0",
   jvp=gradients.cholesky_tangent,
   vjp={"input": lambda grads, results, upper: gradients.cholesky(grads, results, upper)})
op("_cholesky_inverse(Tensor input, bool upper)", kernel="linalg.cholesky_inverse", method=False, jvp=gradients.cholesky_inverse_tangent,
   vjp={"input": lambda grad, result, input, upper: gradients.cholesky_inverse(grad, result, input, upper)})
op("_cholesky_solve(Tensor input, Tensor input2, bool upper)", kernel="linalg.cholesky_solve", method=False,
   vjp={"input, input2": lambda grad, result, input2, upper, needs: gradients.cholesky_solve(grad, result, input2, upper, needs)})


def _cholesky(input, upper, check):
    check_square(input, "linalg.cholesky")
    check_inexact(input, "linalg.cholesky")
    return facula._linalg_cholesky(input, upper, check)


@composite("linalg.cholesky")
def cholesky(input, *, upper=False):
    """L with A = L L^H, or U with A = U^H U, of a positive-definite matrix."""
    return _cholesky(input, upper, "linalg.cholesky")[0]


@composite("linalg.cholesky_ex")
def cholesky_ex(input, *, upper=False, check_errors=False):
    """The same, with the order of the first minor that is not positive-definite (0: all are)."""
    return named("linalg_cholesky_ex", ["L", "info"], _cholesky(input, upper, "linalg.cholesky_ex" if check_errors else ""))


@composite("cholesky", method=True)
def old_cholesky(input, upper=False):
    """The older name of `linalg.cholesky`."""
    check_square(input, "cholesky")
    return facula._cholesky(input, upper, "cholesky")[0]


@composite("cholesky_inverse", method=True)
def cholesky_inverse(input, upper=False):
    """The inverse of the matrix whose Cholesky factor is given."""
    check_square(input, "cholesky_inverse")
    return facula._cholesky_inverse(input, upper)


@composite("cholesky_solve", method=True)
def cholesky_solve(input, input2, upper=False):
    """X with A X = input, where input2 is the Cholesky factor of A."""
    for letter, x in (("b", input), ("u", input2)):
        if x.dim() < 2:
            raise RuntimeError(f"{letter} should have at least 2 dimensions, but has {x.dim()} dimensions instead")
    _check_sizes(input2, input, "cholesky_solve")
    return facula._cholesky_solve(input, input2, upper)


# ---------------------------------------------------------------- inverse, solve, determinants

op("_linalg_inv(Tensor A, str check) -> (_, _)", kernel="linalg.inverse", method=False, node="LinalgInvExBackward0",
   vjp={"A": lambda grads, results: gradients.inverse(grads, results)})
op("_linalg_solve(Tensor A, Tensor B, bool left, str check) -> (_, _, _, _)", kernel="linalg.solve", method=False, node="LinalgSolveExBackward0",
   vjp={"A, B": lambda grads, A, B, results, left, needs: gradients.solve(grads, A, B, results, left, needs)})


def _inverse(A, check):
    check_square(A, "linalg.inv")
    check_inexact(A, "linalg.inv", halves=False)
    return facula._linalg_inv(A, check)


@composite("linalg.inv")
def inv(A):
    """The inverse of square matrices."""
    return _inverse(A, "linalg.inv")[0]


@composite("inverse", method=True)
def inverse(input):
    """The inverse of square matrices."""
    return _inverse(input, "linalg.inv")[0]


@composite("linalg.inv_ex")
def inv_ex(A, *, check_errors=False):
    """The inverse, and the place of the first zero on the diagonal of U where there is none."""
    return named("linalg_inv_ex", ["inverse", "info"], _inverse(A, "linalg.inv_ex" if check_errors else ""))


def _solve(A, B, left, check):
    check_square(A, "linalg.solve")
    check_inexact(A, "linalg.solve")
    if A.dtype != B.dtype:
        raise RuntimeError(f"linalg.solve: Expected A and B to have the same dtype, but found A of type {type_name(A)} and B of type "
                           f"{type_name(B)} instead")
    vector = B.dim() == 1 or (B.dim() + 1 == A.dim() and B.shape == A.shape[:-1])
    _check_sides(A, B.unsqueeze(-1) if vector else B, "linalg.solve", left)
    return facula._linalg_solve(A, B, left, check)


@composite("linalg.solve")
def solve(A, B, *, left=True):
    """X with A X = B, or X A = B."""
    return _solve(A, B, left, "torch.linalg.solve")[0]


@composite("linalg.solve_ex")
def solve_ex(A, B, *, left=True, check_errors=False):
    """The same, and the place of the first zero on the diagonal of U where A is singular."""
    return named("linalg_solve_ex", ["result", "info"], _solve(A, B, left, "torch.linalg.solve_ex" if check_errors else "")[::3])


def _lu_diagonal(A):
    """Factors, pivots, the diagonal of U, and the permutation's sign."""
    factors, pivots, _ = facula._linalg_lu_factor(A.detach(), "")
    swaps = (pivots != facula.arange(1, A.shape[-1] + 1, dtype=facula.int32)).sum(-1)
    return factors, pivots, factors.diagonal(0, -2, -1), 1 - 2 * (swaps % 2).to(A.dtype)


def _det(A):
    factors, pivots, diagonal, sign = _lu_diagonal(A)
    return diagonal.prod(-1) * sign, factors, pivots


def _slogdet(A):
    factors, pivots, diagonal, sign = _lu_diagonal(A)
    return diagonal.sgn().prod(-1) * sign, diagonal.abs().log().sum(-1), factors, pivots


op("_linalg_det(Tensor A) -> (result, LU, pivots)", compute=_det, method=False, vjp={"A": lambda grads, A, results: gradients.det(grads, A, results)})
op("_linalg_slogdet(Tensor A) -> (sign, logabsdet, LU, pivots)", compute=_slogdet, method=False,
   vjp={"A": lambda grads, A, results: gradients.slogdet(grads, A, results)})


def _determinant(A):
    check_square(A, "linalg.det")
    check_inexact(A, "linalg.det")
    return facula._linalg_det(A)[0]


def _log_determinant(A, name="linalg.slogdet"):
    check_square(A, name)
    check_inexact(A, name, halves=False)
    return facula._linalg_slogdet(A)[:2]


@composite("linalg.det")
def det(A):
    """The determinant of square matrices."""
    return _determinant(A)


@composite("det", method=True)
def old_det(input):
    """The determinant of square matrices."""
    return _determinant(input)


@composite("linalg.slogdet")
def slogdet(A):
    """The determinant's sign and the logarithm of its absolute value."""
    return named("linalg_slogdet", ["sign", "logabsdet"], _log_determinant(A))


@composite("slogdet", method=True)
def old_slogdet(input):
    """The determinant's sign and the logarithm of its absolute value."""
    return named("slogdet", ["sign", "logabsdet"], _log_determinant(input))


@composite("logdet", method=True)
def logdet(input):
    """The logarithm of the determinant; NaN where that is negative."""
    sign, log = _log_determinant(input, "logdet")
    if input.is_complex():
        return sign.log() + log
    return facula.where(sign == -1, float("nan"), log)


# ---------------------------------------------------------------- LU

op("_linalg_lu_factor(Tensor input, str check) -> (_, _, _)", kernel="linalg.lu_factor", method=False, node="LinalgLuFactorExBackward0",
   vjp={"input": lambda grads, results: gradients.lu_factor(grads, results)})
op("_lu_permutation(Tensor pivots, int rows, dtype dtype)", kernel="linalg.lu_permutation", method=False, differentiable=False)
op("_linalg_lu_solve(Tensor LU, Tensor pivots, Tensor B, bool left, bool adjoint_)", kernel="linalg.lu_solve", method=False,
   vjp={"LU, B": lambda grad, LU, pivots, result, left, adjoint_, needs: gradients.lu_solve(grad, LU, pivots, result, left, adjoint_, needs)})


def _triangles(factors):
    k = min(factors.shape[-2:])
    lower = factors[..., :k].tril(-1)
    lower.diagonal(0, -2, -1).fill_(1)
    return lower.contiguous(), factors[..., :k, :].triu().contiguous()


def _lu(A):
    factors, pivots, _ = facula._linalg_lu_factor(A.detach(), "")
    return facula._lu_permutation(pivots, A.shape[-2], A.dtype), *_triangles(factors)


def _unpack(LU_data, LU_pivots, unpack_data, unpack_pivots):
    none = facula.empty(0, dtype=LU_data.dtype, device=LU_data.device)
    permutation = facula._lu_permutation(LU_pivots, LU_data.shape[-2], LU_data.dtype) if unpack_pivots else none
    return permutation, *(_triangles(LU_data) if unpack_data else (none, none.clone()))


op("_linalg_lu(Tensor A) -> (_, _, _)", compute=_lu, method=False,
   vjp={"A": lambda grads, results: gradients.lu(*results, grads[1], grads[2])})
op("_lu_unpack(Tensor LU_data, Tensor LU_pivots, bool unpack_data, bool unpack_pivots) -> (_, _, _)", compute=_unpack, method=False,
   vjp={"LU_data": lambda grads, LU_data_shape: gradients.lu_unpack(grads, LU_data_shape)})


def _check_lu(x, name, pivot=True):
    if x.dim() < 2:
        raise RuntimeError(f"{name}: Expected tensor with 2 or more dimensions. Got size: {list(x.shape)} instead")
    if not pivot:
        raise RuntimeError("linalg.lu_factor: LU without pivoting is not implemented on the CPU")


@composite("linalg.lu")
def lu(A, *, pivot=True):
    """P, L, U with A = P L U."""
    _check_lu(A, "linalg.lu", pivot)
    return named("linalg_lu", ["P", "L", "U"], facula._linalg_lu(A))


@composite("linalg.lu_factor")
def lu_factor(A, *, pivot=True):
    """L and U in one matrix, and the rows that were exchanged."""
    _check_lu(A, "torch.lu_factor", pivot)
    return named("linalg_lu_factor", ["LU", "pivots"], facula._linalg_lu_factor(A, "torch.linalg.lu_factor")[:2])


@composite("linalg.lu_factor_ex")
def lu_factor_ex(A, *, pivot=True, check_errors=False):
    """The same, and the place of the first zero on the diagonal of U."""
    _check_lu(A, "torch.lu_factor", pivot)
    return named("linalg_lu_factor_ex", ["LU", "pivots", "info"], facula._linalg_lu_factor(A, "torch.linalg.lu_factor_ex" if check_errors else ""))


@composite("_lu_with_info", method=False)
def lu_with_info(input, pivot=True, check_errors=True):
    """L and U in one matrix, the rows that were exchanged, and the error codes (older name)."""
    return named("_lu_with_info", ["LU", "pivots", "info"], lu_factor_ex(input, pivot=pivot, check_errors=check_errors))


@composite("lu", method=True)
def old_lu(A, pivot=True, get_infos=False):
    """The older name of `linalg.lu_factor`."""
    found = lu_with_info(A, pivot=pivot, check_errors=not get_infos)
    return found if get_infos else tuple(found[:2])


@composite("lu_unpack", method=False)
def lu_unpack(LU_data, LU_pivots, unpack_data=True, unpack_pivots=True):
    """P, L and U of what `lu_factor` gave."""
    _check_lu(LU_data, "torch.lu_unpack")
    if unpack_pivots and LU_pivots.dtype != facula.int32:
        raise RuntimeError("torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype.\n"
                           "Note: this function is intended to be used with the output produced by torch.linalg.lu_factor")
    if unpack_pivots and LU_pivots.shape[-1:] != (min(LU_data.shape[-2:]),):
        raise RuntimeError("pivots passed to lu_unpack must be between 1 and LU.size(-2) inclusive.Did you properly pass the result of lu_factor?")
    return named("lu_unpack", ["P", "L", "U"], facula._lu_unpack(LU_data, LU_pivots, unpack_data, unpack_pivots))


@composite("linalg.lu_solve")
def lu_solve(LU, pivots, B, *, left=True, adjoint=False):
    """X with A X = B, X A = B, A^H X = B or X A^H = B from the factors of A."""
    name = "torch.linalg.lu_solve"
    check_inexact(LU, name)
    if pivots.dtype != facula.int32:
        raise RuntimeError("linalg.lu_solve: pivots should be a Tensor of scalar type torch.int32")
    check_square(LU, name)
    check_matrices(B, "linalg.lu_solve", "B")
    if LU.dtype != B.dtype:
        raise RuntimeError(f"linalg.lu_solve: Expected LU and B to have the same dtype, but found LU of type {type_name(LU)} and B of type "
                           f"{type_name(B)} instead")
    _check_sides(LU, B, "linalg.lu_solve", left)
    if LU.shape[:-1] != pivots.shape:
        raise RuntimeError("linalg.lu_solve: Expected LU.shape[:-1] and pivots.shape to be the same, but got pivots with shape "
                           f"{list(pivots.shape)} instead")
    return facula._linalg_lu_solve(LU, pivots, B, left, adjoint)


@composite("lu_solve", method=True)
def old_lu_solve(b, LU_data, LU_pivots):
    """The older name of `linalg.lu_solve`, right-hand sides first."""
    return lu_solve(LU_data, LU_pivots, b)


# ---------------------------------------------------------------- triangular systems, LDL

_TRIANGULAR = dict(kernel="linalg.solve_triangular", method=False, jvp=gradients.solve_triangular_tangent, vjp={
    "input, B": lambda grad, result, input, upper, left, unitriangular, transpose, needs:
        gradients.solve_triangular(grad, result, input, upper, left, unitriangular, transpose, needs)})
op("_linalg_solve_triangular(Tensor input, Tensor B, bool upper, bool left, bool unitriangular, bool transpose)", **_TRIANGULAR)
op("_triangular_solve(Tensor input, Tensor B, bool upper, bool left, bool unitriangular, bool transpose)", **_TRIANGULAR)


@composite("linalg.solve_triangular")
def solve_triangular(input, B, *, upper, left=True, unitriangular=False):
    """X with A X = B or X A = B, where A is triangular."""
    name = "linalg.solve_triangular"
    check_square(input, name)
    check_matrices(B, name, "B")
    _check_sides(input, B, name, left)
    if input.dtype != B.dtype:
        input = input.to(B.dtype)
    return facula._linalg_solve_triangular(input, B, upper, left, unitriangular, False)


@composite("triangular_solve", method=True)
def triangular_solve(input, A, upper=True, transpose=False, unitriangular=False):
    """The older name of `linalg.solve_triangular`, right-hand sides first; also gives A."""
    for letter, x in (("b", input), ("A", A)):
        if x.dim() < 2:
            raise RuntimeError(f"torch.triangular_solve: Expected {letter} to have at least 2 dimensions, but it has {x.dim()} dimensions instead")
    _check_sizes(A, input, "triangular_solve")
    batch = facula.broadcast_shapes(A.shape[:-2], input.shape[:-2])
    copy = A.expand(*batch, *A.shape[-2:]).transpose(-2, -1).clone(memory_format=facula.contiguous_format).transpose(-2, -1)
    return named("triangular_solve", ["solution", "cloned_coefficient"],
                 (facula._triangular_solve(A, input, upper, True, unitriangular, transpose), copy))


op("_ldl_factor(Tensor input, bool hermitian, str check) -> (_, _, _)", kernel="linalg.ldl_factor", method=False)
op("_ldl_solve(Tensor LD, Tensor pivots, Tensor B, bool hermitian)", kernel="linalg.ldl_solve", method=False)


def _ldl(input, hermitian, check):
    check_square(input, "torch.linalg.ldl_factor_ex")
    check_inexact(input, "torch.linalg.ldl_factor_ex")
    return facula._ldl_factor(input, hermitian, check)


@composite("linalg.ldl_factor")
def ldl_factor(input, *, hermitian=False):
    """L and D of A = L D L^T in one matrix, and the rows that were exchanged."""
    return named("linalg_ldl_factor", ["LD", "pivots"], _ldl(input, hermitian, "torch.linalg.ldl_factor")[:2])


@composite("linalg.ldl_factor_ex")
def ldl_factor_ex(input, *, hermitian=False, check_errors=False):
    """The same, with LAPACK's codes for singular matrices."""
    return named("linalg_ldl_factor_ex", ["LD", "pivots", "info"], _ldl(input, hermitian, "torch.linalg.ldl_factor_ex" if check_errors else ""))


@composite("linalg.ldl_solve")
def ldl_solve(LD, pivots, B, *, hermitian=False):
    """X with A X = B from the factors of A."""
    name = "torch.linalg.ldl_solve"
    check_inexact(LD, name)
    check_square(LD, name)
    if B.dim() < 2:
        raise RuntimeError(f"{name}: Expected B to have at least 2 dimensions, but it has {B.dim()} dimensions instead")
    if LD.shape[:-1] != pivots.shape:
        raise RuntimeError(f"{name}: Expected LD.shape[:-1] and pivots.shape to be the same, but got pivots with shape {list(pivots.shape)} instead")
    if pivots.dtype.is_floating_point or pivots.dtype.is_complex or pivots.dtype == facula.bool:
        raise RuntimeError(f"{name}: Expected pivots to be integers. Got {type_name(pivots)}")
    _check_sizes(LD, B, name)
    return facula._ldl_solve(LD, pivots, B, hermitian)


# ---------------------------------------------------------------- orthogonal factors

op("geqrf(Tensor input) -> (a, tau)", kernel="linalg.geqrf", method=True,
   vjp={"input": lambda grads: gradients.refuse("geqrf")})
op("_linalg_qr(Tensor A, str mode) -> (_, _)", kernel="linalg.qr", method=False,
   vjp={"A": lambda grads, results, A_shape, mode: gradients.qr(grads, results, A_shape, mode)})
op("_linalg_householder_product(Tensor input, Tensor tau)", kernel="linalg.householder_product", method=False,
   vjp={"input, tau": lambda grad, input, tau, needs: gradients.householder_product(grad, input, tau, needs)})
op("_ormqr(Tensor input, Tensor tau, Tensor other, bool left, bool transpose)", kernel="linalg.ormqr", method=False,
   vjp={"input, tau, other": lambda grad, input, tau, other, left, transpose, needs: gradients.ormqr(grad, input, tau, other, left, transpose, needs)})


@composite("linalg.qr")
def qr(A, mode="reduced"):
    """Q with orthonormal columns and upper triangular R, A = Q R."""
    check_matrices(A, "linalg.qr")
    check_inexact(A, "linalg.qr")
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'")
    return named("linalg_qr", ["Q", "R"], facula._linalg_qr(A, mode))


@composite("qr", method=True)
def old_qr(input, some=True):
    """The older name of `linalg.qr`."""
    return named("qr", ["Q", "R"], qr(input, "reduced" if some else "complete"))


def _check_reflections(input, tau, name):
    check = {"input must have at least 2 dimensions.": input.dim() < 2,
             "input.shape[-2] must be greater than or equal to input.shape[-1]": name.endswith("product") and input.dim() > 1 and input.shape[-2] < input.shape[-1]}
    for text, wrong in check.items():
        if wrong:
            raise RuntimeError(f"{name}: {text}")
    if name.endswith("product") and tau.dim() and input.shape[-1] < tau.shape[-1]:
        raise RuntimeError(f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]")
    if input.dim() - tau.dim() != 1:
        raise RuntimeError(f"{name}: Expected tau to have one dimension less than input, but got tau.ndim equal to {tau.dim()} and input.ndim is "
                           f"equal to {input.dim()}")
    if input.dim() > 2 and tau.shape[:-1] != input.shape[:-2]:
        raise RuntimeError(f"{name}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got {list(tau.shape[:-1])}")


@composite("linalg.householder_product")
def householder_product(input, tau):
    """The first columns of a product of reflections, as `geqrf` gives them."""
    name = "torch.linalg.householder_product"
    _check_reflections(input, tau, name)
    if tau.dtype != input.dtype:
        raise RuntimeError(f"{name}: tau dtype {type_name(tau)} does not match input dtype {type_name(input)}")
    return facula._linalg_householder_product(input, tau)


@composite("orgqr", method=True)
def orgqr(input, input2):
    """The older name of `linalg.householder_product`."""
    return householder_product(input, input2)


@composite("ormqr", method=True)
def ormqr(input, input2, input3, left=True, transpose=False):
    """Multiplies by the whole orthogonal matrix that reflections make up."""
    tau, other, name = input2, input3, "torch.ormqr"
    if input.dim() < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if other.dim() < 2:
        raise RuntimeError(f"{name}: other must have at least 2 dimensions.")
    side = -2 if left else -1
    if tau.dim() and other.shape[side] < tau.shape[-1]:
        raise RuntimeError(f"{name}: other.shape[{side}] must be greater than or equal to tau.shape[-1]")
    if tau.dim() and tau.shape[-1] != min(other.shape[side], input.shape[-1]):
        raise RuntimeError(f"{name}: tau.shape[-1] must be equal to min(other.shape[{side}], input.shape[-1])")
    if other.shape[side] != input.shape[-2]:
        raise RuntimeError(f"{name}: other.shape[{side}] must be equal to input.shape[-2]")
    _check_reflections(input, tau, name)
    if other.dim() > 2 and other.shape[:-2] != input.shape[:-2]:
        raise RuntimeError(f"{name}: Expected batch dimensions of other to be equal to input.shape[:-2], but got {list(other.shape[:-2])}")
    for what, x in (("tau", tau), ("other", other)):
        if x.dtype != input.dtype:
            raise RuntimeError(f"{name}: Expected input and {what} to have the same dtype, but input has dtype{type_name(input)} and {what} has dtype "
                               f"{type_name(x)}")
    return facula._ormqr(input, tau, other, left, transpose)
