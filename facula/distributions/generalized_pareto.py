"""The generalised Pareto distribution."""

from __future__ import annotations

import math

import facula

from . import constraints
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["GeneralizedPareto"]


class GeneralizedPareto(Distribution):
    """What is above a high threshold: P(x > t) = (1 + concentration (t - loc) / scale)^(-1 / concentration), exponential where that is 0."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive, "concentration": constraints.real}
    has_rsample = True
    _parameters = {"loc": 0, "scale": 0, "concentration": 0}

    def __init__(self, loc, scale, concentration, validate_args=None):
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(self.loc.size(), validate_args=validate_args)

    def _is_exponential(self):
        return facula.isclose(self.concentration, facula.tensor(0.0, dtype=self.concentration.dtype))

    def _safe(self):
        """The concentration, 1 where it is 0 and the general formula is not used."""
        exponential = self._is_exponential()
        return exponential, facula.where(exponential, facula.ones_like(self.concentration), self.concentration)

    def rsample(self, sample_shape=facula.Size()):
        return self.icdf(facula.rand(self._extended_shape(sample_shape), dtype=self.loc.dtype, device=self.loc.device))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        z = (value - self.loc) / self.scale
        exponential, k = self._safe()
        general = -(1 + 1 / k) * facula.log1p(k * z)
        return -self.scale.log() + facula.where(exponential, -z, general)

    def log_survival_function(self, value):
        if self._validate_args:
            self._validate_sample(value)
        z = (value - self.loc) / self.scale
        exponential, k = self._safe()
        return facula.where(exponential, -z, -facula.log1p(k * z) / k)

    def log_cdf(self, value):
        return facula.log1p(-facula.exp(self.log_survival_function(value)))

    def cdf(self, value):
        return facula.exp(self.log_cdf(value))

    def icdf(self, value):
        exponential, k = self._safe()
        rest = facula.log1p(-value)
        return self.loc + self.scale * facula.where(exponential, -rest, facula.expm1(-k * rest) / k)

    @property
    def mean(self):
        k = self.concentration
        return facula.where(k < 1, self.loc + self.scale / (1 - k), facula.nan)

    @property
    def variance(self):
        k = self.concentration
        return facula.where(k < 0.5, self.scale ** 2 / ((1 - k) ** 2 * (1 - 2 * k)), facula.nan)

    @property
    def mode(self):
        return self.loc

    def entropy(self):
        return (facula.log(self.scale) + self.concentration + 1).expand(self._batch_shape)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self):
        upper = facula.where(self.concentration < 0, self.loc - self.scale / self.concentration, math.inf)
        return constraints.interval(self.loc, upper)
