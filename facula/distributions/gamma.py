"""The gamma distribution."""

from __future__ import annotations

import facula

from . import constraints
from .exp_family import ExponentialFamily
from .utils import broadcast_all

__all__ = ["Gamma"]


class Gamma(ExponentialFamily):
    """Waiting times for `concentration` events of a rate.

    Args:
        concentration: Events waited for, positive. A number or tensor.
        rate: Events in a unit of time, positive. A number or tensor.
        validate_args: Whether to check parameters and values; None for the class's setting, which is on unless Python runs with -O.

    Raises:
        ValueError: A parameter is out of its range.
        RuntimeError: The parameters do not broadcast.

    Example:
        >>> gamma = facula.distributions.Gamma(1.0, 2.0)
        >>> gamma.log_prob(facula.tensor(1.0))
        tensor(-1.3069)
        >>> gamma.sample((3,)).shape
        facula.Size([3])
    """

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support, has_rsample, _mean_carrier_measure = constraints.nonnegative, True, 0
    _parameters = {"concentration": 0, "rate": 0}

    def __init__(self, concentration, rate, validate_args=None):
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(self.concentration.size(), validate_args=validate_args)

    @property
    def mean(self):
        return self.concentration / self.rate

    @property
    def mode(self):
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self):
        return self.concentration / self.rate.pow(2)

    def rsample(self, sample_shape=facula.Size()):
        shape = self._extended_shape(sample_shape)
        value = facula._standard_gamma(self.concentration.expand(shape)) / self.rate.expand(shape)
        value.detach().clamp_(min=facula.finfo(value.dtype).tiny)  # 0 has no logarithm
        return value

    def log_prob(self, value):
        value = facula.as_tensor(value, dtype=self.rate.dtype, device=self.rate.device)
        if self._validate_args:
            self._validate_sample(value)
        return (facula.xlogy(self.concentration, self.rate) + facula.xlogy(self.concentration - 1, value) - self.rate * value
                - facula.lgamma(self.concentration))

    def cdf(self, value):
        if self._validate_args:
            self._validate_sample(value)
        return facula.special.gammainc(self.concentration, self.rate * value)

    def entropy(self):
        return (self.concentration - facula.log(self.rate) + facula.lgamma(self.concentration)
                + (1.0 - self.concentration) * facula.digamma(self.concentration))

    @property
    def _natural_params(self):
        return self.concentration - 1, -self.rate

    def _log_normalizer(self, x, y):
        return facula.lgamma(x + 1) + (x + 1) * facula.log(-y.reciprocal())
