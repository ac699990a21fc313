"""Distances and angles of pairs of vectors."""

from __future__ import annotations

import facula

from ._table import composite, op
from .linalg import type_name
from .linalg_norms import norm_gradient, vector_norm

# The norm under its older node's name, which PyTorch's distances show.
op("_norm(Tensor input, Scalar p, int[] dim, bool keepdim)", compute=lambda input, p, dim, keepdim: vector_norm(input, p, dim, keepdim), node="NormBackward1", method=False,
   vjp={"input": lambda grad, input, result, p, dim, keepdim: norm_gradient(grad, input, result, p, dim, keepdim)})


def _cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """The dot product along `dim` of vectors scaled to length one (or length / eps, for short ones)."""
    dtype = facula.result_type(x1, x2)
    if not dtype.is_floating_point:
        raise RuntimeError(f"expected common dtype to be floating point, yet common dtype is {type_name(dtype)}")
    x1, x2 = x1.to(dtype), x2.to(dtype)
    if x1.shape != x2.shape:
        x1, x2 = facula.broadcast_tensors(x1, x2)
    lengths = [facula.linalg.vector_norm(x, 2, dim, keepdim=True).clone() for x in (x1, x2)]
    with facula.no_grad():
        for n in lengths:
            n.clamp_min_(eps)
    return ((x1 / lengths[0]) * (x2 / lengths[1])).sum(dim)


def _pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """The p-norm of x1 - x2 + eps along the last dimension."""
    gap = facula._add_number(x1 - x2, eps)
    return facula._norm(gap, p, [gap.dim() - 1] if gap.dim() else [], keepdim)


for _name, _function in (("cosine_similarity", _cosine_similarity), ("pairwise_distance", _pairwise_distance)):
    composite(_name, method=False)(_function)
    composite("nn.functional." + _name)(_function)
