"""The beta distribution."""

from __future__ import annotations

from numbers import Number

import facula

from . import constraints
from .dirichlet import Dirichlet
from .exp_family import ExponentialFamily
from .utils import broadcast_all

__all__ = ["Beta"]


class Beta(ExponentialFamily):
    """The first of two numbers of a Dirichlet distribution.

    Args:
        concentration1: The weight of 1, positive. A number or tensor.
        concentration0: The weight of 0, positive. A number or tensor.
        validate_args: Whether to check parameters and values; None for the class's setting, which is on unless Python runs with -O.

    Raises:
        ValueError: A parameter is out of its range.
        RuntimeError: The parameters do not broadcast.

    Example:
        >>> beta = facula.distributions.Beta(2.0, 1.0)
        >>> beta.log_prob(facula.tensor(0.5))
        tensor(0.)
        >>> beta.sample((3,)).shape
        facula.Size([3])
    """

    arg_constraints = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support, has_rsample = constraints.unit_interval, True
    _parameters = {}

    def __init__(self, concentration1, concentration0, validate_args=None):
        if isinstance(concentration1, Number) and isinstance(concentration0, Number):
            both = facula.tensor([float(concentration1), float(concentration0)])
        else:
            both = facula.stack(broadcast_all(concentration1, concentration0), -1)
        self._dirichlet = Dirichlet(both, validate_args=validate_args)
        super().__init__(self._dirichlet._batch_shape, validate_args=validate_args)

    def _expand_parts(self, new, batch_shape):
        new._dirichlet = self._dirichlet.expand(batch_shape)

    @property
    def concentration1(self):
        return self._side(0)

    @property
    def concentration0(self):
        return self._side(1)

    def _side(self, i):
        value = self._dirichlet.concentration[..., i]
        return facula.tensor([value]) if isinstance(value, Number) else value

    @property
    def mean(self):
        return self.concentration1 / (self.concentration1 + self.concentration0)

    @property
    def mode(self):
        return self._dirichlet.mode[..., 0]

    @property
    def variance(self):
        total = self.concentration1 + self.concentration0
        return self.concentration1 * self.concentration0 / (total.pow(2) * (total + 1))

    def rsample(self, sample_shape=()):
        return self._dirichlet.rsample(sample_shape).select(-1, 0)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        return self._dirichlet.log_prob(facula.stack([value, 1.0 - value], -1))

    def entropy(self):
        return self._dirichlet.entropy()

    @property
    def _natural_params(self):
        return self.concentration1, self.concentration0

    def _log_normalizer(self, x, y):
        return facula.lgamma(x) + facula.lgamma(y) - facula.lgamma(x + y)
