"""Resizing of sequences, images and volumes."""

from __future__ import annotations

import math
import warnings

import facula

from ._table import composite, op
from .stats import _dtype_name

_KINDS = [("nearest", "nearest", (1, 2, 3)), ("nearest_exact", "nearest_exact", (1, 2, 3)), ("linear", "linear", (1,)),
          ("bilinear", "linear", (2,)), ("trilinear", "linear", (3,)), ("bicubic", "cubic", (2,)),
          ("bilinear_aa", "linear_antialias", (2,)), ("bicubic_aa", "cubic_antialias", (2,)), ("lanczos_aa", "lanczos_antialias", (2,))]


def _define(name, kernel, n):
    plain, _, antialias = name.partition("_aa") if name.endswith("_aa") else (name, "", "")
    camel = "Upsample" + "".join(p.capitalize() for p in plain.split("_")) + f"{n}D" + ("Aa" if plain != name else "")
    forward, back = f"_upsample_{name}{n}d", f"_upsample_{name}{n}d_back"
    op(f"{forward}(Tensor input, int[] output_size, bool align_corners, float[]? scales)", kernel=f"resample.{kernel}", method=False,
       node=f"{camel}Backward0", vjp={"input": lambda grad, input_shape, output_size, align_corners, scales: getattr(facula, back)(
           grad, output_size, list(input_shape), align_corners, scales)})
    op(f"{back}(Tensor grad_, int[] output_size, int[] input_size, bool align_corners, float[]? scales)", kernel=f"resample.{kernel}_back", method=False,
       node=f"{camel}BackwardBackward0", vjp={"grad_": lambda grad, output_size, align_corners, scales: getattr(facula, forward)(
           grad, output_size, align_corners, scales)})


for _name, _kernel, _dims in _KINDS:
    for _n in _dims:
        _define(_name, _kernel, _n)

_DIMS = {"linear": 3, "bilinear": 4, "trilinear": 5}
_SMOOTH = (*_DIMS, "bicubic", "lanczos")
_ANTIALIAS = ("bilinear", "bicubic", "lanczos")


def _spread(value, n):
    return list(value) if isinstance(value, (list, tuple)) else [value] * n


def _target(input, size, scale_factor, recompute):
    """(sizes of the result, scales for the kernel or None)."""
    n, spatial = input.dim() - 2, list(input.shape[2:])
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    name, what, given = ("output size", "output size of", size) if size is not None else ("scale_factor", "scale_factor of shape", scale_factor)
    letter = "o" if size is not None else "s"
    if isinstance(given, (list, tuple)) and len(given) != n:
        raise ValueError(f"Input and {'output' if size is not None else name} must have the same number of spatial dimensions, but got input with spatial "
                         f"dimensions of {spatial} and {what} {given}. Please provide input tensor in (N, C, d1, d2, ...,dK) format and "
                         f"{name} in ({letter}1, {letter}2, ...,{letter}K) format.")
    if size is not None:
        sizes = _spread(size, n)
        if not all(isinstance(s, int) or hasattr(s, "__index__") for s in sizes):
            raise TypeError("expected size to be one of int or Tuple[int] or Tuple[int, int] or Tuple[int, int, int], but got size with types "
                            f"{[type(s) for s in sizes]}")
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        return [int(s) for s in sizes], None
    scales = [float(s) for s in _spread(scale_factor, n)]
    return [math.floor(float(d) * s) for d, s in zip(spatial, scales, strict=True)], None if recompute else scales


def _check(input, sizes, operation):
    spatial = list(input.shape[2:])
    if min(spatial + sizes) <= 0:
        def text(values):
            return ", ".join(f"{letter}: {v}" for letter, v in zip("DHW"[-len(values):], values, strict=True))

        raise RuntimeError(f"Input and output sizes should be greater than 0, but got input ({text(spatial)}) output ({text(sizes)})")
    if 0 in input.shape[1:]:
        raise RuntimeError(f"Non-empty {input.dim()}D data tensor expected but got a tensor with sizes {list(input.shape)}")
    if not input.dtype.is_floating_point and not (
            input.dtype == facula.uint8 and operation.startswith(("nearest", "bilinear", "bicubic", "lanczos"))):
        raise NotImplementedError(f'"upsample_{operation}" not implemented for \'{_dtype_name(input)}\'')


@composite("nn.functional.interpolate")
def interpolate(input, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None, antialias=False):
    """Resizes the spatial dimensions of (batch, channels, ...) to `size`, or by `scale_factor`.

    Source: Keys, "Cubic convolution interpolation for digital image processing", IEEE ASSP 29 (1981), for bicubic.
    """
    if mode in ("nearest", "area", "nearest-exact"):
        if align_corners is not None:
            raise ValueError("align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear")
    else:
        align_corners = bool(align_corners)
    sizes, scales = _target(input, size, scale_factor, recompute_scale_factor)
    n = input.dim() - 2
    if antialias and not (mode in _ANTIALIAS and input.dim() == 4):
        raise ValueError("Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as input")
    if mode == "area" and n in (1, 2, 3):
        return getattr(facula.nn.functional, f"adaptive_avg_pool{n}d")(input, sizes)
    if input.dim() in (3, 4, 5) and _DIMS.get(mode, input.dim()) != input.dim():
        raise NotImplementedError(f"Got {input.dim()}D input, but {mode} mode needs {_DIMS[mode]}D input")
    known = mode in ("nearest", "nearest-exact", *_DIMS) or mode in ("bicubic", "lanczos") and n == 2
    if n not in (1, 2, 3) or not known:
        raise NotImplementedError(f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {input.dim()}D) for the modes: nearest | linear | "
                                  f"bilinear | bicubic | trilinear | lanczos | area | nearest-exact (got {mode})")
    if mode == "lanczos" and not antialias:
        raise ValueError("Lanczos mode requires antialias=True")
    operation = mode.replace("-", "_") + ("_aa" if antialias else "") + f"{n}d"
    _check(input, sizes, operation)
    return getattr(facula, "_upsample_" + operation)(input, sizes, bool(align_corners), scales)


def _deprecated(name):
    warnings.warn(f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=3)


@composite("nn.functional.upsample")
def upsample(input, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """The old name of `interpolate`."""
    _deprecated("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


@composite("nn.functional.upsample_nearest")
def upsample_nearest(input, size=None, scale_factor=None):
    """`interpolate` by nearest neighbours."""
    _deprecated("upsample_nearest")
    return interpolate(input, size, scale_factor, mode="nearest")


@composite("nn.functional.upsample_bilinear")
def upsample_bilinear(input, size=None, scale_factor=None):
    """`interpolate` bilinearly, corners aligned."""
    _deprecated("upsample_bilinear")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)
