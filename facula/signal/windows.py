"""Window functions. `sym` asks for a symmetric window; without it the window is one period of a periodic one."""

from __future__ import annotations

import math
from functools import wraps

import facula

__all__ = ["bartlett", "blackman", "cosine", "exponential", "gaussian", "general_cosine", "general_hamming", "hamming", "hann", "kaiser", "nuttall"]


class _Places:
    """Makes evenly spaced arguments of a window of M values, with the tensor's options."""

    def __init__(self, M, sym, options):
        self.M, self.sym, self.options = M, sym, options
        self.intervals = M - 1 if sym else M

    def spaced(self, start, step, end=None):
        """start, start + step, ..., M values."""
        return facula.linspace(start, start + (self.M - 1) * step if end is None else end, self.M, **self.options)


def _window(formula):
    """A public window: its arguments checked, windows of no and of one value made; `formula` gets the places and its own options."""
    name = formula.__name__

    @wraps(formula)
    def window(M, *, sym=True, dtype=None, layout=facula.strided, device=None, requires_grad=False, **shape):
        unknown = set(shape) - set(formula.__kwdefaults__ or {}) - ({"a"} if name == "general_cosine" else set())
        if unknown:
            raise TypeError(f"{name}() got an unexpected keyword argument '{min(unknown)}'")
        if name == "general_cosine" and "a" not in shape:
            raise TypeError("general_cosine() missing 1 required keyword-only argument: 'a'")
        dtype = dtype or facula.get_default_dtype()
        if M < 0:
            raise ValueError(f"{name} requires non-negative window length, got M={M}")
        if layout is not facula.strided:
            raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
        if dtype not in (facula.float32, facula.float64):
            raise ValueError(f"{name} expects float32 or float64 dtypes, got: {dtype}")
        options = {"dtype": dtype, "device": device, "requires_grad": requires_grad}
        places = _Places(M, sym, options)
        _CHECKS.get(name, lambda **_: None)(**shape)
        if M == 0:
            return facula.empty(0, **options)
        if name in _CENTRED and sym and shape.get("center") is not None:
            raise ValueError("Center must be None for symmetric windows")
        return facula.ones(1, **options) if M == 1 else formula(places, **shape)

    return window


def _positive(word, name, at_least_zero=False):
    def check(**shape):
        value = shape.get(name, 1)
        if value < 0 if at_least_zero else value <= 0:
            raise ValueError(f"{word} must be {'non-negative' if at_least_zero else 'positive'}, got: {value} instead.")

    return check


def _coefficients(a):
    if not isinstance(a, (list, tuple)):
        raise TypeError("Coefficients must be a list/tuple")
    if not a:
        raise ValueError("Coefficients cannot be empty")


_CENTRED = ("exponential",)
_CHECKS = {"exponential": _positive("Tau", "tau"), "gaussian": _positive("Standard deviation", "std"), "kaiser": _positive("beta", "beta", True),
           "general_cosine": _coefficients}


@_window
def exponential(places, *, center=None, tau=1.0):
    """exp(-|n - center| / tau)."""
    middle = places.intervals / 2 if center is None else center
    return facula.exp(-abs(places.spaced(-middle / tau, 1 / tau)))


@_window
def cosine(places):
    """Half a wave of the sine."""
    step = math.pi / (places.M if places.sym else places.M + 1)
    return facula.sin(places.spaced(0.5 * step, step))


@_window
def gaussian(places, *, std=1.0):
    """The normal density of deviation `std`, without its factor."""
    step = 1 / (std * math.sqrt(2))
    return facula.exp(-places.spaced(-places.intervals / 2 * step, step) ** 2)


@_window
def kaiser(places, *, beta=12.0):
    """I0(beta sqrt(1 - t^2)) / I0(beta), t from -1 to 1."""
    step = 2.0 * beta / places.intervals
    t = places.spaced(-beta, step, min(beta, -beta + (places.M - 1) * step))
    edge = facula.tensor(float(beta), dtype=t.dtype, device=t.device)
    return facula.i0(facula.sqrt(edge * edge - t ** 2)) / facula.i0(edge)


@_window
def bartlett(places):
    """A triangle."""
    return 1 - abs(places.spaced(-1, 2 / places.intervals))


@_window
def general_cosine(places, *, a):
    """A sum of cosines, of the harmonics 0, 1, ... with the weights a, of alternating signs."""
    t = places.spaced(0, 2 * math.pi / places.intervals)
    weights = facula.tensor([(-1) ** i * w for i, w in enumerate(a)], dtype=t.dtype, device=t.device)
    harmonics = facula.arange(len(a), dtype=t.dtype, device=t.device)
    return (weights.unsqueeze(-1) * facula.cos(harmonics.unsqueeze(-1) * t)).sum(0)


def _cosines(name, weights, doc):
    """A window that is `general_cosine` of fixed weights."""
    def window(M, *, sym=True, dtype=None, layout=facula.strided, device=None, requires_grad=False):
        return general_cosine(M, a=weights, sym=sym, dtype=dtype, layout=layout, device=device, requires_grad=requires_grad)

    window.__name__ = window.__qualname__ = name
    window.__doc__ = doc
    return window


def general_hamming(M, *, alpha=0.54, sym=True, dtype=None, layout=facula.strided, device=None, requires_grad=False):
    """alpha less (1 - alpha) of a cosine."""
    return general_cosine(M, a=[alpha, 1.0 - alpha], sym=sym, dtype=dtype, layout=layout, device=device, requires_grad=requires_grad)


hamming = _cosines("hamming", [0.54, 0.46], "A raised cosine that does not reach 0.")
hann = _cosines("hann", [0.5, 0.5], "A raised cosine.")
blackman = _cosines("blackman", [0.42, 0.5, 0.08], "Three cosines of small side lobes.")
nuttall = _cosines("nuttall", [0.3635819, 0.4891775, 0.1365995, 0.0106411], "Four cosines of Nuttall's weights.")
