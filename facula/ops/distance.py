"""Distances between rows."""

from __future__ import annotations

import facula

from ._table import composite, op
from .stats import _dtype_name

_MODES = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")
_FEW = 25  # rows up to which products of matrices do not pay


def _written_out(a, b, p):
    """p-norms of a - b over the last dimension by other operations; the slope at distance 0 is taken as 0."""
    gap = (a - b).abs()
    if p == 0:
        return facula.where(gap != 0, facula.ones_like(gap), gap * 0).sum(-1)
    if p == 1:
        return gap.sum(-1)
    if p == float("inf"):
        return gap.amax(-1) if gap.shape[-1] else gap.sum(-1)
    zero = gap == 0
    powers = facula.where(zero, 0 * gap, facula.where(zero, 1, gap) ** p).sum(-1)
    zero = powers == 0
    return facula.where(zero, 0 * powers, facula.where(zero, 1, powers) ** (1.0 / p))


def _differentiable(function, inputs, grad):
    """Gradients of function(*inputs) that can be differentiated again."""
    with facula.enable_grad():
        inputs = [x if x.requires_grad else x.detach().requires_grad_() for x in inputs]
        return facula.autograd.grad(function(*inputs), inputs, grad, create_graph=True, allow_unused=True)


def _cdist_gradients(grad, x1, x2, p, result, needs):
    if facula.is_grad_enabled():
        found = _differentiable(lambda a, b: _written_out(a.unsqueeze(-2), b.unsqueeze(-3), p), (x1, x2), grad)
        return tuple(g if need else None for g, need in zip(found, needs, strict=True))
    return (facula._cdist_back(grad, x1, x2, p, result).sum_to_size(x1.shape) if needs[0] else None,
            facula._cdist_back(grad.mT, x2, x1, p, result.mT).sum_to_size(x2.shape) if needs[1] else None)


def _pdist_gradient(grad, input, p, result):
    n = input.shape[0]
    if n < 2:
        return facula.zeros_like(input)
    if facula.is_grad_enabled():
        i, j = facula.triu_indices(n, n, 1)
        return _differentiable(lambda x: _written_out(x.index_select(0, i), x.index_select(0, j), p), (input,), grad)[0]
    upper = facula.ones(n, n, dtype=facula.bool).triu(1)

    def square(values):
        half = input.new_zeros(n, n).masked_scatter(upper, values)
        return half + half.t()

    return facula._cdist_back(square(grad), input, input, p, square(result))


op("_cdist(Tensor x1, Tensor x2, float p)", kernel="distance.cdist", method=False, node="CdistBackward0", vjp={"x1, x2": _cdist_gradients})
op("_cdist_back(Tensor grad_, Tensor x1, Tensor x2, float p, Tensor distances)", kernel="distance.cdist_back", method=False, differentiable=False)
op("_pdist(Tensor input, float p)", kernel="distance.pdist", method=False, node="PdistBackward0", vjp={"input": _pdist_gradient})


def _by_products(x1, x2):
    """Euclidean distances by one product of matrices: |a|^2 + |b|^2 - 2 a b."""
    a, b = x1.square().sum(-1, keepdim=True), x2.square().sum(-1, keepdim=True)
    left = facula.cat([x1 * -2, a, facula.ones_like(a)], -1)
    right = facula.cat([x2, facula.ones_like(b), b], -1)
    return left.matmul(right.mT).clamp_min(0).sqrt()


def _by_products_gradients(grad, x1, x2, result, needs):
    ratio = (grad / result).masked_fill(result == 0, 0)
    return (x1 * ratio.sum(-1, keepdim=True) - ratio.matmul(x2) if needs[0] else None,
            x2 * ratio.sum(-2).unsqueeze(-1) - ratio.mT.matmul(x1) if needs[1] else None)


op("_euclidean_dist(Tensor x1, Tensor x2)", compute=_by_products, method=False, node="EuclideanDistBackward0", vjp={"x1, x2": _by_products_gradients})


@composite("cdist", method=False)
def cdist(x1, x2, p=2.0, compute_mode="use_mm_for_euclid_dist_if_necessary"):
    """Distances of every row of x1 (..., P, M) from every row of x2 (..., R, M)."""
    if compute_mode not in _MODES:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    for name, x in (("X1", x1), ("X2", x2)):
        if x.dim() < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {x.dim()}D")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}")
    for name, x in (("X1", x1), ("X2", x2)):
        if not x.dtype.is_floating_point:
            raise RuntimeError(f"cdist only supports floating-point dtypes, {name} got: {_dtype_name(x)}")
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    products = compute_mode == _MODES[1] or compute_mode == _MODES[0] and max(x1.shape[-2], x2.shape[-2]) > _FEW
    if p != 2 or not products or not x1.numel() or not x2.numel():
        return facula._cdist(x1, x2, float(p))
    batch = facula.broadcast_shapes(x1.shape[:-2], x2.shape[:-2])
    if x1.dim() > 2 or x2.dim() > 2:
        x1, x2 = (x.expand(*batch, *x.shape[-2:]).reshape(-1, *x.shape[-2:]) for x in (x1, x2))
    return facula._euclidean_dist(x1, x2).view(*batch, x1.shape[-2], x2.shape[-2])


@composite("pdist", method=False)
def pdist(input, p=2.0):
    """Distances of every pair of rows."""
    if input.dim() != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.dim()}D")
    if not input.dtype.is_floating_point:
        raise RuntimeError("pdist only supports floating-point dtypes")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    return facula._pdist(input, float(p))


composite("nn.functional.pdist")(pdist)
