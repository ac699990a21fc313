"""The normal distribution."""

from __future__ import annotations

import math

import facula

from ._loc_scale import LocScale
from .exp_family import ExponentialFamily
from .utils import _standard_normal

__all__ = ["Normal"]


class Normal(LocScale, ExponentialFamily):
    """Mean `loc`, standard deviation `scale`.

    Args:
        loc: The mean. A number or tensor.
        scale: The standard deviation, positive. A number or tensor.
        validate_args: Whether to check parameters and values; None for the class's setting, which is on unless Python runs with -O.

    Raises:
        ValueError: A parameter is out of its range.
        RuntimeError: The parameters do not broadcast.

    Example:
        >>> normal = facula.distributions.Normal(0.0, 1.0)
        >>> normal.log_prob(facula.tensor(0.0))
        tensor(-0.9189)
        >>> normal.sample((3,)).shape
        facula.Size([3])
    """

    _mean_carrier_measure = 0

    @property
    def mean(self):
        return self.loc

    mode = mean

    @property
    def stddev(self):
        return self.scale

    @property
    def variance(self):
        return self.stddev.pow(2)

    def sample(self, sample_shape=facula.Size()):
        shape = self._extended_shape(sample_shape)
        with facula.no_grad():
            return facula.normal(self.loc.expand(shape), self.scale.expand(shape))

    def rsample(self, sample_shape=facula.Size()):
        eps = _standard_normal(self._extended_shape(sample_shape), self.loc.dtype, self.loc.device)
        return self.loc + eps * self.scale

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        return -((value - self.loc) ** 2) / (2 * self.scale ** 2) - self.scale.log() - math.log(math.sqrt(2 * math.pi))

    def cdf(self, value):
        if self._validate_args:
            self._validate_sample(value)
        return 0.5 * (1 + facula.erf((value - self.loc) * self.scale.reciprocal() / math.sqrt(2)))

    def icdf(self, value):
        return self.loc + self.scale * facula.erfinv(2 * value - 1) * math.sqrt(2)

    def entropy(self):
        return 0.5 + 0.5 * math.log(2 * math.pi) + facula.log(self.scale)

    @property
    def _natural_params(self):
        return self.loc / self.scale.pow(2), -0.5 * self.scale.pow(2).reciprocal()

    def _log_normalizer(self, x, y):
        return -0.25 * x.pow(2) / y + 0.5 * facula.log(-math.pi / y)
