"""Student's t distribution."""

from __future__ import annotations

import math

import facula

from . import constraints
from .chi2 import Chi2
from .distribution import Distribution
from .utils import _standard_normal, broadcast_all

__all__ = ["StudentT"]


class StudentT(Distribution):
    """A normal number over an independent estimate of its deviation from `df` others."""

    arg_constraints = {"df": constraints.positive, "loc": constraints.real, "scale": constraints.positive}
    support, has_rsample = constraints.real, True
    _parameters = {"df": 0, "loc": 0, "scale": 0}

    def __init__(self, df, loc=0.0, scale=1.0, validate_args=None):
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        self._chi2 = Chi2(self.df)
        super().__init__(self.df.size(), validate_args=validate_args)

    def _expand_parts(self, new, batch_shape):
        new._chi2 = self._chi2.expand(batch_shape)

    @property
    def mean(self):
        mean = self.loc.clone(memory_format=facula.contiguous_format)
        mean[self.df <= 1] = math.nan
        return mean

    @property
    def mode(self):
        return self.loc

    @property
    def variance(self):
        v = self.df.clone(memory_format=facula.contiguous_format)
        high = self.df > 2
        v[high] = self.scale[high].pow(2) * self.df[high] / (self.df[high] - 2)
        v[(self.df <= 2) & (self.df > 1)] = math.inf
        v[self.df <= 1] = math.nan
        return v

    def rsample(self, sample_shape=facula.Size()):
        x = _standard_normal(self._extended_shape(sample_shape), dtype=self.df.dtype, device=self.df.device)
        return self.loc + self.scale * (x * facula.rsqrt(self._chi2.rsample(sample_shape) / self.df))

    def _half_beta(self):
        """log Gamma(df / 2) - log Gamma((df + 1) / 2)"""
        return facula.lgamma(0.5 * self.df) - facula.lgamma(0.5 * (self.df + 1.0))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        y = (value - self.loc) / self.scale
        z = self.scale.log() + 0.5 * self.df.log() + 0.5 * math.log(math.pi) + self._half_beta()
        return -0.5 * (self.df + 1.0) * facula.log1p(y ** 2.0 / self.df) - z

    def entropy(self):
        beta = facula.lgamma(0.5 * self.df) + math.lgamma(0.5) - facula.lgamma(0.5 * (self.df + 1))
        spread = facula.digamma(0.5 * (self.df + 1)) - facula.digamma(0.5 * self.df)
        return self.scale.log() + 0.5 * (self.df + 1) * spread + 0.5 * self.df.log() + beta
