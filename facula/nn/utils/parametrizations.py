"""Parametrizations of weights: normalised, of spectral norm 1, orthogonal."""

from __future__ import annotations

import facula

from ..modules.module import Module
from . import parametrize

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]
_MAPS = ("matrix_exp", "cayley", "householder")


def norm_except_dim(v, p=2, dim=0):
    """Norms over all dimensions but one, which stays; dim=-1: one norm of all."""
    return v.norm(p) if dim == -1 else facula.linalg.vector_norm(v, p, [d for d in range(v.dim()) if d != dim], keepdim=True)


def default_dim(module):
    """Where the outputs are: transposed convolutions have them second."""
    from ..modules.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d

    return 1 if isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)) else 0


def _weight_of(module, name):
    weight = getattr(module, name, None)
    if not isinstance(weight, facula.Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return weight


# ---------------------------------------------------------------- orthogonal matrices
def _orthogonal_factor(a):
    """Q of the QR decomposition whose R has a positive diagonal."""
    packed, tau = facula.geqrf(a)
    return facula.linalg.householder_product(packed, tau) * packed.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)


def _is_orthogonal(q):
    n, k = q.size(-2), q.size(-1)
    one = facula.eye(k, dtype=q.dtype, device=q.device)
    eps = 10.0 * n * facula.finfo(q.dtype).eps
    return facula.allclose(q.mH @ q, one, atol=eps)


class _Orthogonal(Module):
    """Matrices with orthonormal columns (or rows, of wide ones)."""

    def __init__(self, weight, orthogonal_map, *, use_trivialization=True):
        super().__init__()
        if weight.is_complex() and orthogonal_map == "householder":
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X):
        wide = X.size(-2) < X.size(-1)
        X = X.mT if wide else X
        Q = self._householder(X) if self.orthogonal_map == "householder" else self._of_skew(X)
        if hasattr(self, "base"):
            Q = self.base @ Q
        return Q.mT if wide else Q

    def _of_skew(self, X):
        n, k = X.size(-2), X.size(-1)
        X = X.tril()
        if n != k:
            X = facula.cat([X, X.new_zeros(n, n - k).expand(*X.shape[:-2], -1, -1)], dim=-1)
        A = X - X.mH
        if self.orthogonal_map == "matrix_exp":
            Q = facula.matrix_exp(A)
        else:
            one = facula.eye(n, dtype=A.dtype, device=A.device)
            Q = facula.linalg.solve(facula.add(one, A, alpha=-0.5), facula.add(one, A, alpha=0.5))
        return Q[..., :k] if n != k else Q

    @staticmethod
    def _householder(X):
        A = X.tril(diagonal=-1)
        tau = 2.0 / (1.0 + (A * A).sum(dim=-2))
        return facula.linalg.householder_product(A, tau) * X.diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)

    def right_inverse(self, Q):
        if Q.shape != self.shape:
            raise ValueError(f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of shape {Q.shape}.")
        start, wide = Q, Q.size(-2) < Q.size(-1)
        Q = Q.mT if wide else Q
        n, k = Q.size(-2), Q.size(-1)
        if not hasattr(self, "base"):
            if self.orthogonal_map != "householder":
                raise NotImplementedError("It is not possible to assign to the matrix exponential or the Cayley parametrizations when "
                                          "use_trivialization=False.")
            A, tau = facula.geqrf(Q)
            diagonal = A.diagonal(dim1=-2, dim2=-1)
            diagonal.sign_()
            diagonal[tau == 0.0] *= -1
            return A.mT if wide else A
        if n == k:
            Q = Q.clone() if _is_orthogonal(Q) else _orthogonal_factor(Q)
        else:  # completed to a square matrix
            Q = _orthogonal_factor(facula.cat([Q, facula.randn(*Q.shape[:-2], n, n - k, dtype=Q.dtype, device=Q.device)], dim=-1))
        self.base = Q
        origin = facula.zeros_like(start)
        origin.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
        return origin


def orthogonal(module, name="weight", orthogonal_map=None, *, use_trivialization=True):
    """Keeps a weight orthogonal (unitary if complex).

    Args:
        orthogonal_map: "matrix_exp", "cayley" or "householder"; by default the first for square, the last for other matrices.
        use_trivialization: Keep a base, so that the weight can be assigned; source: Lezcano-Casado, arXiv 1909.09501.
    """
    weight = _weight_of(module, name)
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    if orthogonal_map is None:
        orthogonal_map = "matrix_exp" if weight.size(-2) == weight.size(-1) or weight.is_complex() else "householder"
    if orthogonal_map not in _MAPS:
        raise ValueError(f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}')
    parametrize.register_parametrization(module, name, _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization), unsafe=True)
    return module


# ---------------------------------------------------------------- length and direction
class _WeightNorm(Module):
    def __init__(self, dim=0):
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g, weight_v):
        return weight_v * (weight_g / norm_except_dim(weight_v, 2, self.dim))

    def right_inverse(self, weight):
        return norm_except_dim(weight, 2, self.dim), weight


def weight_norm(module, name="weight", dim=0):
    """Keeps a weight as length and direction; source: Salimans and Kingma, arXiv 1602.07868."""
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def old_names(state_dict, prefix, *_):
        pair = [f"{prefix}{name}_g", f"{prefix}{name}_v"]
        if all(k in state_dict for k in pair):
            for i, key in enumerate(pair):
                state_dict[f"{prefix}parametrizations.{name}.original{i}"] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(old_names)
    return module


# ---------------------------------------------------------------- spectral norm
class _SpectralNorm(Module):
    def __init__(self, weight, n_power_iterations=1, dim=0, eps=1e-12):
        super().__init__()
        if dim >= weight.ndim or dim < -weight.ndim:
            raise IndexError(f"Dimension out of range (expected to be in range of [-{weight.ndim}, {weight.ndim - 1}] but got {dim})")
        if n_power_iterations <= 0:
            raise ValueError("Expected n_power_iterations to be positive, but got " f"n_power_iterations={n_power_iterations}")
        self.dim, self.eps = dim if dim >= 0 else dim + weight.ndim, eps
        if weight.ndim > 1:
            self.n_power_iterations = n_power_iterations
            matrix = self._matrix(weight)
            u, v = (matrix.new_empty(n).normal_(0, 1) for n in matrix.shape)
            self.register_buffer("_u", self._unit(u))
            self.register_buffer("_v", self._unit(v))
            self._power_method(matrix, 15)

    def _unit(self, x):
        return facula.nn.functional.normalize(x, dim=0, eps=self.eps)

    def _matrix(self, weight):
        if self.dim != 0:
            weight = weight.permute(self.dim, *(d for d in range(weight.dim()) if d != self.dim))
        return weight.flatten(1)

    @facula.no_grad()
    def _power_method(self, matrix, count):
        for _ in range(count):
            self._u.copy_(self._unit(facula.mv(matrix, self._v)))
            self._v.copy_(self._unit(facula.mv(matrix.H, self._u)))

    def forward(self, weight):
        if weight.ndim == 1:
            return self._unit(weight)
        matrix = self._matrix(weight)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()
        return weight / facula.vdot(u, facula.mv(matrix, v))

    def right_inverse(self, value):
        return value


def spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=None):
    """Divides a weight by its largest singular value; source: Miyato et al., arXiv 1802.05957."""
    weight = _weight_of(module, name)
    dim = default_dim(module) if dim is None else dim
    parametrize.register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps))
    return module
