"""Window functions of PyTorch's older names; facula/signal/windows.py has the newer family."""

from __future__ import annotations

import math

import facula

from ._table import composite
from .create import _finish


def _hamming(n, last, alpha, beta):
    return n.mul_(2 * math.pi / last).cos_().mul_(-beta).add_(alpha)


def _blackman(n, last):
    n.mul_(math.pi / last)
    return n.mul(4).cos_().mul_(0.08) - n.mul(2).cos_().mul_(0.5) + 0.42


def _bartlett(n, last):
    n.mul_(2 / last)[(last >> 1) + 1:].mul_(-1).add_(2)
    return n


def _kaiser(n, last, beta):
    rise = (n - last / 2) / (last / 2)
    return facula.i0(beta * facula.sqrt(1 - rise * rise)) / facula.i0(facula.tensor(float(beta), dtype=n.dtype))


_FORMULAS = {"hann": lambda n, last: _hamming(n, last, 0.5, 0.5), "hamming": _hamming, "blackman": _blackman, "bartlett": _bartlett, "kaiser": _kaiser}
_OPTIONS = {"hamming": {"alpha": 0.54, "beta": 0.46}, "kaiser": {"beta": 12.0}}


def _check(name, length, dtype, layout):
    if not isinstance(length, int):
        raise TypeError(f"{name}(): argument 'window_length' (position 1) must be int, not {type(length).__name__}")
    if layout not in (None, facula.strided):
        raise RuntimeError(f"{name} is not implemented for sparse types, got: {layout}")
    if not (dtype.is_floating_point or dtype.is_complex):
        raise RuntimeError(f"{name} expects floating point dtypes, got: {dtype}")
    if dtype.is_complex:
        raise NotImplementedError(f"\"arange_cpu\" not implemented for 'Complex{'Double' if dtype == facula.complex128 else 'Float'}'")
    if length < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={length}")


def _window(kind, sentence):
    name, defaults = kind + "_window", _OPTIONS.get(kind, {})

    def window(window_length, periodic=True, *shape, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False, **named):
        if len(shape) > len(defaults) or set(named) - set(defaults):
            raise TypeError(f"{name}() received an invalid combination of arguments")
        dtype = dtype or facula.get_default_dtype()
        _check(name, window_length, dtype, layout)
        if window_length < 2:
            return _finish(facula.ones(window_length, dtype=dtype, device=device), requires_grad)
        values = list({**defaults, **dict(zip(defaults, shape)), **named}.values())  # noqa: B905 - fewer may be given
        length = window_length + bool(periodic)
        with facula.no_grad():
            made = _FORMULAS[kind](facula.arange(length, dtype=dtype, device=device), length - 1, *values)
        return _finish(made[:-1] if periodic else made, requires_grad)

    window.__name__ = window.__qualname__ = name
    window.__doc__ = sentence
    composite(name, method=False)(window)


_window("hann", "Half a period of a raised cosine.")
_window("hamming", "A raised cosine of offset alpha and height beta.")
_window("blackman", "0.42, less half a cosine, and 0.08 of its second harmonic.")
_window("bartlett", "A triangle.")
_window("kaiser", "Kaiser's window of shape beta, by the modified Bessel function of order 0.")
