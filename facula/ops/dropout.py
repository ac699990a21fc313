"""Dropout in its variants."""

from __future__ import annotations

import facula

from ._table import composite, op


def _check(p):
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _drop(input, p, shape, inplace):
    """Zeros with probability p, the rest scaled to keep the mean; one draw per element of `shape`."""
    if p == 1.0:
        return input.mul_(0) if inplace else input * facula.zeros(shape, dtype=input.dtype, device=input.device)
    noise = facula.empty(shape, dtype=input.dtype, device=input.device).bernoulli_(1 - p).div_(1 - p)
    return input.mul_(noise) if inplace else input * noise


@composite("nn.functional.dropout")
def dropout(input, p=0.5, training=True, inplace=False):
    """Zeros elements with probability p in training and scales the rest by 1 / (1 - p).

    Source: Hinton et al., "Improving neural networks by preventing co-adaptation", arXiv 1207.0580.
    """
    _check(p)
    if not training or p == 0 or input.numel() == 0:
        return input
    return _drop(input, p, input.shape, inplace)


def _feature(name):
    def drop(input, p=0.5, training=True, inplace=False):
        """Zeros whole channels with probability p."""
        _check(p)
        if not training or p == 0 or input.numel() == 0:
            return input
        unbatched = name == "dropout1d" and input.dim() == 2 or name == "dropout3d" and input.dim() == 4
        x = input.unsqueeze(0) if unbatched else input
        out = _drop(x, p, tuple(x.shape[:2]) + (1,) * (x.dim() - 2), inplace)
        return input if inplace else out.squeeze(0) if unbatched else out

    drop.__name__ = drop.__qualname__ = name
    composite(f"nn.functional.{name}")(drop)


for _name in ("dropout1d", "dropout2d", "dropout3d"):
    _feature(_name)

_ALPHA = -1.7580993408473766  # minus scale times alpha of SELU


def _alpha(input, p, shape, inplace):
    if p == 1:
        return input.mul_(0) if inplace else input * facula.zeros(shape, dtype=input.dtype, device=input.device)
    keep = 1 - p
    a = (keep + _ALPHA ** 2 * keep * p) ** -0.5
    noise = facula.empty(shape, dtype=input.dtype, device=input.device).bernoulli_(keep)
    shift = (noise - 1) * (-_ALPHA * a) + -a * _ALPHA * p
    return input * (noise * a) + shift if not inplace else input.mul_(noise * a).add_(shift)


@composite("nn.functional.alpha_dropout")
def alpha_dropout(input, p=0.5, training=False, inplace=False):
    """Dropout that keeps mean and variance of SELU activations."""
    _check(p)
    return _alpha(input, p, input.shape, inplace) if training and p else input


@composite("nn.functional.feature_alpha_dropout")
def feature_alpha_dropout(input, p=0.5, training=False, inplace=False):
    """Alpha dropout of whole channels."""
    _check(p)
    return _alpha(input, p, tuple(input.shape[:2]) + (1,) * (input.dim() - 2), inplace) if training and p else input


def feature_dropout(input, p=0.5, training=False, inplace=False):
    """Zeros whole channels with probability p."""
    _check(p)
    if not training or p == 0 or input.numel() == 0:
        return input
    return _drop(input, p, tuple(input.shape[:2]) + (1,) * (input.dim() - 2), inplace)


def _top(name, function):
    """The forms outside nn.functional: (input, p, train), and in place."""
    composite(name, method=False)(lambda input, p, train: function(input, p, train))
    composite(name + "_", method=False)(lambda input, p, train: function(input, p, train, True))


for _name, _function in (("dropout", dropout), ("alpha_dropout", alpha_dropout), ("feature_dropout", feature_dropout),
                         ("feature_alpha_dropout", feature_alpha_dropout)):
    _top(_name, _function)


def _native_dropout(input, p, train):
    if train is False or p == 0:
        return input.clone(), facula.ones(input.shape, dtype=facula.bool)
    if p == 1:
        return facula.zeros_like(input), facula.zeros(input.shape, dtype=facula.bool)
    kept = facula.empty(input.shape, dtype=facula.bool).bernoulli_(1 - p)
    return input * kept * (1 / (1 - p)), kept


op("native_dropout(Tensor input, float p, bool? train) -> (_, _)", compute=_native_dropout, method=False,
   vjp={"input": lambda grads, others, p, train: None if grads[0] is None else
        grads[0] * others[1] * (1 if train is False else 0 if p == 1 else 1 / (1 - p))})
