"""Exponential families: densities h(x) exp(<eta, t(x)> - F(eta))."""

from __future__ import annotations

import facula

from .distribution import Distribution


class ExponentialFamily(Distribution):
    """A distribution that knows its natural parameters eta and its log-normaliser F."""

    @property
    def _natural_params(self):
        raise NotImplementedError

    def _log_normalizer(self, *natural_params):
        raise NotImplementedError

    @property
    def _mean_carrier_measure(self):
        raise NotImplementedError

    def entropy(self):
        """F(eta) - <eta, F'(eta)>, by differentiation, less the mean of log h."""
        natural = [p.detach().requires_grad_() for p in self._natural_params]
        normalizer = self._log_normalizer(*natural)
        slopes = facula.autograd.grad(normalizer.sum(), natural, create_graph=True)
        result = normalizer - self._mean_carrier_measure
        for eta, slope in zip(natural, slopes, strict=True):
            result = result - (eta * slope).reshape(self._batch_shape + (-1,)).sum(-1)
        return result
