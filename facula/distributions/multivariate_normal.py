"""The multivariate normal distribution."""

from __future__ import annotations

import math

import facula

from . import constraints
from .distribution import Distribution
from .utils import _standard_normal, lazy_property

__all__ = ["MultivariateNormal"]


def _batch_mv(matrices, vectors):
    """Products of matrices and vectors."""
    return facula.matmul(matrices, vectors.unsqueeze(-1)).squeeze(-1)


def _batch_mahalanobis(factors, x):
    """x^T (L L^T)^-1 x for triangular L. The batch of L broadcasts to the last dimensions of x's."""
    n, batch = x.size(-1), factors.shape[:-2]
    outer, offset = x.shape[:-1], len(x.shape[:-1]) - len(batch)
    # The dimensions of x over which L repeats become columns of one triangular system for each L.
    split, moved = list(outer[:offset]), []
    for size, have in zip(outer[offset:], batch, strict=True):
        split += [size // have, have] if have else [0, 0]
    count = offset + 2 * len(batch)
    order = list(range(offset)) + list(range(offset, count, 2)) + list(range(offset + 1, count, 2))
    moved = x.reshape(split + [n]).permute(order + [count])
    columns = moved.reshape((-1,) + tuple(batch) + (n,))
    flat = columns.permute(*range(1, len(batch) + 1), len(batch) + 1, 0)
    solved = facula.linalg.solve_triangular(factors, flat, upper=False).pow(2).sum(-2)
    squares = solved.permute(len(batch), *range(len(batch))).reshape(moved.shape[:-1])
    back = [0] * count
    for place, d in enumerate(order):
        back[d] = place
    return squares.permute(back).reshape(outer)


def _precision_to_scale_tril(precision):
    """L of L L^T = P^-1, by the Cholesky factor of P turned around."""
    turned = facula.linalg.cholesky(facula.flip(precision, (-2, -1)))
    inverse = facula.transpose(facula.flip(turned, (-2, -1)), -2, -1)
    identity = facula.eye(precision.shape[-1], dtype=precision.dtype, device=precision.device)
    return facula.linalg.solve_triangular(inverse, identity, upper=False)


class MultivariateNormal(Distribution):
    """Mean `loc`, and a covariance matrix, its inverse or its Cholesky factor."""

    arg_constraints = {"loc": constraints.real_vector, "covariance_matrix": constraints.positive_definite,
                       "precision_matrix": constraints.positive_definite, "scale_tril": constraints.lower_cholesky}
    support, has_rsample = constraints.real_vector, True
    _parameters = {"loc": 1, "covariance_matrix": 2, "precision_matrix": 2, "scale_tril": 2}

    def __init__(self, loc, covariance_matrix=None, precision_matrix=None, scale_tril=None, validate_args=None):
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        given = {"scale_tril": scale_tril, "covariance_matrix": covariance_matrix, "precision_matrix": precision_matrix}
        given = {k: v for k, v in given.items() if v is not None}
        if len(given) != 1:
            raise ValueError("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.")
        ((name, matrix),) = given.items()
        if matrix.dim() < 2:
            kind = "scale_tril matrix" if name == "scale_tril" else name
            raise ValueError(f"{kind} must be at least two-dimensional, with optional leading batch dimensions")
        batch_shape = facula.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        setattr(self, name, matrix.expand(batch_shape + (-1, -1)))
        self.loc = loc.expand(batch_shape + (-1,))
        super().__init__(batch_shape, self.loc.shape[-1:], validate_args=validate_args)
        self._unbroadcasted_scale_tril = (scale_tril if name == "scale_tril" else facula.linalg.cholesky(matrix) if name == "covariance_matrix"
                                          else _precision_to_scale_tril(matrix))

    def _expand_parts(self, new, batch_shape):
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril

    def _expanded(self, matrix):
        return matrix.expand(self._batch_shape + self._event_shape + self._event_shape)

    @lazy_property
    def scale_tril(self):
        return self._expanded(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self):
        return self._expanded(facula.matmul(self._unbroadcasted_scale_tril, self._unbroadcasted_scale_tril.mT))

    @lazy_property
    def precision_matrix(self):
        return self._expanded(facula.cholesky_inverse(self._unbroadcasted_scale_tril))

    @property
    def mean(self):
        return self.loc

    mode = mean

    @property
    def variance(self):
        return self._unbroadcasted_scale_tril.pow(2).sum(-1).expand(self._batch_shape + self._event_shape)

    def rsample(self, sample_shape=facula.Size()):
        eps = _standard_normal(self._extended_shape(sample_shape), dtype=self.loc.dtype, device=self.loc.device)
        return self.loc + _batch_mv(self._unbroadcasted_scale_tril, eps)

    def _half_log_det(self):
        return self._unbroadcasted_scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        distance = _batch_mahalanobis(self._unbroadcasted_scale_tril, value - self.loc)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + distance) - self._half_log_det()

    def entropy(self):
        entropy = 0.5 * self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + self._half_log_det()
        return entropy.expand(self._batch_shape) if self._batch_shape else entropy
