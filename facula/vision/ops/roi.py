"""Regions of feature maps pooled to one size."""

from __future__ import annotations

import facula
from facula import nn

__all__ = ["PSRoIAlign", "PSRoIPool", "RoIAlign", "RoIPool", "ps_roi_align", "ps_roi_pool", "roi_align", "roi_pool"]
_ALIGN, _POSITION_ALIGN, _POSITION_POOL = range(3)


def _pair(size):
    return (size, size) if isinstance(size, int) else tuple(size)[:2] if len(size) > 1 else (size[0], size[0])


def _rows(boxes):
    """Boxes as (image, x1, y1, x2, y2) in one tensor."""
    if isinstance(boxes, (list, tuple)):
        for b in boxes:
            if b.shape[1] != 4:
                raise AssertionError("The shape of the tensor in the boxes list is not correct as List[Tensor[L, 4]]")
        images = facula.cat([facula.full_like(b[:, :1], i) for i, b in enumerate(boxes)])
        return facula.cat([images, facula.cat(list(boxes))], dim=1)
    if not isinstance(boxes, facula.Tensor):
        raise AssertionError("boxes is expected to be a Tensor[L, 5] or a List[Tensor[K, 4]]")
    if boxes.shape[1] != 5:
        raise AssertionError("The boxes tensor shape is not correct as Tensor[K, 5]")
    return boxes


def _checked(input, boxes, name):
    boxes = _rows(boxes)
    if input.dim() != 4:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-input.dim()}, {input.dim() - 1}], but got 3)")
    if input.dtype != boxes.dtype:
        raise RuntimeError(f"Expected tensor for argument #1 'input' to have the same type as tensor for argument #2 'rois'; but type {input.type()} "
                           f"does not equal {boxes.type()} (while checking arguments for {name}_forward_kernel)")
    return boxes


def roi_align(input, boxes, output_size, spatial_scale=1.0, sampling_ratio=-1, aligned=False):
    """Means of bilinear samples in the bins of each box. Source: He et al., arXiv 1703.06870.

    Args:
        input: Shape (batch, channels, height, width).
        boxes: (image, x1, y1, x2, y2) as rows, or a list of (boxes, 4), one an image.
        output_size: Bins: one number, or (rows, columns).
        spatial_scale: Pixels of the feature map for one unit of the boxes.
        sampling_ratio: Samples along a bin; -1 for one a pixel.
        aligned: Whether boxes are moved by half a pixel, so that pixels' centres are whole numbers.

    Returns:
        Shape (boxes, channels, rows, columns).
    """
    boxes = _checked(input, boxes, "roi_align")
    return facula._roi_sums(input, boxes, _ALIGN, float(spatial_scale), *_pair(output_size), sampling_ratio, aligned)


def ps_roi_align(input, boxes, output_size, spatial_scale=1.0, sampling_ratio=-1):
    """`roi_align` where every bin has channels of its own: (boxes, channels / bins, rows, columns). Source: Li et al., arXiv 1711.07264."""
    boxes = _checked(input, boxes, "ps_roi_align")
    return facula._roi_sums(input, boxes, _POSITION_ALIGN, float(spatial_scale), *_pair(output_size), sampling_ratio, True)


def ps_roi_pool(input, boxes, output_size, spatial_scale=1.0):
    """Means of whole pixels, every bin of channels of its own: (boxes, channels / bins, rows, columns). Source: Dai et al., arXiv 1605.06409."""
    boxes = _checked(input, boxes, "ps_roi_pool")
    return facula._roi_sums(input, boxes, _POSITION_POOL, float(spatial_scale), *_pair(output_size), 0, False)


def roi_pool(input, boxes, output_size, spatial_scale=1.0):
    """Maxima in the bins of each box, shape (boxes, channels, rows, columns). Source: Girshick, arXiv 1504.08083."""
    boxes = _checked(input, boxes, "roi_pool")
    return facula._roi_max(input, boxes, float(spatial_scale), *_pair(output_size))[0]


class _Pooling(nn.Module):
    """A pooling of regions with its settings."""

    function = None
    names = ("output_size", "spatial_scale")

    def __init__(self, *settings):
        super().__init__()
        for name, value in zip(self.names, settings, strict=True):
            setattr(self, name, value)

    def forward(self, input, rois):
        return type(self).function(input, rois, *(getattr(self, n) for n in self.names))

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{n}={getattr(self, n)}' for n in self.names)})"


class RoIAlign(_Pooling):
    """See `roi_align`."""

    function = staticmethod(roi_align)
    names = ("output_size", "spatial_scale", "sampling_ratio", "aligned")

    def __init__(self, output_size, spatial_scale, sampling_ratio, aligned=False):
        super().__init__(output_size, spatial_scale, sampling_ratio, aligned)


class PSRoIAlign(_Pooling):
    """See `ps_roi_align`."""

    function = staticmethod(ps_roi_align)
    names = ("output_size", "spatial_scale", "sampling_ratio")

    def __init__(self, output_size, spatial_scale, sampling_ratio):
        super().__init__(output_size, spatial_scale, sampling_ratio)


class RoIPool(_Pooling):
    """See `roi_pool`."""

    function = staticmethod(roi_pool)

    def __init__(self, output_size, spatial_scale):
        super().__init__(output_size, spatial_scale)


class PSRoIPool(_Pooling):
    """See `ps_roi_pool`."""

    function = staticmethod(ps_roi_pool)

    def __init__(self, output_size, spatial_scale):
        super().__init__(output_size, spatial_scale)
