"""The half-Normal distribution."""

from __future__ import annotations

import math

import facula

from .half import Half
from .normal import Normal

__all__ = ["HalfNormal"]


class HalfNormal(Half):
    """The absolute value of a centred normal number.

    Args:
        scale: The standard deviation of the whole normal distribution, positive. A number or tensor.
        validate_args: Whether to check parameters and values; None for the class's setting, which is on unless Python runs with -O.

    Raises:
        ValueError: A parameter is out of its range.

    Example:
        >>> halfnormal = facula.distributions.HalfNormal(1.0)
        >>> halfnormal.log_prob(facula.tensor(0.0))
        tensor(-0.2258)
        >>> halfnormal.sample((3,)).shape
        facula.Size([3])
    """

    _whole = Normal

    @property
    def mean(self):
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def variance(self):
        return self.scale.pow(2) * (1 - 2 / math.pi)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        return facula.where(value >= 0, self.base_dist.log_prob(value) + math.log(2), -math.inf)
