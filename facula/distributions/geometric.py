"""The geometric distribution."""

from __future__ import annotations

import facula

from . import constraints
from ._odds import Odds
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["Geometric"]


class Geometric(Odds, Distribution):
    """The number of failures before the first success.

    Args:
        probs: The chance of an end at each trial, in (0, 1]. A number or tensor.
        logits: Its log-odds, instead of probs. A number or tensor.
        validate_args: Whether to check parameters and values; None for the class's setting, which is on unless Python runs with -O.

    Raises:
        ValueError: A parameter is out of its range, or both or neither of probs and logits are given.

    Example:
        >>> geometric = facula.distributions.Geometric(0.5)
        >>> geometric.log_prob(facula.tensor(1.0))
        tensor(-1.3863)
        >>> geometric.sample((3,)).shape
        facula.Size([3])
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.nonnegative_integer

    def __init__(self, probs=None, logits=None, validate_args=None):
        self._set_odds(probs, logits)
        super().__init__(self._param.size(), validate_args=validate_args)
        if self._validate_args and probs is not None:
            value = self.probs
            if not (value > 0).all():
                raise ValueError(f"Expected parameter probs ({type(value).__name__} of shape {tuple(value.shape)}) of distribution {self!r} to be positive "
                                 f"but found invalid values:\n{value[~(value > 0)]}")

    @property
    def mean(self):
        return 1.0 / self.probs - 1.0

    @property
    def mode(self):
        return facula.zeros_like(self.probs)

    @property
    def variance(self):
        return (1.0 / self.probs - 1.0) / self.probs

    def sample(self, sample_shape=facula.Size()):
        with facula.no_grad():
            u = self.probs.new_empty(self._extended_shape(sample_shape)).uniform_(facula.finfo(self.probs.dtype).tiny, 1)
            return (u.log() / (-self.probs).log1p()).floor()

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        value, probs = broadcast_all(value, self.probs)
        probs = probs.clone(memory_format=facula.contiguous_format)
        probs[(probs == 1) & (value == 0)] = 0
        return value * (-probs).log1p() + self.probs.log()

    def entropy(self):
        return facula.nn.functional.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none") / self.probs
