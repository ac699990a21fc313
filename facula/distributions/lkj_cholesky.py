"""Cholesky factors of random correlation matrices."""

from __future__ import annotations

import math

import facula

from . import constraints
from .beta import Beta
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["LKJCholesky"]


class LKJCholesky(Distribution):
    """L of correlation matrices L L^T of density proportional to det^(concentration - 1), made row by row as an onion is
    (Lewandowski, Kurowicka and Joe 2009)."""

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky
    _parameters = {"concentration": 0}

    def __init__(self, dim, concentration=1.0, validate_args=None):
        if dim < 2:
            raise ValueError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        marginal = self.concentration + 0.5 * (dim - 2)
        offset = facula.arange(dim - 1, dtype=self.concentration.dtype, device=self.concentration.device)
        offset = facula.cat([offset.new_zeros((1,)), offset])
        self._beta = Beta(offset + 0.5, marginal.unsqueeze(-1) - 0.5 * offset)
        super().__init__(self.concentration.size(), facula.Size((dim, dim)), validate_args)

    def _expand_parts(self, new, batch_shape):
        new.dim = self.dim
        new._beta = self._beta.expand(batch_shape + (self.dim,))

    def sample(self, sample_shape=facula.Size()):
        y = self._beta.sample(sample_shape).unsqueeze(-1)
        u = facula.randn(self._extended_shape(sample_shape), dtype=y.dtype, device=y.device).tril(-1)
        u = u / u.norm(dim=-1, keepdim=True)
        u[..., 0, :].fill_(0.0)
        w = facula.sqrt(y) * u
        diagonal = facula.clamp(1 - facula.sum(w ** 2, dim=-1), min=facula.finfo(w.dtype).tiny).sqrt()
        return w + facula.diag_embed(diagonal)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        diagonal = value.diagonal(dim1=-1, dim2=-2)[..., 1:]
        order = facula.arange(2, self.dim + 1, device=self.concentration.device)
        order = 2 * (self.concentration - 1).unsqueeze(-1) + self.dim - order
        unnormalised = facula.sum(order * diagonal.log(), dim=-1)
        m = self.dim - 1
        alpha = self.concentration + 0.5 * m
        normaliser = 0.5 * m * math.log(math.pi) + facula.mvlgamma(alpha - 0.5, m) - facula.lgamma(alpha) * m
        return unnormalised - normaliser
