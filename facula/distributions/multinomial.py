"""The multinomial distribution."""

from __future__ import annotations

import facula

from . import constraints
from ._wrapped_categorical import WrappedCategorical
from .binomial import Binomial
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["Multinomial"]


class Multinomial(WrappedCategorical, Distribution):
    """How often each category comes in `total_count` draws."""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    _parameters = {}

    def __init__(self, total_count=1, probs=None, logits=None, validate_args=None):
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._wrap(probs, logits)
        self._binomial = Binomial(total_count=total_count, probs=self.probs)
        super().__init__(self._categorical.batch_shape, self._categorical.param_shape[-1:], validate_args=validate_args)

    def _expand_parts(self, new, batch_shape):
        super()._expand_parts(new, batch_shape)
        new.total_count = self.total_count
        new._binomial = Binomial(total_count=self.total_count, probs=new.probs)

    @property
    def mean(self):
        return self.probs * self.total_count

    @property
    def variance(self):
        return self.total_count * self.probs * (1 - self.probs)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self):
        return constraints.multinomial(self.total_count)

    def sample(self, sample_shape=facula.Size()):
        sample_shape = facula.Size(sample_shape)
        samples = self._categorical.sample(facula.Size((self.total_count,)) + sample_shape)
        samples = samples.permute(*range(1, samples.dim()), 0)  # the draws of one count in the last dimension
        counts = samples.new_zeros(self._extended_shape(sample_shape))
        counts.scatter_add_(-1, samples, facula.ones_like(samples))
        return counts.type_as(self.probs)

    def entropy(self):
        n = facula.tensor(self.total_count, dtype=self.probs.dtype, device=self.probs.device)
        support = self._binomial.enumerate_support(expand=False)[1:]
        weights = facula.exp(self._binomial.log_prob(support))
        repeated = (weights * facula.lgamma(support + 1)).sum([0, -1])
        return n * self._categorical.entropy() - facula.lgamma(n + 1) + repeated

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        logits = logits.clone(memory_format=facula.contiguous_format)
        ways = facula.lgamma(value.sum(-1) + 1) - facula.lgamma(value + 1).sum(-1)
        logits[(value == 0) & (logits == -facula.inf)] = 0
        return ways + (logits * value).sum(-1)
