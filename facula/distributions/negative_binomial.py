"""The negative binomial distribution."""

from __future__ import annotations

import facula
import facula.nn.functional as F

from . import constraints
from ._odds import Odds
from .distribution import Distribution
from .gamma import Gamma
from .utils import broadcast_all, lazy_property

__all__ = ["NegativeBinomial"]


class NegativeBinomial(Odds, Distribution):
    """The number of successes before `total_count` failures."""

    arg_constraints = {"total_count": constraints.greater_than_eq(0), "probs": constraints.half_open_interval(0.0, 1.0), "logits": constraints.real}
    support = constraints.nonnegative_integer
    _parameters = {"total_count": 0, "probs": 0, "logits": 0}

    def __init__(self, total_count, probs=None, logits=None, validate_args=None):
        self._set_odds(probs, logits)
        self.total_count, param = broadcast_all(total_count, self._param)
        self.total_count = self.total_count.type_as(param)
        setattr(self, "probs" if probs is not None else "logits", param)
        super().__init__(self._param.size(), validate_args=validate_args)

    @property
    def mean(self):
        return self.total_count * facula.exp(self.logits)

    @property
    def mode(self):
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    @property
    def variance(self):
        return self.mean / facula.sigmoid(-self.logits)

    @lazy_property
    def _gamma(self):
        return Gamma(concentration=self.total_count, rate=facula.exp(-self.logits), validate_args=False)

    def sample(self, sample_shape=facula.Size()):
        with facula.no_grad():
            return facula.poisson(self._gamma.sample(sample_shape=sample_shape))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        unnormalised = self.total_count * F.logsigmoid(-self.logits) + value * F.logsigmoid(self.logits)
        normaliser = -facula.lgamma(self.total_count + value) + facula.lgamma(1.0 + value) + facula.lgamma(self.total_count)
        normaliser = normaliser.masked_fill(self.total_count + value == 0.0, 0.0)
        return unnormalised - normaliser
