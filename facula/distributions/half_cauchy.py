"""The half-Cauchy distribution."""

from __future__ import annotations

import math

import facula

from .cauchy import Cauchy
from .half import Half

__all__ = ["HalfCauchy"]


class HalfCauchy(Half):
    """The absolute value of a centred Cauchy number.

    Args:
        scale: Its width, positive. A number or tensor.
        validate_args: Whether to check parameters and values; None for the class's setting, which is on unless Python runs with -O.

    Raises:
        ValueError: A parameter is out of its range.

    Example:
        >>> halfcauchy = facula.distributions.HalfCauchy(1.0)
        >>> halfcauchy.log_prob(facula.tensor(0.0))
        tensor(-0.4516)
        >>> halfcauchy.sample((3,)).shape
        facula.Size([3])
    """

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
