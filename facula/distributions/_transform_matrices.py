"""Transforms to triangular and positive definite matrices, and of the parts of a tensor."""

from __future__ import annotations

import math

import facula
from facula.nn.functional import softplus

from . import constraints
from ._transform import Transform
from ._transform_numbers import _Plain
from .utils import _sum_rightmost, tril_matrix_to_vec, vec_to_tril_matrix


class CorrCholeskyTransform(Transform):
    """A real vector of n (n - 1) / 2 to the Cholesky factor of a correlation matrix: tanh gives partial correlations, each
    of which takes its share of what is left of its row's unit length."""

    domain, codomain, bijective = constraints.real_vector, constraints.corr_cholesky, True

    def _call(self, x):
        x = facula.tanh(x)
        eps = facula.finfo(x.dtype).eps
        r = vec_to_tril_matrix(x.clamp(min=-1 + eps, max=1 - eps), diag=-1)
        left = (1 - r ** 2).sqrt().cumprod(-1)
        r = r + facula.eye(r.shape[-1], dtype=r.dtype, device=r.device)
        return r * facula.nn.functional.pad(left[..., :-1], [1, 0], value=1)

    def _inverse(self, y):
        left = 1 - facula.cumsum(y * y, dim=-1)
        left = facula.nn.functional.pad(left[..., :-1], [1, 0], value=1)
        t = tril_matrix_to_vec(y, diag=-1) / tril_matrix_to_vec(left, diag=-1).sqrt()
        return (t.log1p() - t.neg().log1p()) / 2

    def log_abs_det_jacobian(self, x, y, intermediates=None):
        left = tril_matrix_to_vec(1 - (y * y).cumsum(dim=-1), diag=-2)
        return 0.5 * left.log().sum(-1) - 2 * (x + softplus(-2 * x) - math.log(2.0)).sum(dim=-1)

    def forward_shape(self, shape):
        if len(shape) < 1:
            raise ValueError("Too few dimensions on input")
        n = round((0.25 + 2 * shape[-1]) ** 0.5 + 0.5)
        if n * (n - 1) // 2 != shape[-1]:
            raise ValueError("Input is not a flattened lower-diagonal number")
        return shape[:-1] + (n, n)

    def inverse_shape(self, shape):
        if len(shape) < 2:
            raise ValueError("Too few dimensions on input")
        if shape[-2] != shape[-1]:
            raise ValueError("Input is not square")
        return shape[:-2] + (shape[-1] * (shape[-1] - 1) // 2,)


class LowerCholeskyTransform(_Plain):
    """A matrix to its lower triangle with a positive diagonal"""

    domain, codomain = constraints.independent(constraints.real, 2), constraints.lower_cholesky

    def _call(self, x):
        return x.tril(-1) + x.diagonal(dim1=-2, dim2=-1).exp().diag_embed()

    def _inverse(self, y):
        return y.tril(-1) + y.diagonal(dim1=-2, dim2=-1).log().diag_embed()


class PositiveDefiniteTransform(_Plain):
    """A matrix to L L^T of its lower triangle with a positive diagonal"""

    domain, codomain = constraints.independent(constraints.real, 2), constraints.positive_definite

    def _call(self, x):
        factor = LowerCholeskyTransform()(x)
        return factor @ factor.mT

    def _inverse(self, y):
        return LowerCholeskyTransform().inv(facula.linalg.cholesky(y))


class _Parts(Transform):
    """Transforms of the parts of a tensor along a dimension; subclasses say how it is taken apart and put together."""

    def _check(self, tseq):
        assert all(isinstance(t, Transform) for t in tseq)

    @property
    def bijective(self):
        return all(t.bijective for t in self.transforms)

    def _call(self, x):
        assert -x.dim() <= self.dim < x.dim()
        return self._together([t(part) for t, part in zip(self.transforms, self._apart(x), strict=True)])

    def _inverse(self, y):
        assert -y.dim() <= self.dim < y.dim()
        return self._together([t.inv(part) for t, part in zip(self.transforms, self._apart(y), strict=True)])


class CatTransform(_Parts):
    """Transforms of neighbouring pieces along `dim`, of the given lengths"""

    def __init__(self, tseq, dim=0, lengths=None, cache_size=0):
        self._check(tseq)
        super().__init__(cache_size=cache_size)
        self.transforms = [t.with_cache(cache_size) for t in tseq] if cache_size else list(tseq)
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)
        assert len(self.lengths) == len(self.transforms)
        self.dim = dim

    @property
    def event_dim(self):
        return max(t.event_dim for t in self.transforms)

    @property
    def length(self):
        return sum(self.lengths)

    def with_cache(self, cache_size=1):
        return self if self._cache_size == cache_size else CatTransform(self.transforms, self.dim, self.lengths, cache_size)

    def _apart(self, x):
        assert x.size(self.dim) == self.length
        return x.split(self.lengths, self.dim)

    def _together(self, parts):
        return facula.cat(parts, dim=self.dim)

    def log_abs_det_jacobian(self, x, y):
        terms = []
        for transform, before, after in zip(self.transforms, self._apart(x), self._apart(y), strict=True):
            term = transform.log_abs_det_jacobian(before, after)
            terms.append(_sum_rightmost(term, self.event_dim - transform.event_dim) if transform.event_dim < self.event_dim else term)
        dim = self.dim - x.dim() if self.dim >= 0 else self.dim
        dim += self.event_dim
        return facula.cat(terms, dim=dim) if dim < 0 else sum(terms)

    @constraints.dependent_property
    def domain(self):
        return constraints.cat([t.domain for t in self.transforms], self.dim, self.lengths)

    @constraints.dependent_property
    def codomain(self):
        return constraints.cat([t.codomain for t in self.transforms], self.dim, self.lengths)


class StackTransform(_Parts):
    """Transforms of the slices along `dim`"""

    def __init__(self, tseq, dim=0, cache_size=0):
        self._check(tseq)
        super().__init__(cache_size=cache_size)
        self.transforms = [t.with_cache(cache_size) for t in tseq] if cache_size else list(tseq)
        self.dim = dim

    def with_cache(self, cache_size=1):
        return self if self._cache_size == cache_size else StackTransform(self.transforms, self.dim, cache_size)

    def _apart(self, x):
        assert x.size(self.dim) == len(self.transforms)
        return x.unbind(self.dim)

    def _together(self, parts):
        return facula.stack(parts, dim=self.dim)

    def log_abs_det_jacobian(self, x, y):
        return self._together([t.log_abs_det_jacobian(a, b) for t, a, b in zip(self.transforms, self._apart(x), self._apart(y), strict=True)])

    @constraints.dependent_property
    def domain(self):
        return constraints.stack([t.domain for t in self.transforms], self.dim)

    @constraints.dependent_property
    def codomain(self):
        return constraints.stack([t.codomain for t in self.transforms], self.dim)
