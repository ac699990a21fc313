"""The Poisson distribution."""

from __future__ import annotations

import facula

from . import constraints
from .exp_family import ExponentialFamily
from .utils import broadcast_all

__all__ = ["Poisson"]


class Poisson(ExponentialFamily):
    """Counts of events of a rate.

    Args:
        rate: The expected count, at least 0. A number or tensor.
        validate_args: Whether to check parameters and values; None for the class's setting, which is on unless Python runs with -O.

    Raises:
        ValueError: A parameter is out of its range.

    Example:
        >>> poisson = facula.distributions.Poisson(2.0)
        >>> poisson.log_prob(facula.tensor(1.0))
        tensor(-1.3069)
        >>> poisson.sample((3,)).shape
        facula.Size([3])
    """

    arg_constraints = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer
    _parameters = {"rate": 0}

    def __init__(self, rate, validate_args=None):
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.size(), validate_args=validate_args)

    @property
    def mean(self):
        return self.rate

    @property
    def mode(self):
        return self.rate.floor()

    @property
    def variance(self):
        return self.rate

    def sample(self, sample_shape=facula.Size()):
        with facula.no_grad():
            return facula.poisson(self.rate.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        rate, value = broadcast_all(self.rate, value)
        return value.xlogy(rate) - rate - (value + 1).lgamma()

    @property
    def _natural_params(self):
        return (facula.log(self.rate),)

    def _log_normalizer(self, x):
        return facula.exp(x)
