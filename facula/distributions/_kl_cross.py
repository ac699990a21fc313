"""Divergences between distributions of different families: the cross-entropy less the entropy, or infinity."""

from __future__ import annotations

import math

import facula

from .bernoulli import Bernoulli
from .beta import Beta
from .binomial import Binomial
from .continuous_bernoulli import ContinuousBernoulli
from .exponential import Exponential
from .gamma import Gamma
from .gumbel import Gumbel
from .kl import register_kl
from .laplace import Laplace
from .normal import Normal
from .pareto import Pareto
from .poisson import Poisson
from .uniform import Uniform
from .utils import euler_constant

inf = math.inf


def _infinite_like(x):
    return facula.full_like(x, inf)


# Pairs where p reaches where q does not, by a parameter of p that has the result's shape.
for _p, _name, _q in ((Beta, "concentration1", (Pareto,)), (ContinuousBernoulli, "probs", (Pareto,)),
                      (Exponential, "rate", (Beta, ContinuousBernoulli, Pareto, Uniform)), (Gamma, "concentration", (Beta, ContinuousBernoulli, Pareto, Uniform)),
                      (Gumbel, "loc", (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform)),
                      (Laplace, "loc", (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform)),
                      (Normal, "loc", (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform)),
                      (Pareto, "scale", (Beta, ContinuousBernoulli, Uniform)), (Poisson, "rate", (Bernoulli, Binomial))):
    for _other in _q:
        register_kl(_p, _other)((lambda name: lambda p, q: _infinite_like(getattr(p, name)))(_name))


def _x_log_x(x):
    """x log x, 0 at 0."""
    return facula.special.xlogy(x, x)


def _gamma_normaliser(q):
    """-log of the factor of a gamma density."""
    return q.concentration.lgamma() - q.concentration * q.rate.log()


def _continuous_bernoulli_cross(p, q):
    return -p.entropy() - p.mean * q.logits - facula.log1p(-q.probs) - q._cont_bern_log_norm()


def _exponential_cross(p, q):
    return -p.entropy() - q.rate.log() + q.rate * p.mean


@register_kl(Bernoulli, Poisson)
def _bernoulli_poisson(p, q):
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)


# ---------------------------------------------------------------- from numbers of the unit interval
register_kl(Beta, ContinuousBernoulli)(_continuous_bernoulli_cross)
register_kl(Beta, Exponential)(_exponential_cross)
register_kl(ContinuousBernoulli, Exponential)(_exponential_cross)


@register_kl(Beta, Gamma)
def _beta_gamma(p, q):
    logarithm = p.concentration1.digamma() - (p.concentration1 + p.concentration0).digamma()
    return -p.entropy() + _gamma_normaliser(q) - (q.concentration - 1) * logarithm + q.rate * p.mean


def _normal_cross(p, q):
    """By the mean and variance of p."""
    square = p.variance + p.mean.pow(2) - 2 * q.loc * p.mean + q.loc.pow(2)
    return -p.entropy() + 0.5 * math.log(2 * math.pi) + q.scale.log() + 0.5 * square / q.scale.pow(2)


for _p in (Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace, Uniform):
    register_kl(_p, Normal)(_normal_cross)


@register_kl(Beta, Uniform)
def _beta_uniform(p, q):
    result = -p.entropy() + (q.high - q.low).log()
    result[(q.low > p.support.lower_bound) | (q.high < p.support.upper_bound)] = inf
    return result


@register_kl(ContinuousBernoulli, Uniform)
def _continuous_bernoulli_uniform(p, q):
    result = -p.entropy() + (q.high - q.low).log()
    outside = facula.ge(q.low, p.support.lower_bound) | facula.le(q.high, p.support.upper_bound)
    return facula.where(outside, facula.ones_like(result) * inf, result)


# ---------------------------------------------------------------- from positive numbers
@register_kl(Exponential, Gamma)
def _exponential_gamma(p, q):
    ratio = q.rate / p.rate
    return -q.concentration * ratio.log() + ratio + q.concentration.lgamma() + q.concentration * euler_constant - (1 + euler_constant)


@register_kl(Exponential, Gumbel)
def _exponential_gumbel(p, q):
    product, ratio = p.rate * q.scale, q.loc / q.scale
    return product.log() - 1 - ratio + facula.exp(ratio) * product / (product + 1) + product.reciprocal()


register_kl(Gamma, Exponential)(_exponential_cross)


@register_kl(Gamma, Gumbel)
def _gamma_gumbel(p, q):
    product, ratio, c = p.rate * q.scale, q.loc / q.scale, p.concentration
    t1 = (c - 1) * c.digamma() - c.lgamma() - c
    return t1 + product.log() + c / product + facula.exp(ratio) * (1 + product.reciprocal()).pow(-c) - ratio


@register_kl(Pareto, Exponential)
def _pareto_exponential(p, q):
    product = p.scale * q.rate
    result = (p.alpha / product).log() - p.alpha.reciprocal() + p.alpha * product / (p.alpha - 1) - 1
    result[p.alpha <= 1] = inf
    return result


@register_kl(Pareto, Gamma)
def _pareto_gamma(p, q):
    logarithm = p.scale.log() + p.alpha.reciprocal()
    result = (p.alpha.log() - logarithm + _gamma_normaliser(q) + (1 - q.concentration) * logarithm
              + q.rate * p.alpha * p.scale / (p.alpha - 1) - 1)
    result[p.alpha <= 1] = inf
    return result


@register_kl(Pareto, Normal)
def _pareto_normal(p, q):
    part = p.scale / (p.alpha - 1)
    t1 = (math.sqrt(2 * math.pi) * q.scale * p.alpha / p.scale).log() - p.alpha.reciprocal()
    square = p.alpha * part.pow(2) / (p.alpha - 2) + (p.alpha * part - q.loc).pow(2)
    result = t1 + square / (2 * q.scale.pow(2)) - 1
    result[p.alpha <= 2] = inf
    return result


# ---------------------------------------------------------------- from real numbers
@register_kl(Normal, Gumbel)
def _normal_gumbel(p, q):
    mean, square, ratio = p.loc / q.scale, (p.scale / q.scale).pow(2), q.loc / q.scale
    return -0.5 * square.log() + mean - ratio + facula.exp(-mean + 0.5 * square + ratio) - 0.5 * (1 + math.log(2 * math.pi))


@register_kl(Normal, Laplace)
def _normal_laplace(p, q):
    away = p.loc - q.loc
    scaled = away / p.scale
    mean = math.sqrt(2 / math.pi) * p.scale * facula.exp(-0.5 * scaled.pow(2)) + away * facula.erf(math.sqrt(0.5) * scaled)
    return -(p.scale / q.scale).log() + mean / q.scale - 0.5 * (1 + math.log(0.5 * math.pi))


# ---------------------------------------------------------------- from uniform numbers
def _mean_logarithm(low, high):
    """(high - low) E log x of x uniform in between."""
    return _x_log_x(high) - _x_log_x(low) - (high - low)


@register_kl(Uniform, Beta)
def _uniform_beta(p, q):
    width, q1, q0 = p.high - p.low, q.concentration1, q.concentration0
    t2 = (q1 - 1) * _mean_logarithm(p.low, p.high) / width
    t3 = (q0 - 1) * (_x_log_x(1 - p.high) - _x_log_x(1 - p.low) + width) / width
    result = t3 + q1.lgamma() + q0.lgamma() - (q1 + q0).lgamma() - width.log() - t2
    result[(p.high > q.support.upper_bound) | (p.low < q.support.lower_bound)] = inf
    return result


@register_kl(Uniform, ContinuousBernoulli)
def _uniform_continuous_bernoulli(p, q):
    result = _continuous_bernoulli_cross(p, q)
    outside = facula.ge(p.high, q.support.upper_bound) | facula.le(p.low, q.support.lower_bound)
    return facula.where(outside, facula.ones_like(result) * inf, result)


@register_kl(Uniform, Exponential)
def _uniform_exponential(p, q):
    result = q.rate * (p.high + p.low) / 2 - ((p.high - p.low) * q.rate).log()
    result[p.low < q.support.lower_bound] = inf
    return result


@register_kl(Uniform, Gamma)
def _uniform_gamma(p, q):
    width = p.high - p.low
    result = (-width.log() + _gamma_normaliser(q) + (1 - q.concentration) * _mean_logarithm(p.low, p.high) / width + q.rate * (p.high + p.low) / 2)
    result[p.low < q.support.lower_bound] = inf
    return result


@register_kl(Uniform, Gumbel)
def _uniform_gumbel(p, q):
    part, high, low = q.scale / (p.high - p.low), (p.high - q.loc) / q.scale, (p.low - q.loc) / q.scale
    return part.log() + 0.5 * (high + low) - part * (facula.exp(-high) - facula.exp(-low))


@register_kl(Uniform, Pareto)
def _uniform_pareto(p, q):
    width = p.high - p.low
    result = _mean_logarithm(p.low, p.high) / width * (q.alpha + 1) - (q.alpha * q.scale.pow(q.alpha) * width).log()
    result[p.low < q.support.lower_bound] = inf
    return result
