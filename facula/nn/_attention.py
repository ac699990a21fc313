"""Multi-head attention as a function: project, cut into heads, attend, put together, project."""

from __future__ import annotations

import warnings

import facula

from ..ops import functions as _functions

__all__ = ["multi_head_attention_forward"]


def added_mask(mask, name, dtype, beside=None, beside_name=""):
    """A mask as numbers to add to scores: True becomes -inf. Warns where `beside`, a second mask, is of another dtype."""
    if mask is None:
        return None
    if mask.dtype != facula.bool and not mask.is_floating_point():
        raise AssertionError(f"only bool and floating types of {name} are supported")
    if beside is not None and mask.dtype != beside.dtype:
        warnings.warn(f"Support for mismatched {name} and {beside_name} is deprecated. Use same type for both instead.", stacklevel=2)
    if mask.is_floating_point():
        return mask
    return facula.zeros_like(mask, dtype=dtype).masked_fill_(mask, float("-inf"))


def _require(fits, message):
    if not fits:
        raise AssertionError(message)


def _check_ranks(query, key, value, padding, mask):
    n = query.dim()
    _require(n in (2, 3), f"query should be unbatched 2D or batched 3D tensor but received {n}-D query tensor")
    given = "For batched (3-D) `query`, expected" if n == 3 else "For unbatched (2-D) `query`, expected"
    _require(key.dim() == value.dim() == n, f"{given} `key` and `value` to be {n}-D but found {key.dim()}-D and {value.dim()}-D tensors respectively")
    _require(padding is None or padding.dim() == n - 1,
             f"{given} `key_padding_mask` to be `None` or {n - 1}-D but found {padding.dim() if padding is not None else 0}-D tensor instead")
    _require(mask is None or mask.dim() in (2, 3),
             f"{given} `attn_mask` to be `None`, 2-D or 3-D but found {mask.dim() if mask is not None else 0}-D tensor instead")


def _project(query, key, value, packed, separate, bias):
    """The three inputs in the features of the heads; inputs that are the same object share one product."""
    linear = _functions["nn.functional"]["linear"]
    if separate is not None:
        for weight, name in zip(separate, "qkv"):
            _require(weight is not None, f"use_separate_proj_weight is True but {name}_proj_weight is None")
        weights = separate
    else:
        _require(packed is not None, "use_separate_proj_weight is False but in_proj_weight is None")
        if query is key is value:
            return linear(query, packed, bias).chunk(3, -1)
        if key is value:
            sizes = [query.size(-1), 2 * query.size(-1)]
            first, rest = packed.split(sizes)
            b_first, b_rest = (None, None) if bias is None else bias.split(sizes)
            return linear(query, first, b_first), *linear(key, rest, b_rest).chunk(2, -1)
        weights = packed.chunk(3)
    biases = (None,) * 3 if bias is None else bias.chunk(3)
    return [linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases)]


def _shape_mask(mask, heads, target, source):
    """The mask with a dimension for heads: (1 or batch * heads, target, source)."""
    if mask.dim() == 2:
        if tuple(mask.shape) != (target, source):
            raise RuntimeError(f"The shape of the 2D attn_mask is {mask.shape}, but should be {(target, source)}.")
        return mask.unsqueeze(0)
    if tuple(mask.shape) != (heads, target, source):
        raise RuntimeError(f"The shape of the 3D attn_mask is {mask.shape}, but should be {(heads, target, source)}.")
    return mask


def _one_more(mask):
    """A mask over sources that lets one more of them through."""
    return None if mask is None else _functions["nn.functional"]["pad"](mask, (0, 1))


def _attend_with_weights(q, k, v, mask, dropout):
    scores = facula.bmm(q * (1.0 / q.size(-1)) ** 0.5, k.transpose(-2, -1))
    if mask is not None:
        scores = scores + mask
    weights = facula.softmax(scores, -1)
    if dropout > 0.0:
        weights = _functions["nn.functional"]["dropout"](weights, dropout)
    return facula.bmm(weights, v), weights


def _attend(q, k, v, mask, dropout, is_causal, batch):
    if mask is not None:
        mask = mask.unsqueeze(0) if mask.size(0) == 1 else mask.view(batch, -1, *mask.shape[1:])
    q, k, v = (x.reshape(batch, -1, *x.shape[1:]) for x in (q, k, v))
    return _functions["nn.functional"]["scaled_dot_product_attention"](q, k, v, mask, dropout, is_causal)


def multi_head_attention_forward(query, key, value, embed_dim_to_check, num_heads, in_proj_weight, in_proj_bias, bias_k, bias_v, add_zero_attn,
                                 dropout_p, out_proj_weight, out_proj_bias, training=True, key_padding_mask=None, need_weights=True,
                                 attn_mask=None, use_separate_proj_weight=False, q_proj_weight=None, k_proj_weight=None, v_proj_weight=None,
                                 static_k=None, static_v=None, average_attn_weights=True, is_causal=False):
    """What `nn.MultiheadAttention` computes (Vaswani et al., "Attention Is All You Need", 2017).

    Args:
        query, key, value: (length, batch, features), or (length, features) for one sequence.
        attn_mask: (target, source) or (batch * heads, target, source); True hides, numbers are added to scores.
        key_padding_mask: (batch, source), likewise.

    Returns:
        The output in the query's shape, and the weights (batch, target, source), for each head if not averaged, or None.
    """
    _check_ranks(query, key, value, key_padding_mask, attn_mask)
    batched = query.dim() == 3
    if not batched:  # what is one object stays one
        alike = {id(x): x.unsqueeze(1) for x in (query, key, value)}
        query, key, value = (alike[id(x)] for x in (query, key, value))
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    padding = added_mask(key_padding_mask, "key_padding_mask", query.dtype, attn_mask, "attn_mask")
    if is_causal and attn_mask is None:
        raise RuntimeError("Need attn_mask if specifying the is_causal hint.")
    is_causal = is_causal and padding is None
    mask = None if is_causal and not need_weights else added_mask(attn_mask, "attn_mask", query.dtype)

    (target, batch, features), source = query.shape, key.shape[0]
    head, heads = features // num_heads, batch * num_heads
    _require(features == embed_dim_to_check, f"was expecting embedding dimension of {embed_dim_to_check}, but got {features}")
    _require(head * num_heads == features, f"embed_dim {features} not divisible by num_heads {num_heads}")
    if use_separate_proj_weight:
        _require(key.shape[:2] == value.shape[:2], f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}")
    else:
        _require(key.shape == value.shape, f"key shape {key.shape} does not match value shape {value.shape}")
    separate = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None
    q, k, v = _project(query, key, value, in_proj_weight, separate, in_proj_bias)
    if mask is not None:
        mask = _shape_mask(mask, heads, target, source)
    if bias_k is not None and bias_v is not None:
        _require(static_k is None and static_v is None, "bias cannot be added to static key or value.")
        k, v = (facula.cat([x, bias.repeat(1, batch, 1)]) for x, bias in ((k, bias_k), (v, bias_v)))
        mask, padding = _one_more(mask), _one_more(padding)

    def by_head(x):
        return x.reshape(x.shape[0], heads, head).transpose(0, 1)

    q, k, v = by_head(q), by_head(k) if static_k is None else static_k, by_head(v) if static_v is None else static_v
    if add_zero_attn:
        nothing = facula.zeros((heads, 1, head), dtype=k.dtype, device=k.device)
        k, v = (facula.cat([x, nothing], dim=1) for x in (k, v))
        mask, padding = _one_more(mask), _one_more(padding)
    source = k.size(1)
    if padding is not None:
        _require(tuple(padding.shape) == (batch, source), f"expecting key_padding_mask shape of {(batch, source)}, but got {padding.shape}")
        padding = padding.view(batch, 1, 1, source).expand(-1, num_heads, -1, -1).reshape(heads, 1, source)
        mask = padding if mask is None else mask + padding

    dropout, weights = dropout_p if training else 0.0, None
    if need_weights:
        out, weights = _attend_with_weights(q, k, v, mask, dropout)
        out = out.transpose(0, 1)
        weights = weights.view(batch, num_heads, target, source)
        weights = weights.mean(1) if average_attn_weights else weights
    else:
        out = _attend(q, k, v, mask, dropout, is_causal, batch).permute(2, 0, 1, 3)
    out = _functions["nn.functional"]["linear"](out.contiguous().view(target * batch, features), out_proj_weight, out_proj_bias)
    out = out.view(target, batch, -1)
    if batched:
        return out, weights
    return out.squeeze(1), None if weights is None else weights.squeeze(0)
