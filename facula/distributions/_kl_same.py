"""Divergences of distributions of one family."""

from __future__ import annotations

import math

import facula
from facula.nn.functional import softplus

from .bernoulli import Bernoulli
from .beta import Beta
from .binomial import Binomial
from .categorical import Categorical
from .cauchy import Cauchy
from .continuous_bernoulli import ContinuousBernoulli
from .dirichlet import Dirichlet
from .exp_family import ExponentialFamily
from .exponential import Exponential
from .gamma import Gamma
from .geometric import Geometric
from .gumbel import Gumbel
from .half_normal import HalfNormal
from .independent import Independent
from .kl import kl_divergence, register_kl
from .laplace import Laplace
from .lowrank_multivariate_normal import LowRankMultivariateNormal, _batch_lowrank_mahalanobis
from .multivariate_normal import MultivariateNormal, _batch_mahalanobis
from .normal import Normal
from .one_hot_categorical import OneHotCategorical
from .pareto import Pareto
from .poisson import Poisson
from .transformed_distribution import TransformedDistribution
from .uniform import Uniform
from .utils import _sum_rightmost, euler_constant

inf = math.inf


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p, q):
    ones = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    ones[q.probs == 0] = inf
    ones[p.probs == 0] = 0
    zeros = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    zeros[q.probs == 1] = inf
    zeros[p.probs == 1] = 0
    return ones + zeros


@register_kl(Beta, Beta)
def _beta(p, q):
    p1, p0, q1, q0 = p.concentration1, p.concentration0, q.concentration1, q.concentration0
    t1 = q1.lgamma() + q0.lgamma() + (p1 + p0).lgamma()
    t2 = p1.lgamma() + p0.lgamma() + (q1 + q0).lgamma()
    return t1 - t2 + (p1 - q1) * p1.digamma() + (p0 - q0) * p0.digamma() + (q1 + q0 - p1 - p0) * (p1 + p0).digamma()


@register_kl(Binomial, Binomial)
def _binomial(p, q):
    if (p.total_count < q.total_count).any():
        raise NotImplementedError("KL between Binomials where q.total_count > p.total_count is not implemented")
    kl = p.total_count * (p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p())
    more = p.total_count > q.total_count
    kl[more] = inf
    return kl


@register_kl(Categorical, Categorical)
def _categorical(p, q):
    t = p.probs * (p.logits - q.logits)
    t[(q.probs == 0).expand_as(t)] = inf
    t[(p.probs == 0).expand_as(t)] = 0
    return t.sum(-1)


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _continuous_bernoulli(p, q):
    return (p.mean * (p.logits - q.logits) + p._cont_bern_log_norm() + facula.log1p(-p.probs)
            - q._cont_bern_log_norm() - facula.log1p(-q.probs))


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p, q):
    total_p, total_q = p.concentration.sum(-1), q.concentration.sum(-1)
    t1 = total_p.lgamma() - total_q.lgamma() + (q.concentration.lgamma() - p.concentration.lgamma()).sum(-1)
    slope = p.concentration.digamma() - total_p.digamma().unsqueeze(-1)
    return t1 + ((p.concentration - q.concentration) * slope).sum(-1)


@register_kl(Exponential, Exponential)
def _exponential(p, q):
    ratio = q.rate / p.rate
    return -ratio.log() + ratio - 1


@register_kl(ExponentialFamily, ExponentialFamily)
def _exponential_family(p, q):
    """Bregman's divergence of the log-normalisers."""
    if type(p) is not type(q):
        raise NotImplementedError("The cross KL-divergence between different exponential families cannot be computed using Bregman divergences")
    at_p = [t.detach().requires_grad_() for t in p._natural_params]
    normaliser = p._log_normalizer(*at_p)
    slopes = facula.autograd.grad(normaliser.sum(), at_p, create_graph=True)
    result = q._log_normalizer(*q._natural_params) - normaliser
    for a, b, slope in zip(at_p, q._natural_params, slopes, strict=True):
        result = result - _sum_rightmost((b - a) * slope, len(q.event_shape))
    return result


@register_kl(Gamma, Gamma)
def _gamma(p, q):
    t1 = q.concentration * (p.rate / q.rate).log() + facula.lgamma(q.concentration) - facula.lgamma(p.concentration)
    return t1 + (p.concentration - q.concentration) * facula.digamma(p.concentration) + (q.rate - p.rate) * (p.concentration / p.rate)


@register_kl(Gumbel, Gumbel)
def _gumbel(p, q):
    ratio, at_q, at_p = p.scale / q.scale, q.loc / q.scale, p.loc / q.scale
    return (-ratio.log() - at_q + at_p) + ratio * euler_constant + facula.exp(at_q + (1 + ratio).lgamma() - at_p) - (1 + euler_constant)


@register_kl(Geometric, Geometric)
def _geometric(p, q):
    return -p.entropy() - facula.log1p(-q.probs) / p.probs - q.logits


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p, q):
    return _normal(p.base_dist, q.base_dist)


@register_kl(Laplace, Laplace)
def _laplace(p, q):
    ratio, distance = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + distance / q.scale + ratio * facula.exp(-distance / p.scale) - 1


@register_kl(Normal, Normal)
def _normal(p, q):
    ratio = (p.scale / q.scale).pow(2)
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).pow(2) - 1 - ratio.log())


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot(p, q):
    return _categorical(p._categorical, q._categorical)


@register_kl(Pareto, Pareto)
def _pareto(p, q):
    ratio = q.alpha / p.alpha
    result = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    result[p.support.lower_bound < q.support.lower_bound] = inf
    return result


@register_kl(Poisson, Poisson)
def _poisson(p, q):
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p, q):
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(Uniform, Uniform)
def _uniform(p, q):
    result = ((q.high - q.low) / (p.high - p.low)).log()
    result[(q.low > p.low) | (q.high < p.high)] = inf
    return result


@register_kl(Independent, Independent)
def _independent(p, q):
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError
    return _sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(Cauchy, Cauchy)
def _cauchy(p, q):
    return ((p.scale + q.scale).pow(2) + (p.loc - q.loc).pow(2)).log() - (4 * p.scale * q.scale).log()


# ---------------------------------------------------------------- normal distributions of vectors
def _batch_trace_XXT(matrices):  # noqa: N802
    """The trace of X X^T: the sum of squares."""
    return matrices.pow(2).sum((-2, -1))


def _same_event(p, q, names):
    if p.event_shape != q.event_shape:
        raise ValueError(f"KL-divergence between two {names} with different event shapes cannot be computed")


def _whitened(q, matrix):
    """The part of tr(Q^-1 X X^T) that Woodbury's identity takes off, for Q of low rank."""
    inner = facula.linalg.solve_triangular(q._capacitance_tril, q._unbroadcasted_cov_factor.mT / q._unbroadcasted_cov_diag.unsqueeze(-2), upper=False)
    return _batch_trace_XXT(inner.matmul(matrix)), inner


@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
def _lowrank(p, q):
    _same_event(p, q, "Low Rank Multivariate Normals")
    root, diagonal = q._unbroadcasted_cov_diag.rsqrt().unsqueeze(-1), p._unbroadcasted_cov_diag
    off, inner = _whitened(q, p._unbroadcasted_cov_factor)
    trace = ((diagonal / q._unbroadcasted_cov_diag).sum(-1) + _batch_trace_XXT(p._unbroadcasted_cov_factor * root)
             - _batch_trace_XXT(inner * diagonal.sqrt().unsqueeze(-2)) - off)
    return 0.5 * (q._log_det() - p._log_det() + _lowrank_distance(p, q) + trace - p.event_shape[0])


def _lowrank_distance(p, q):
    return _batch_lowrank_mahalanobis(q._unbroadcasted_cov_factor, q._unbroadcasted_cov_diag, q.loc - p.loc, q._capacitance_tril)


@register_kl(MultivariateNormal, LowRankMultivariateNormal)
def _full_lowrank(p, q):
    _same_event(p, q, "(Low Rank) Multivariate Normals")
    trace = _batch_trace_XXT(p._unbroadcasted_scale_tril * q._unbroadcasted_cov_diag.rsqrt().unsqueeze(-1)) - _whitened(q, p._unbroadcasted_scale_tril)[0]
    return 0.5 * (q._log_det() - 2 * p._half_log_det() + _lowrank_distance(p, q) + trace - p.event_shape[0])


def _solved(q, matrix):
    """tr(Q^-1 X X^T) for Q = L L^T."""
    batch = facula.broadcast_shapes(q._unbroadcasted_scale_tril.shape[:-2], matrix.shape[:-2])
    factor = q._unbroadcasted_scale_tril.expand(batch + q._unbroadcasted_scale_tril.shape[-2:])
    return _batch_trace_XXT(facula.linalg.solve_triangular(factor, matrix.expand(batch + matrix.shape[-2:]), upper=False))


@register_kl(LowRankMultivariateNormal, MultivariateNormal)
def _lowrank_full(p, q):
    _same_event(p, q, "(Low Rank) Multivariate Normals")
    trace = _solved(q, p._unbroadcasted_cov_factor) + _solved(q, facula.diag_embed(p._unbroadcasted_cov_diag.sqrt()))
    distance = _batch_mahalanobis(q._unbroadcasted_scale_tril, q.loc - p.loc)
    return 0.5 * (2 * q._half_log_det() - p._log_det() + distance + trace - p.event_shape[0])


@register_kl(MultivariateNormal, MultivariateNormal)
def _full(p, q):
    _same_event(p, q, "Multivariate Normals")
    distance = _batch_mahalanobis(q._unbroadcasted_scale_tril, q.loc - p.loc)
    return q._half_log_det() - p._half_log_det() + 0.5 * (_solved(q, p._unbroadcasted_scale_tril) + distance - p.event_shape[0])
