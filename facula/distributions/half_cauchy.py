"""The half-Cauchy distribution."""

from __future__ import annotations

import math

import facula

from .cauchy import Cauchy
from .half import Half

__all__ = ["HalfCauchy"]


class HalfCauchy(Half):
    """The absolute value of a centred Cauchy number."""

    _whole = Cauchy

    @property
    def mean(self):
        return facula.full(self._extended_shape(), math.inf, dtype=self.scale.dtype, device=self.scale.device)

    @property
    def variance(self):
        return self.base_dist.variance

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        value = facula.as_tensor(value, dtype=self.base_dist.scale.dtype, device=self.base_dist.scale.device)
        density = math.log(2 / math.pi) - self.scale.log() - (value / self.scale).pow(2).log1p()
        return facula.where(value >= 0, density, -math.inf)
