"""Padding by mirroring and repetition, resizing, sampling at points, patches."""

from __future__ import annotations

import facula

from .._builder import maps


def _padded(mode):
    def emit(b, x, padding):
        n, padding = b.rank(x), list(padding)
        before, after = [0] * n, [0] * n
        for i in range(len(padding) // 2):
            before[n - 1 - i], after[n - 1 - i] = padding[2 * i], padding[2 * i + 1]
        return b.emit("Pad", x, before + after, mode=mode)

    return emit


for _n in (1, 2, 3):
    maps(f"_reflection_pad{_n}d")(_padded("reflect"))
    maps(f"_replication_pad{_n}d")(_padded("edge"))


# ---------------------------------------------------------------- resizing
def _resized(mode, *, exact=False, antialias=False):
    def emit(b, x, output_size, align_corners=False, scales=None):
        options = {"mode": mode, "coordinate_transformation_mode": "align_corners" if align_corners else "half_pixel"}
        if mode == "nearest":
            options.update(coordinate_transformation_mode="half_pixel" if exact else "asymmetric", nearest_mode="round_prefer_ceil" if exact else "floor")
        if mode == "cubic":
            options["cubic_coeff_a"] = -0.75 if not antialias else -0.5
        if antialias:
            options.update(antialias=1, exclude_outside=1)
        if scales is not None and all(scales):
            return b.emit("Resize", x, None, b.constant([1.0, 1.0, *scales], facula.float32), **options)
        lead = [b.size(x, 0), b.size(x, 1)]
        return b.emit("Resize", x, None, None, b.emit("Concat", *lead, *(b([n]) for n in output_size), axis=0), **options)

    return emit


for _n, _linear in ((1, "linear"), (2, "bilinear"), (3, "trilinear")):
    maps(f"_upsample_nearest{_n}d")(_resized("nearest"))
    maps(f"_upsample_nearest_exact{_n}d")(_resized("nearest", exact=True))
    maps(f"_upsample_{_linear}{_n}d")(_resized("linear"))
maps("_upsample_bicubic2d")(_resized("cubic"))
maps("_upsample_bilinear_aa2d")(_resized("linear", antialias=True))
maps("_upsample_bicubic_aa2d")(_resized("cubic", antialias=True))


@maps("_grid_sampler_2d", "_grid_sampler_3d")
def _grid_sampler(b, x, grid, mode, padding, align_corners):
    names = ("linear", "nearest", "cubic") if b.opset >= 20 else ("bilinear", "nearest", "bicubic")
    return b.emit("GridSample", x, grid, mode=names[mode], padding_mode=("zeros", "border", "reflection")[padding], align_corners=int(align_corners))


# ---------------------------------------------------------------- patches
def _pair(b, v):
    v = b.plain(v, "a setting of fold or unfold")
    return v * 2 if len(v) == 1 else v


@maps("nn.functional.unfold")
def _unfold(b, x, kernel_size, dilation=1, padding=0, stride=1):
    (kh, kw), (dh, dw), (ph, pw), (sh, sw) = (_pair(b, v) for v in (kernel_size, dilation, padding, stride))
    single = b.rank(x) == 3
    name = b.emit("Unsqueeze", x, [0]) if single else b(x)
    name = b.emit("Pad", name, [0, 0, ph, pw] * 2, b.scalar(0, b.dtype(x))) if ph or pw else name
    c, h, w = x.shape[-3], x.shape[-2] + 2 * ph, x.shape[-1] + 2 * pw
    rows = facula.arange(kh)[:, None] * dh + facula.arange((h - dh * (kh - 1) - 1) // sh + 1) * sh
    columns = facula.arange(kw)[:, None] * dw + facula.arange((w - dw * (kw - 1) - 1) // sw + 1) * sw
    places = (rows[:, None, :, None] * w + columns[None, :, None, :]).reshape(kh * kw, -1)
    patches = b.emit("Gather", b.emit("Reshape", name, [0, c, h * w]), b.constant(places), axis=2)
    out = b.emit("Reshape", patches, [0, c * kh * kw, places.shape[1]])
    return b.emit("Squeeze", out, [0]) if single else out


@maps("nn.functional.fold")
def _fold(b, x, output_size, kernel_size, dilation=1, padding=0, stride=1):
    single = b.rank(x) == 2
    name = b.emit("Unsqueeze", x, [0]) if single else b(x)
    out = b.emit("Col2Im", name, _pair(b, output_size), _pair(b, kernel_size), dilations=_pair(b, dilation), pads=_pair(b, padding) * 2,
                 strides=_pair(b, stride))
    return b.emit("Squeeze", out, [0]) if single else out


def _unpooled(n):
    def emit(b, x, places, output_size):
        sizes = b.plain(output_size, "the output size of unpooling")
        lead = list(x.shape[:-n])
        flat, where = (b.emit("Reshape", v, [0] * len(lead) + [-1]) for v in (x, places))
        blank = b.constant(facula.zeros(*lead, facula.Size(sizes).numel(), dtype=b.dtype(x)))
        return b.emit("Reshape", b.emit("ScatterElements", blank, where, flat, axis=len(lead)), [*lead, *sizes])

    return emit


for _n in (1, 2, 3):
    maps(f"_max_unpool{_n}d")(_unpooled(_n))
