"""Scaled dot-product attention."""

from __future__ import annotations

import math

import facula

from ._table import composite, op, retrace


def _scores(query, key, mask, causal, scale):
    scores = (query * math.sqrt(scale)) @ (key.transpose(-2, -1) * math.sqrt(scale)) if scale > 0 else (query @ key.transpose(-2, -1)) * scale
    if causal:
        mask = facula.ones(query.shape[-2], key.shape[-2], dtype=facula.bool, device=query.device).tril()
    if mask is None:
        return scores
    return scores.masked_fill(~mask, -math.inf) if mask.dtype == facula.bool else scores + mask


def _composed(query, key, value, mask, causal, scale, dropout_p=0.0):
    """Attention out of other operations: for gradients of gradients, dropout and complex numbers."""
    scores = _scores(query, key, mask, causal, scale)
    weights = scores.softmax(-1)
    if mask is not None:  # a query that may look nowhere sees nothing
        weights = facula.where((scores == -math.inf).all(-1, keepdim=True), 0.0, weights)
    if dropout_p > 0:
        weights = facula.nn.functional.dropout(weights, dropout_p)
    return weights @ value


def _gradients(grads, query, key, value, mask, causal, scale, results, needs):
    if grads[0] is None:
        return None
    if facula.is_grad_enabled():
        return retrace(_composed, range(3), [query, key, value, mask, causal, scale], grads[:1], needs)
    return facula._attention_back(grads[0], query, key, value, mask, results[0], results[1], causal, scale)


op("_attention(Tensor query, Tensor key, Tensor value, Tensor? mask, bool causal, float scale) -> (_, _)", kernel="attention.forward", method=False,
   node="ScaledDotProductFlashAttentionForCpuBackward0", vjp={"query, key, value": _gradients})
op("_attention_back(Tensor grad_, Tensor query, Tensor key, Tensor value, Tensor? mask, Tensor output, Tensor sums, bool causal, float scale) -> (_, _, _)",
   kernel="attention.backward", method=False, differentiable=False)


def _four(x, batch):
    """(batch, heads, length, width), leading dimensions broadcast to `batch`."""
    x = x if x.shape[:-2] == batch else x.expand(*batch, *x.shape[-2:])
    return x if x.dim() == 4 else x.reshape(-1, 1 if x.dim() < 4 else x.shape[-3], *x.shape[-2:])


def _check(query, key, value, mask, causal):
    for name, x in (("query", query), ("key", key), ("value", value)):
        if x.dim() < 2:
            raise RuntimeError("scaled_dot_product_attention: Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: "
                               f"{query.dim()}, key.dim: {key.dim()} and value.dim: {value.dim()} instead.")
        if x.dtype != query.dtype:
            raise RuntimeError("Expected query, key, and value to have the same dtype, but got query.dtype: "
                               f"{query.dtype}, key.dtype: {key.dtype}, and value.dtype: {value.dtype} instead.")
    if causal and mask is not None:
        raise RuntimeError("scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True")
    if mask is not None and mask.dtype not in (facula.bool, query.dtype, facula.float32):
        raise RuntimeError("Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: "
                           f"{mask.dtype} and  query.dtype: {query.dtype} instead.")
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise RuntimeError(f"scaled_dot_product_attention: query of shape {list(query.shape)}, key of shape {list(key.shape)} and value of shape "
                           f"{list(value.shape)} do not fit: query and key need the same width, key and value the same length.")


@composite("nn.functional.scaled_dot_product_attention")
def scaled_dot_product_attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
    """softmax(query @ key.T * scale + mask) @ value, without keeping the scores.

    Args:
        query: (..., L, E).
        key: (..., S, E).
        value: (..., S, Ev).
        attn_mask: Broadcast to (..., L, S): bool (True takes part) or numbers to add.
        dropout_p: Probability of dropping a weight.
        is_causal: A query sees keys up to its own place only.
        scale: Factor of the products, 1 / sqrt(E) by default.
        enable_gqa: Key and value heads serve several query heads.

    Returns:
        (..., L, Ev).

    Raises:
        RuntimeError: Shapes or dtypes do not fit.

    Source: Vaswani et al., "Attention Is All You Need", arXiv 1706.03762.

    Example:
        >>> x = facula.rand(1, 2, 3, 4)
        >>> facula.nn.functional.scaled_dot_product_attention(x, x, x).shape
        facula.Size([1, 2, 3, 4])
    """
    _check(query, key, value, attn_mask, is_causal)
    if enable_gqa:
        key, value = (x.repeat_interleave(query.shape[-3] // x.shape[-3], -3) for x in (key, value))
    scale = 1.0 / math.sqrt(query.shape[-1]) if scale is None and query.shape[-1] else scale or 1.0
    if dropout_p > 0 or not query.is_floating_point() or 0 in (query.numel(), key.numel(), value.numel()) or attn_mask is not None and attn_mask.requires_grad:
        if query.dtype in (facula.float16, facula.bfloat16):
            return _composed(query.float(), key.float(), value.float(), attn_mask, is_causal, scale, dropout_p).to(query.dtype)
        return _composed(query, key, value, attn_mask, is_causal, scale, dropout_p)
    batch = query.shape[:-2]
    if key.shape[:-2] != batch or value.shape[:-2] != batch:
        batch = facula.broadcast_shapes(batch, key.shape[:-2], value.shape[:-2])
    if attn_mask is not None:
        attn_mask = _four(attn_mask.expand(*batch, query.shape[-2], key.shape[-2]), batch)
    out = facula._attention(_four(query, batch), _four(key, batch), _four(value, batch), attn_mask, is_causal, scale)[0]
    return out if len(batch) == 2 else out.reshape(*batch, query.shape[-2], value.shape[-1])
