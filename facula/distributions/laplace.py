"""The Laplace distribution."""

from __future__ import annotations

import facula

from ._loc_scale import LocScale
from .distribution import Distribution

__all__ = ["Laplace"]


class Laplace(LocScale, Distribution):
    """Two exponential distributions of mean `scale`, back to back at `loc`.

    Args:
        loc: Its place, any real number. A number or tensor.
        scale: Its width, positive. A number or tensor.
        validate_args: Whether to check parameters and values; None for the class's setting, which is on unless Python runs with -O.

    Raises:
        ValueError: A parameter is out of its range.
        RuntimeError: The parameters do not broadcast.

    Example:
        >>> laplace = facula.distributions.Laplace(0.0, 1.0)
        >>> laplace.log_prob(facula.tensor(0.0))
        tensor(-0.6931)
        >>> laplace.sample((3,)).shape
        facula.Size([3])
    """

    @property
    def mean(self):
        return self.loc

    mode = mean

    @property
    def variance(self):
        return 2 * self.scale.pow(2)

    @property
    def stddev(self):
        return (2 ** 0.5) * self.scale

    def rsample(self, sample_shape=facula.Size()):
        shape = self._extended_shape(sample_shape)
        u = self.loc.new_empty(shape).uniform_(facula.finfo(self.loc.dtype).eps - 1, 1)
        return self.loc - self.scale * u.sign() * facula.log1p(-u.abs())

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        return -facula.log(2 * self.scale) - facula.abs(value - self.loc) / self.scale

    def cdf(self, value):
        if self._validate_args:
            self._validate_sample(value)
        away = value - self.loc
        return 0.5 - 0.5 * away.sign() * facula.expm1(-away.abs() / self.scale)

    def icdf(self, value):
        term = value - 0.5
        return self.loc - self.scale * term.sign() * facula.log1p(-2 * term.abs())

    def entropy(self):
        return 1 + facula.log(2 * self.scale)
