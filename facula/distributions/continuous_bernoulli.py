"""The continuous Bernoulli distribution."""

from __future__ import annotations

import math

import facula

from . import constraints
from ._odds import Odds
from .exp_family import ExponentialFamily
from .utils import broadcast_all, clamp_probs

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(Odds, ExponentialFamily):
    """Numbers x of the unit interval of density proportional to p^x (1 - p)^(1 - x) (Loaiza-Ganem and Cunningham 2019).
    Between `lims`, where the constants are 0 / 0, Taylor's series serve."""

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support, has_rsample, _mean_carrier_measure = constraints.unit_interval, True, 0

    def __init__(self, probs=None, logits=None, lims=(0.499, 0.501), validate_args=None):
        self._set_odds(probs, logits)
        if probs is not None:
            if validate_args is not None and not self.arg_constraints["probs"].check(self.probs).all():
                raise ValueError("The parameter probs has invalid values")
            self.probs = clamp_probs(self.probs)
        self._lims = lims
        super().__init__(self._param.size(), validate_args=validate_args)

    def _expand_parts(self, new, batch_shape):
        new._lims = self._lims

    def _outside(self):
        return (self.probs <= self._lims[0]) | (self.probs > self._lims[1])

    def _cut_probs(self):
        return facula.where(self._outside(), self.probs, self._lims[0] * facula.ones_like(self.probs))

    def _cont_bern_log_norm(self):
        """The logarithm of the density's factor."""
        p = self._cut_probs()
        below = facula.where(p <= 0.5, p, facula.zeros_like(p))
        above = facula.where(p >= 0.5, p, facula.ones_like(p))
        log_norm = facula.log(facula.abs(facula.log1p(-p) - facula.log(p))) - facula.where(p <= 0.5, facula.log1p(-2.0 * below), facula.log(2.0 * above - 1.0))
        x = facula.pow(self.probs - 0.5, 2)
        return facula.where(self._outside(), log_norm, math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * x) * x)

    @property
    def mean(self):
        p = self._cut_probs()
        x = self.probs - 0.5
        near = 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * facula.pow(x, 2)) * x
        return facula.where(self._outside(), p / (2.0 * p - 1.0) + 1.0 / (facula.log1p(-p) - facula.log(p)), near)

    @property
    def stddev(self):
        return facula.sqrt(self.variance)

    @property
    def variance(self):
        p = self._cut_probs()
        x = facula.pow(self.probs - 0.5, 2)
        far = p * (p - 1.0) / facula.pow(1.0 - 2.0 * p, 2) + 1.0 / facula.pow(facula.log1p(-p) - facula.log(p), 2)
        return facula.where(self._outside(), far, 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * x) * x)

    def rsample(self, sample_shape=facula.Size()):
        return self.icdf(facula.rand(self._extended_shape(sample_shape), dtype=self.probs.dtype, device=self.probs.device))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return -facula.nn.functional.binary_cross_entropy_with_logits(logits, value, reduction="none") + self._cont_bern_log_norm()

    def cdf(self, value):
        if self._validate_args:
            self._validate_sample(value)
        p = self._cut_probs()
        far = (facula.pow(p, value) * facula.pow(1.0 - p, 1.0 - value) + p - 1.0) / (2.0 * p - 1.0)
        inside = facula.where(self._outside(), far, value)
        return facula.where(facula.le(value, 0.0), facula.zeros_like(value), facula.where(facula.ge(value, 1.0), facula.ones_like(value), inside))

    def icdf(self, value):
        p = self._cut_probs()
        far = (facula.log1p(-p + value * (2.0 * p - 1.0)) - facula.log1p(-p)) / (facula.log(p) - facula.log1p(-p))
        return facula.where(self._outside(), far, value)

    def entropy(self):
        high, low = facula.log1p(-self.probs), facula.log(self.probs)
        return self.mean * (high - low) - self._cont_bern_log_norm() - high

    @property
    def _natural_params(self):
        return (self.logits,)

    def _log_normalizer(self, x):
        outside = facula.max(facula.le(x, self._lims[0] - 0.5), facula.gt(x, self._lims[1] - 0.5))
        safe = facula.where(outside, x, (self._lims[0] - 0.5) * facula.ones_like(x))
        far = facula.log(facula.abs(facula.special.expm1(safe))) - facula.log(facula.abs(safe))
        return facula.where(outside, far, 0.5 * x + facula.pow(x, 2) / 24.0 - facula.pow(x, 4) / 2880.0)
