"""Approximate factors of few columns, from random projections (Halko, Martinsson and Tropp, arXiv 0909.4061)."""

from __future__ import annotations

import facula

from ._linalg_gradients import adjoint
from ._table import composite


def _basis(A, q, niter, M):
    """Orthonormal columns that span most of the range of A - M (algorithm 5.1 with subspace iteration)."""
    def times(x):
        return A @ x if M is None else A @ x - M @ x

    def back(x):
        return adjoint(A) @ x if M is None else adjoint(A) @ x - adjoint(M) @ x

    dtype = A.dtype if A.is_complex() or A.dtype.is_floating_point else facula.get_default_dtype()
    Q = facula.linalg.qr(times(facula.randn(A.shape[-1], q, dtype=dtype, device=A.device))).Q
    for _ in range(niter):
        Q = facula.linalg.qr(back(Q)).Q
        Q = facula.linalg.qr(times(Q)).Q
    return Q


@composite("svd_lowrank", method=False)
def svd_lowrank(A, q=6, niter=2, M=None):
    """U, S, V of about the q largest singular values of A - M."""
    q = 6 if q is None else q
    m, n = A.shape[-2:]
    if M is not None:
        M = M.broadcast_to(A.shape)
    if m < n:
        A, M = adjoint(A), None if M is None else adjoint(M)
    Q = _basis(A, q, niter, M)
    B = adjoint(Q) @ A
    if M is not None:
        B = B - adjoint(Q) @ M
    U, S, Vh = facula.linalg.svd(B, full_matrices=False)
    U, V = Q @ U, adjoint(Vh)
    return (V, S, U) if m < n else (U, S, V)


@composite("pca_lowrank", method=False)
def pca_lowrank(A, q=None, center=True, niter=2):
    """The principal components of rows, approximately: `svd_lowrank` of the centred matrix."""
    m, n = A.shape[-2:]
    if q is None:
        q = min(6, m, n)
    elif not 0 <= q <= min(m, n):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}")
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    return svd_lowrank(A - A.mean(-2, keepdim=True) if center else A, q, niter)
