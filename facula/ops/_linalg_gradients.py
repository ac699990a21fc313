"""Gradient rules of matrix factorizations, as functions of public operations, so that they can be differentiated again.

Complex numbers: a gradient is the derivative with respect to the conjugate, times two. Sources: Giles, "Collected matrix derivative
results for forward and reverse mode algorithmic differentiation" (2008); Murray, "Differentiation of the Cholesky decomposition",
arXiv 1602.07527; Roberts and Roberts, "QR and LQ decomposition matrix backpropagation", arXiv 2009.10071; Golub and Pereyra (1973)
for the pseudo-inverse. Terms for wide and tall matrices follow from writing these as a square factor and a product.
"""

from __future__ import annotations

import facula

from ._table import retrace


def adjoint(x):
    """The conjugate transpose."""
    x = x.transpose(-2, -1)
    return x.conj() if x.is_complex() else x


def add(a, b):
    """a + b, where either may be absent."""
    return b if a is None else a if b is None else a + b


def _real_diagonal(x):
    return x.diagonal(0, -2, -1).real if x.is_complex() else x.diagonal(0, -2, -1)


def _diagonal(x):
    return x.diagonal(0, -2, -1)


def _with_diagonal(x, diagonal):
    """x with other numbers on the diagonal."""
    return x - facula.diag_embed(_diagonal(x)) + facula.diag_embed(diagonal).to(x.dtype)


def _triangle(upper, unit=False):
    shift = int(unit) if upper else -int(unit)
    return (lambda x: x.triu(shift)) if upper else (lambda x: x.tril(shift))


# ---------------------------------------------------------------- triangular factors

def cholesky(grads, results, upper):
    factor, grad = results[0], grads[0]
    if grad is None:
        return None
    if upper:
        factor, grad = adjoint(factor), adjoint(grad)
    inner = (adjoint(factor) @ grad).tril()
    inner = 0.5 * (inner + adjoint(inner.tril(-1)))
    return _congruent(factor, inner)


def _congruent(factor, inner):
    """L^-H S L^-1."""
    left = facula.linalg.solve_triangular(adjoint(factor), inner, upper=True)
    return facula.linalg.solve_triangular(factor, left, upper=False, left=False)


def cholesky_tangent(primals, tangents, results):
    upper, change, factor = primals[1], tangents[0], results[0]
    if upper:
        factor = adjoint(factor)
    inner = facula.linalg.solve_triangular(factor, change, upper=False)
    inner = facula.linalg.solve_triangular(adjoint(factor), inner, upper=True, left=False).tril()
    found = factor @ _with_diagonal(inner, 0.5 * _diagonal(inner))
    return adjoint(found) if upper else found, None


def cholesky_inverse_tangent(primals, tangents, results):
    (factor, upper), change, inverse = primals, tangents[0], results[0]
    half = adjoint(factor) @ change if upper else change @ adjoint(factor)
    return -(inverse @ (half + adjoint(half)) @ inverse)


def cholesky_inverse(grad, result, input, upper):
    common = result @ ((grad + adjoint(grad)) @ result)
    return -(input @ common) if upper else -(common @ input)


def cholesky_solve(grad, result, input2, upper, needs):
    to_b = facula.cholesky_solve(grad, input2, upper)
    if not needs[1]:
        return to_b, None
    common = to_b @ adjoint(result)
    common = common + adjoint(common)
    return to_b, -(input2 @ common) if upper else -(common @ input2)


def lu(permutation, lower, upper, to_lower, to_upper):
    """Of A = P L U, from gradients of L and U (either may be None)."""
    if to_lower is None and to_upper is None:
        return None
    m, n = lower.shape[-2], upper.shape[-1]
    k = min(m, n)
    top, square = lower[..., :k, :], upper[..., :k]
    rest_below = rest_right = None
    if m > k and to_lower is not None:  # L2 = A2 U^-1
        below = facula.linalg.solve_triangular(adjoint(square), to_lower[..., k:, :], upper=False, left=False)
        to_upper = add(to_upper, -(adjoint(lower[..., k:, :]) @ below))
        rest_below, to_lower = below, to_lower[..., :k, :]
    if n > k and to_upper is not None:  # U2 = L^-1 A2
        right = facula.linalg.solve_triangular(adjoint(top), to_upper[..., k:], upper=True, unitriangular=True)
        to_lower = add(to_lower, -(right @ adjoint(upper[..., k:])))
        rest_right, to_upper = right, to_upper[..., :k]
    inner = None
    if to_lower is not None:
        inner = (adjoint(top) @ to_lower).tril(-1)
    if to_upper is not None:
        inner = add(inner, (to_upper @ adjoint(square)).triu())
    inner = facula.linalg.solve_triangular(adjoint(square), inner, upper=False, left=False)
    found = facula.linalg.solve_triangular(adjoint(top), inner, upper=True, unitriangular=True)
    if m > k:
        found = facula.cat([found, facula.zeros_like(lower[..., k:, :]) if rest_below is None else rest_below], -2)
    if n > k:
        found = facula.cat([found, facula.zeros_like(upper[..., k:]) if rest_right is None else rest_right], -1)
    return permutation @ found


def lu_factor(grads, results):
    grad, factors, pivots = grads[0], results[0], results[1]
    if grad is None:
        return None
    m, n = factors.shape[-2:]
    k = min(m, n)
    permutation, lower, upper = facula.lu_unpack(factors, pivots)
    return lu(permutation, lower, upper, grad[..., :k].tril(-1), grad[..., :k, :].triu())


def lu_unpack(grads, LU_data_shape):
    """grads: of P (never), L and U."""
    m, n = LU_data_shape[-2:]
    k = min(m, n)
    _, to_lower, to_upper = grads
    found = None
    if to_lower is not None:
        found = facula.nn.functional.pad(to_lower.tril(-1), (0, n - k))
    if to_upper is not None:
        found = add(found, facula.nn.functional.pad(to_upper.triu(), (0, 0, 0, m - k)))
    return found


def lu_solve(grad, LU, pivots, result, left, adjoint_, needs):
    to_b = facula.linalg.lu_solve(LU, pivots, grad, left=left, adjoint=not adjoint_)
    if not needs[0]:
        return None, to_b
    product = (-(result @ adjoint(to_b)) if adjoint_ else -(to_b @ adjoint(result))) if left else \
        (-(adjoint(to_b) @ result) if adjoint_ else -(adjoint(result) @ to_b))
    permutation, lower, upper = facula.lu_unpack(LU, pivots)
    inner = permutation.transpose(-2, -1) @ product
    return (inner @ adjoint(upper)).tril(-1) + (adjoint(lower) @ inner).triu(), to_b


def inverse(grads, results):
    if grads[0] is None:
        return None
    turned = adjoint(results[0])
    return -(turned @ (grads[0] @ turned))


def solve(grads, A, B, results, left, needs):
    grad, (result, factors, pivots, _) = grads[0], results
    if grad is None:
        return None, None
    vector = B.dim() == 1 or (B.dim() + 1 == A.dim() and B.shape == A.shape[:-1])
    if vector:
        grad, result = grad.unsqueeze(-1), result.unsqueeze(-1)
    if facula.is_grad_enabled():  # the factors have no history of their own
        to_b = facula.linalg.solve(adjoint(A), grad, left=left)
    else:
        to_b = facula.linalg.lu_solve(factors, pivots, grad, left=left, adjoint=True)
    to_a = (-(to_b @ adjoint(result)) if left else -(adjoint(result) @ to_b)) if needs[0] else None
    return to_a, to_b.squeeze(-1) if vector else to_b


def solve_triangular(grad, result, input, upper, left, unitriangular, transpose, needs):
    turned = input if transpose else input.transpose(-2, -1)
    turned = turned.conj() if turned.is_complex() else turned
    to_b = facula.linalg.solve_triangular(turned, grad, upper=upper if transpose else not upper, left=left, unitriangular=unitriangular)
    if not needs[0]:
        return None, to_b
    to_a = -(to_b @ adjoint(result)) if left else -(adjoint(result) @ to_b)
    return _triangle(upper, unitriangular)(to_a.transpose(-2, -1) if transpose else to_a), to_b


def solve_triangular_tangent(primals, tangents, results):
    a, _, upper, left, unitriangular, transpose = primals
    to_a, to_b = tangents[:2]
    right = to_b
    if to_a is not None:
        change = _triangle(upper, unitriangular)(to_a)
        change = change.transpose(-2, -1) if transpose else change
        moved = change @ results[0] if left else results[0] @ change
        right = -moved if right is None else right - moved
    a = a.transpose(-2, -1) if transpose else a
    return facula.linalg.solve_triangular(a, right, upper=upper != transpose, left=left, unitriangular=unitriangular)


# ---------------------------------------------------------------- determinants

def _regular(factors):
    """LU factors with no zero on the diagonal: the determinant is smooth, so a tiny change of the matrix changes little."""
    diagonal = _diagonal(factors)
    return factors + facula.diag_embed(facula.where(diagonal == 0, facula.finfo(factors.dtype).eps, 0.0).to(factors.dtype))


def det(grads, A, results):
    grad, (value, factors, pivots) = grads[0], results
    if grad is None:
        return None
    if A.numel() == 0:
        return facula.zeros_like(A)
    if not facula.is_grad_enabled():
        scale = facula.diag_embed((grad * value.conj()).unsqueeze(-1).expand(A.shape[:-1]))
        return facula.linalg.lu_solve(_regular(factors), pivots, scale, adjoint=True)
    singular = value.detach() == 0
    if not bool(singular.any()):
        scale = facula.diag_embed((grad * value.conj()).unsqueeze(-1).expand(A.shape[:-1]))
        return facula.linalg.solve(adjoint(A), scale)
    return adjoint(_adjugate(A)) * grad[..., None, None]


def _adjugate(A):
    """det(A) A^-1, also where A is singular: determinants of minors."""
    n = A.shape[-1]
    if n == 1:
        return facula.ones_like(A)
    keep = [[k for k in range(n) if k != i] for i in range(n)]
    minors = [[facula.linalg.det(A[..., keep[j], :][..., keep[i]]) * (-1) ** (i + j) for j in range(n)] for i in range(n)]
    return facula.stack([facula.stack(row, -1) for row in minors], -2)


def slogdet(grads, A, results):
    to_sign, to_log = grads[:2]
    sign, _, factors, pivots = results
    weight = to_log
    if A.is_complex():
        weight = facula.complex(facula.zeros_like(sign.real) if to_log is None else to_log,
                                facula.zeros_like(sign.real) if to_sign is None else -(to_sign.conj() * sign).imag)
    if weight is None:
        return facula.zeros_like(A)
    scale = facula.diag_embed(weight.unsqueeze(-1).expand(A.shape[:-1]))
    if facula.is_grad_enabled():
        return facula.linalg.solve(adjoint(A), scale)
    return facula.linalg.lu_solve(factors, pivots, scale, adjoint=True)


# ---------------------------------------------------------------- orthogonal factors

def qr(grads, results, A_shape, mode):
    if mode == "r":
        raise RuntimeError("The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use "
                           "linalg.qr(A, mode='reduced') if you are going to differentiate through linalg.qr.")
    m, n = A_shape[-2:]
    if mode == "complete" and m > n:
        raise RuntimeError("The QR decomposition is not differentiable when mode='complete' and nrows > ncols.")
    (to_q, to_r), (q, r) = grads, results
    if to_q is None and to_r is None:
        return None
    right = None
    if m < n:  # A = [A1, A2], R2 = Q^H A2
        square, r2 = r[..., :m], r[..., m:]
        if to_r is not None:
            right, to_r = q @ to_r[..., m:], to_r
            to_q = add(to_q, (q @ r2) @ adjoint(to_r[..., m:]))
            to_r = to_r[..., :m]
        r = square
    inner = None
    if to_r is not None:
        inner = to_r @ adjoint(r)
    if to_q is not None:
        inner = add(inner, -(adjoint(q) @ to_q))
    inner = inner.triu()
    inner = inner + adjoint(inner)
    found = q @ _with_diagonal(inner, 0.5 * _real_diagonal(inner))
    found = facula.linalg.solve_triangular(adjoint(r), add(to_q, found), upper=False, left=False)
    if m < n:
        found = facula.cat([found, facula.zeros(*found.shape[:-1], n - m, dtype=found.dtype) if right is None else right], -1)
    return found


def _reflectors(input):
    """The vectors v of H = I - tau v v^H: below a unit diagonal."""
    return input.tril(-1) + facula.eye(*input.shape[-2:], dtype=input.dtype, device=input.device)


def _apply_reflectors(v, tau, x, order):
    """The product of reflections, in this order of application from the left, times x."""
    for i in order:
        column = v[..., i:i + 1]
        x = x - tau[..., i:i + 1].unsqueeze(-1) * (column @ (adjoint(column) @ x))
    return x


def _product(input, tau):
    m, n = input.shape[-2:]
    start = facula.eye(m, n, dtype=input.dtype, device=input.device).expand(input.shape)
    return _apply_reflectors(_reflectors(input), tau, start, reversed(range(tau.shape[-1])))


def _multiply(input, tau, other, left, transpose):
    if not left:  # C Q = (Q^H C^H)^H
        return adjoint(_multiply(input, tau, adjoint(other), True, not transpose))
    k = tau.shape[-1]
    m = input.shape[-2]
    v = input[..., :k].tril(-1) + facula.eye(m, k, dtype=input.dtype, device=input.device)
    return _apply_reflectors(v, tau.conj() if transpose else tau, other, range(k) if transpose else reversed(range(k)))


def householder_product(grad, input, tau, needs):
    return retrace(_product, (0, 1), [input, tau], [grad], needs)


def ormqr(grad, input, tau, other, left, transpose, needs):
    return retrace(_multiply, (0, 1, 2), [input, tau, other, left, transpose], [grad], needs)


# ---------------------------------------------------------------- eigenvalues and singular values

def _gaps(values):
    """E[i, j] = values[j] - values[i], with ones on the diagonal."""
    gaps = values.unsqueeze(-2) - values.unsqueeze(-1)
    return gaps + facula.eye(values.shape[-1], dtype=values.dtype, device=values.device)


def eigh(grads, results):
    (to_values, to_vectors), (values, vectors) = grads, results
    if to_vectors is None:
        return None if to_values is None else vectors @ (to_values.unsqueeze(-1) * adjoint(vectors))
    inner = adjoint(vectors) @ to_vectors
    if inner.is_complex():
        _check_phase(_diagonal(inner), "linalg_eigh", "eigenvectors")
    inner = _with_diagonal(inner / _gaps(values), facula.zeros_like(values) if to_values is None else to_values)
    found = vectors @ (inner @ adjoint(vectors))
    return 0.5 * (found + adjoint(found))  # of a Hermitian matrix


def eigh_tangent(primals, tangents, results):
    values, vectors = results
    if vectors is None or vectors.numel() == 0 and values.numel():
        return None, None
    inner = adjoint(vectors) @ (tangents[0] @ vectors)
    return _diagonal(inner).real if inner.is_complex() else _diagonal(inner), vectors @ _with_diagonal(inner / _gaps(values), facula.zeros_like(values))


def _check_phase(diagonal, name, what):
    if type(diagonal) is not facula.Tensor:
        return
    imaginary = diagonal.detach().imag
    if imaginary.numel() and not bool((imaginary.abs() <= 1e-2).all()) and not bool((imaginary.abs() <= 1e-3 * diagonal.detach().abs().amax()).all()):
        raise RuntimeError(f"{name}_backward: The {what} in the complex case are specified up to multiplication by e^{{i phi}}. The "
                           "specified loss function depends on this quantity, so it is ill-defined.")


def eig(grads, results):
    (to_values, to_vectors), (values, vectors) = grads, results
    if to_vectors is None:
        if to_values is None:
            return None
        return facula.linalg.solve(adjoint(vectors), to_values.unsqueeze(-1) * adjoint(vectors))
    inner = adjoint(vectors) @ to_vectors
    _check_phase(_diagonal(inner), "linalg_eig", "eigenvectors")
    inner = inner - (adjoint(vectors) @ vectors) * _real_diagonal(inner).unsqueeze(-2)
    inner = inner / _gaps(values).conj()
    inner = _with_diagonal(inner, facula.zeros_like(values) if to_values is None else to_values)
    return facula.linalg.solve(adjoint(vectors), inner @ adjoint(vectors))


def svd(grads, results, A_shape, full_matrices):
    (to_u, to_s, to_vh), (u, s, vh) = grads, results
    m, n, k = *A_shape[-2:], s.shape[-1]
    if to_u is None and to_vh is None:
        return None if to_s is None else (u[..., :k] * to_s.unsqueeze(-2)) @ vh[..., :k, :]
    if full_matrices:
        u, vh = u[..., :k], vh[..., :k, :]
        to_u, to_vh = None if to_u is None else to_u[..., :k], None if to_vh is None else to_vh[..., :k, :]
    squares = s * s
    gaps = _gaps(squares)
    column, row = s.unsqueeze(-1), s.unsqueeze(-2)
    inner = None if to_s is None else facula.diag_embed(to_s).to(u.dtype)
    left = right = None
    if to_u is not None:
        left = adjoint(u) @ to_u
        skew = left - adjoint(left)
    if to_vh is not None:
        right = to_vh @ adjoint(vh)
        right_skew = adjoint(right) - right
    if u.is_complex():
        _check_phase(sum(_diagonal(x) if x is left else _diagonal(x).conj() for x in (left, right) if x is not None), "svd", "singular vectors")
    if left is not None:
        inner = add(inner, skew / gaps * row)
        if u.is_complex():
            inner = inner + facula.diag_embed(_diagonal(skew) / (2 * s)) - facula.diag_embed(_diagonal(skew) * s)
    if right is not None:
        inner = add(inner, column * (right_skew / gaps))
        if u.is_complex():
            inner = inner - facula.diag_embed(_diagonal(right_skew) * s)
    found = u @ (inner @ vh)
    if to_u is not None and m > k:
        found = found + ((to_u - u @ left) / row) @ vh
    if to_vh is not None and n > k:
        found = found + (u / row) @ (to_vh - right @ vh)
    return found


def pinv(grad, result, A):
    turned, back = adjoint(result), adjoint(grad)
    first = turned @ (grad @ turned)
    second = back @ result @ turned
    third = turned @ result @ back
    return -first + (second - A @ (result @ second)) + (third - (third @ result) @ A)


def lstsq(grads, A, B, results, needs):
    to_x, to_residuals = grads[0], grads[1]
    x = results[0]
    vector = B.dim() + 1 == A.dim() or B.dim() == 1
    if vector:
        B, x = B.unsqueeze(-1), x.unsqueeze(-1)
        to_x = None if to_x is None else to_x.unsqueeze(-1)
    to_a = to_b = None
    if to_x is not None:
        inverse = facula.linalg.pinv(A)
        to_b = adjoint(inverse) @ to_x
        to_a = pinv(to_x @ adjoint(B), inverse, A) if needs[0] else None
    if to_residuals is not None and to_residuals.numel():
        gap = 2 * (A @ x - B) * to_residuals.unsqueeze(-2)
        to_a, to_b = add(to_a, gap @ adjoint(x)), add(to_b, -gap)
    if vector and to_b is not None:
        to_b = to_b.squeeze(-1)
    return to_a, to_b


def matrix_exp(grad, input):
    """The exponential of [[A^H, G], [0, A^H]] holds the derivative in its corner (Al-Mohy and Higham 2009)."""
    n = input.shape[-1]
    turned = adjoint(input)
    top = facula.cat([turned, grad.expand(turned.shape)], -1)
    bottom = facula.cat([facula.zeros_like(turned), turned], -1)
    return facula.linalg.matrix_exp(facula.cat([top, bottom], -2))[..., :n, n:]


def refuse(name):
    raise NotImplementedError(f"the derivative for '{name}' is not implemented.")
