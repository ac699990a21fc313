"""The Dirichlet distribution."""

from __future__ import annotations

import facula

from . import constraints
from .exp_family import ExponentialFamily

__all__ = ["Dirichlet"]


def _dirichlet_backward(x, concentration, grad_output):
    total = concentration.sum(-1, True).expand_as(concentration)
    return facula._dirichlet_grad(x, concentration, total) * (grad_output - (x * grad_output).sum(-1, True))


class _Dirichlet(facula.autograd.Function):
    @staticmethod
    def forward(ctx, concentration):
        x = facula._sample_dirichlet(concentration)
        ctx.save_for_backward(x, concentration)
        return x

    @staticmethod
    @facula.autograd.function.once_differentiable
    def backward(ctx, grad_output):
        return _dirichlet_backward(*ctx.saved_tensors, grad_output)


class Dirichlet(ExponentialFamily):
    """Vectors of probabilities: gamma numbers of the given concentrations over their sum."""

    arg_constraints = {"concentration": constraints.independent(constraints.positive, 1)}
    support, has_rsample = constraints.simplex, True
    _parameters = {"concentration": 1}

    def __init__(self, concentration, validate_args=None):
        if concentration.dim() < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args=validate_args)

    def rsample(self, sample_shape=facula.Size()):
        return _Dirichlet.apply(self.concentration.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        return (facula.xlogy(self.concentration - 1.0, value).sum(-1) + facula.lgamma(self.concentration.sum(-1))
                - facula.lgamma(self.concentration).sum(-1))

    @property
    def mean(self):
        return self.concentration / self.concentration.sum(-1, True)

    @property
    def mode(self):
        above = (self.concentration - 1).clamp(min=0.0)
        mode = above / above.sum(-1, True)
        flat = (self.concentration < 1).all(-1)
        mode[flat] = facula.nn.functional.one_hot(mode[flat].argmax(-1), above.shape[-1]).to(mode)
        return mode

    @property
    def variance(self):
        total = self.concentration.sum(-1, True)
        return self.concentration * (total - self.concentration) / (total.pow(2) * (total + 1))

    def entropy(self):
        n, total = self.concentration.size(-1), self.concentration.sum(-1)
        return (facula.lgamma(self.concentration).sum(-1) - facula.lgamma(total) - (n - total) * facula.digamma(total)
                - ((self.concentration - 1.0) * facula.digamma(self.concentration)).sum(-1))

    @property
    def _natural_params(self):
        return (self.concentration,)

    def _log_normalizer(self, x):
        return x.lgamma().sum(-1) - facula.lgamma(x.sum(-1))
