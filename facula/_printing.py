"""How tensors print: PyTorch's text, to the letter."""

from __future__ import annotations

import math
import types

import facula

from . import _names
from ._layouts import is_other, parts
from ._levels import DUAL, WRAPPED, stack
from ._native import core

__all__ = ["set_printoptions", "tensor_str", "printoptions", "get_printoptions"]

_DEFAULT = {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80, "sci_mode": None}
_PROFILES = {"default": _DEFAULT, "short": {**_DEFAULT, "precision": 2, "edgeitems": 2},
             "full": {**_DEFAULT, "threshold": math.inf}}
_options = types.SimpleNamespace(**_DEFAULT)


def set_printoptions(precision=None, threshold=None, edgeitems=None, linewidth=None, profile=None, sci_mode=None):
    """Sets how tensors print.

    Args:
        precision: Digits after the point of floating numbers.
        threshold: More elements than this are summarised.
        edgeitems: Elements shown at each end of a summarised dimension.
        linewidth: Columns of a line.
        profile: "default", "short" or "full": a set of the values above.
        sci_mode: Whether floats print in scientific notation; None decides by their range.

    Example:
        >>> set_printoptions(precision=2)
        >>> facula.tensor([1.12345])
        tensor([1.12])
    """
    if profile is not None:
        vars(_options).update({k: v for k, v in _PROFILES[profile].items() if k != "sci_mode"})
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    vars(_options).update({k: v for k, v in given.items() if v is not None})
    _options.sci_mode = sci_mode


def get_printoptions():
    """The values that `set_printoptions` sets, as a dict."""
    return dict(vars(_options))


class printoptions:
    """Other print options inside a `with` block."""

    def __init__(self, **options):
        self.options = options

    def __enter__(self):
        self.before = get_printoptions()
        set_printoptions(**self.options)

    def __exit__(self, *exc):
        vars(_options).update(self.before)


# ---------------------------------------------------------------- numbers

class _Numbers:
    """Formats the numbers of one tensor to one width."""

    def __init__(self, values, floating):
        self.floating, self.integral, self.scientific, self.width = floating, True, False, 1
        if not floating:
            self.width = max((len(str(v)) for v in values), default=1)
            return
        finite = [v for v in values if v != 0 and math.isfinite(v)]
        if finite:
            self.integral = all(v == math.floor(v) for v in finite)
            sizes = [abs(v) for v in finite]
            low, high = min(sizes), max(sizes)
            wide = high / low > 1000 or high > 1e8 or (not self.integral and low < 1e-4)
            self.scientific = wide if _options.sci_mode is None else _options.sci_mode
            if self.scientific:
                texts = (f"{v:.{_options.precision}e}" for v in finite)
            elif self.integral:
                texts = (f"{v:.0f}." for v in finite)
            else:
                texts = (f"{v:.{_options.precision}f}" for v in finite)
            self.width = max(1, max(map(len, texts)))

    def __call__(self, value):
        if not self.floating:
            text = str(value)
        elif self.scientific:
            text = f"{value:{self.width}.{_options.precision}e}"
        elif self.integral:
            text = f"{value:.0f}" + ("." if math.isfinite(value) else "")
        else:
            text = f"{value:.{_options.precision}f}"
        return text.rjust(self.width)


class _ComplexNumbers:
    def __init__(self, values):
        self.real = _Numbers([v.real for v in values], True)
        self.imag = _Numbers([v.imag for v in values], True)
        self.width = self.real.width + self.imag.width + 1

    def __call__(self, value):
        imag = (self.imag(value.imag) + "j").lstrip()
        return self.real(value.real) + ("" if imag[0] in "+-" else "+") + imag


# ---------------------------------------------------------------- nesting

def _edges(x):
    """The part of a tensor that a summary shows."""
    edge = _options.edgeitems
    if x.numel() == 0:
        return x
    for d, n in enumerate(x.shape):
        if n > 2 * edge:
            x = facula.cat([x.narrow(d, 0, edge), x.narrow(d, n - edge, edge)], d)
    return x


def _flat(data, dims):
    for _ in range(dims - 1):
        data = [v for row in data for v in row]
    return data if dims else [data]


def _row(data, size, indent, number, summary):
    edge = _options.edgeitems
    per_line = max(1, (_options.linewidth - indent) // (number.width + 2))
    texts = [number(v) for v in data]
    if summary and not edge:
        texts = ["..."]
    elif summary and size > 2 * edge:
        texts[edge:len(texts) - edge] = [" ..."]
    lines = [", ".join(texts[i:i + per_line]) for i in range(0, len(texts), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _nested(data, shape, indent, number, summary):
    if not shape:
        return number(data)
    if len(shape) == 1:
        return _row(data, shape[0], indent, number, summary)
    edge = _options.edgeitems
    parts = [_nested(part, shape[1:], indent + 1, number, summary) for part in data]
    if summary and shape[0] > 2 * edge:
        parts[edge:len(parts) - edge] = ["..."]
    return "[" + ("," + "\n" * (len(shape) - 1) + " " * (indent + 1)).join(parts) + "]"


def _contents(x, indent):
    if x.numel() == 0:
        return "[]"
    summary = x.numel() > _options.threshold
    shown = _edges(x) if summary else x
    if x.dtype == facula.complex32:
        shown = shown.to(facula.complex64)
    data = shown.tolist()
    values = _flat(data, x.dim()) if shown.numel() else []
    number = _ComplexNumbers(values) if x.dtype.is_complex else _Numbers(values, x.dtype.is_floating_point)
    return _nested(data, tuple(x.shape), indent, number, summary)


# ---------------------------------------------------------------- the whole

def _suffixed(text, suffixes, indent):
    used = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if used + len(suffix) + 2 > _options.linewidth:
            text += ",\n" + " " * indent + suffix
            used = indent + len(suffix)
        else:
            text += ", " + suffix
            used += len(suffix) + 2
    return text + ")"


def _grad_fn_name(x):
    try:
        node = x.grad_fn
    except RuntimeError:
        return "Invalid"
    if node is None:
        return None
    name = type(node).__name__
    return node.name().rpartition("::")[2] if name == "CppFunction" else name


def _plain(x):
    kinds = [facula.Tensor]
    nn = getattr(facula, "nn", None)
    if nn is not None:
        kinds.append(nn.Parameter)
    return type(x) in kinds


def _unwrapped(x):
    """The primal and the tangent's text of a dual tensor; `x` itself and None otherwise."""
    if not x._flags & DUAL:
        return x, None
    from .autograd import forward_ad

    level, _, tangent = x._wrapped
    return forward_ad.strip(x, level), str(tangent) if level.alive else None


def _transformed(x):
    """The text of a tensor inside a transform of functions, which shows the level and what is wrapped; None for others."""
    from .autograd import forward_ad

    level, value, dim = x._wrapped
    if not level.alive or level in forward_ad._levels:
        return None
    inner = "\n".join("    " + line for line in str(value).split("\n"))
    kind, at = ("BatchedTensor", f" bdim={dim},") if level.kind == "vmap" else ("GradTrackingTensor", "")
    return f"{kind}(lvl={stack().index(level) + 1},{at} value=\n{inner}\n)"


_PARTS = {"compressed": {True: "crow_indices", False: "ccol_indices"}, "plain": {True: "col_indices", False: "row_indices"}}


def _sparse_str(x, prefix, indent):
    """The text of a sparse tensor: its parts, each with its own size where it is empty, then size, nnz and layout."""
    own, grad_fn = parts(x), _grad_fn_name(x)
    suffixes = [f"size={tuple(x.shape)}", f"nnz={x._nnz()}"]
    if x.device.type != "cpu":
        suffixes.insert(0, f"device='{x.device}'")
    if x.dtype not in (facula.get_default_dtype(), facula.get_default_dtype().to_complex(), facula.int64, facula.bool):
        suffixes.append(f"dtype={x.dtype}")
    suffixes.append(f"layout={x.layout}")
    names = [n for n in own.__slots__ if n not in ("coalesced", "layout")]
    shown = []
    for n in names:
        part, label = getattr(own, n), _PARTS[n][own.by_rows] if n in _PARTS else n
        start = f"{label}=tensor("
        text = _contents(part.detach(), indent + len(start))
        more = [f"size={tuple(part.shape)}"] if part.numel() == 0 else []
        shown.append(_suffixed(start + text, more, indent + len(start)))
    text = prefix + (",\n" + " " * indent).join(shown)
    if x.layout == facula.sparse_coo:
        text += ",\n" + " " * indent + suffixes.pop(0)
    if grad_fn is not None:
        suffixes.append(f"grad_fn=<{grad_fn}>")
    elif x.requires_grad:
        suffixes.append("requires_grad=True")
    return _suffixed(text, suffixes, indent)


def tensor_str(x, *, contents=None):
    """The text of `repr(x)`.

    Args:
        x: Any tensor.
        contents: Text that stands for the numbers, for subclasses.
    """
    if x._flags & WRAPPED:
        text = _transformed(x)
        if text is not None:
            return text
    if is_other(x):
        prefix = "tensor(" if _plain(x) else f"{type(x).__name__}("
        return _sparse_str(x, prefix, len(prefix))
    grad_fn = _grad_fn_name(x)
    primal, tangent = _unwrapped(x)
    values = primal.detach()
    prefix = "tensor(" if _plain(x) else f"{type(x).__name__}("
    indent = len(prefix)
    default = facula.get_default_dtype()
    suffixes = []
    meta = values.device.type == "meta"
    if values.device.type != "cpu":
        suffixes.append(f"device='{values.device}'")
    if meta or values.numel() == 0:
        if meta or values.dim() != 1:
            suffixes.append(f"size={tuple(values.shape)}")
        if values.dtype != default:
            suffixes.append(f"dtype={values.dtype}")
        text = "..." if meta else "[]"
    else:
        if not _options.edgeitems:
            suffixes.append(f"size={tuple(values.shape)}")
        if values.dtype not in (default, default.to_complex(), facula.int64, facula.bool):
            suffixes.append(f"dtype={values.dtype}")
        text = contents if contents is not None else _contents(values, indent)
    if grad_fn is not None:
        suffixes.append(f"grad_fn=<{grad_fn}>")
    elif x.requires_grad:
        suffixes.append("requires_grad=True")
    if tangent is not None:
        suffixes.append(f"tangent={tangent}")
    return _suffixed(prefix + text, suffixes, indent)


def display_name():
    """The name under which users know the package."""
    return _names.prefix


def _format(self, spec):
    """Numbers of one element take format specifications; other tensors only the empty one."""
    if self.dim() == 0 and self.device.type != "meta" and type(self) is facula.Tensor:
        return format(self.item(), spec)
    return object.__format__(self, spec)


core.attach("__format__", _format)
