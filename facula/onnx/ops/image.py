"""Padding by mirroring and repetition, resizing, sampling at points, patches."""

from __future__ import annotations

import facula

from .._builder import UnsupportedOperatorError, maps


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


# ---------------------------------------------------------------- boxes and regions
@maps("_roi_sums")
def _roi_sums(b, x, boxes, kind, scale, rows, columns, sampling, aligned):
    if kind != 0:
        raise UnsupportedOperatorError("onnx.export: position-sensitive pooling of regions has no form in ONNX")
    images = b.emit("Cast", b.emit("Gather", boxes, b.constant(0), axis=1), to=7)  # 7: int64
    corners = b.emit("Gather", boxes, b.constant([1, 2, 3, 4]), axis=1)
    return b.emit("RoiAlign", x, corners, images, output_height=rows, output_width=columns, sampling_ratio=max(sampling, 0), spatial_scale=float(scale),
                  coordinate_transformation_mode="half_pixel" if aligned else "output_half_pixel")


@maps("_roi_max")
def _roi_max(b, x, boxes, scale, rows, columns):
    return b.emit("MaxRoiPool", x, boxes, pooled_shape=[rows, columns], spatial_scale=float(scale)), None


@maps("_nms")
def _nms(b, boxes, scores, iou_threshold):
    most, threshold = b.constant([2 ** 31 - 1]), b.constant([float(iou_threshold)], facula.float32)
    kept = b.emit("NonMaxSuppression", b.emit("Unsqueeze", boxes, [0]), b.emit("Unsqueeze", scores, [0, 1]), most, threshold)  # (kept, 3)
    return b.emit("Gather", kept, b.constant(2), axis=1)


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
