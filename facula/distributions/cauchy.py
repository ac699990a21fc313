"""The Cauchy distribution."""

from __future__ import annotations

import math

import facula

from ._loc_scale import LocScale
from .distribution import Distribution

__all__ = ["Cauchy"]


class Cauchy(LocScale, Distribution):
    """The ratio of two centred normal numbers, moved to `loc`; half its width at half the maximum is `scale`.

    Args:
        loc: Its place, any real number. A number or tensor.
        scale: Its width, positive. A number or tensor.
        validate_args: Whether to check parameters and values; None for the class's setting, which is on unless Python runs with -O.

    Raises:
        ValueError: A parameter is out of its range.
        RuntimeError: The parameters do not broadcast.

    Example:
        >>> cauchy = facula.distributions.Cauchy(0.0, 1.0)
        >>> cauchy.log_prob(facula.tensor(0.0))
        tensor(-1.1447)
        >>> cauchy.sample((3,)).shape
        facula.Size([3])
    """

    @property
    def mean(self):
        return facula.full(self._extended_shape(), math.nan, dtype=self.loc.dtype, device=self.loc.device)

    @property
    def mode(self):
        return self.loc

    @property
    def variance(self):
        return facula.full(self._extended_shape(), math.inf, dtype=self.loc.dtype, device=self.loc.device)

    def rsample(self, sample_shape=facula.Size()):
        return self.loc + self.loc.new_empty(self._extended_shape(sample_shape)).cauchy_() * self.scale

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        return -math.log(math.pi) - self.scale.log() - (((value - self.loc) / self.scale) ** 2).log1p()

    def cdf(self, value):
        if self._validate_args:
            self._validate_sample(value)
        return facula.atan((value - self.loc) / self.scale) / math.pi + 0.5

    def icdf(self, value):
        return facula.tan(math.pi * (value - 0.5)) * self.scale + self.loc

    def entropy(self):
        return math.log(4 * math.pi) + self.scale.log()
