"""Pooling of regions from the level of a feature pyramid that suits each box's size."""

from __future__ import annotations

import math

import facula
from facula import nn

from .boxes import box_area
from .roi import _rows, roi_align

__all__ = ["MultiScaleRoIAlign"]


class LevelMapper:
    """Levels of boxes by size: a box of `canonical_scale` is of level `canonical_level`. Source: Lin et al., arXiv 1612.03144, equation 1."""

    def __init__(self, k_min, k_max, canonical_scale=224, canonical_level=4, eps=1e-6):
        self.k_min, self.k_max, self.s0, self.lvl0, self.eps = k_min, k_max, canonical_scale, canonical_level, eps

    def __call__(self, boxlists):
        side = facula.sqrt(facula.cat([box_area(boxes) for boxes in boxlists]))
        levels = facula.floor(self.lvl0 + facula.log2(side / self.s0) + facula.tensor(self.eps, dtype=side.dtype))
        return facula.clamp(levels, min=self.k_min, max=self.k_max).to(facula.int64) - self.k_min


def initLevelMapper(k_min, k_max, canonical_scale=224, canonical_level=4, eps=1e-6):
    return LevelMapper(k_min, k_max, canonical_scale, canonical_level, eps)


class MultiScaleRoIAlign(nn.Module):
    """`roi_align` on several feature maps; each box is pooled from one of them.

    Args:
        featmap_names: Which maps of the input take part.
        output_size: Bins: one number, or (rows, columns).
        sampling_ratio: Samples along a bin; -1 for one a pixel.
        canonical_scale, canonical_level: See `LevelMapper`.
    """

    def __init__(self, featmap_names, output_size, sampling_ratio, *, canonical_scale=224, canonical_level=4):
        super().__init__()
        self.featmap_names, self.sampling_ratio = featmap_names, sampling_ratio
        self.output_size = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
        self.scales = self.map_levels = None
        self.canonical_scale, self.canonical_level = canonical_scale, canonical_level

    def _set_scales(self, features, image_shapes):
        if not image_shapes:
            raise ValueError("images list should not be empty")
        largest = [max(shape[d] for shape in image_shapes) for d in (0, 1)]
        # Maps are smaller than images by powers of two; their sizes were rounded.
        self.scales = [2.0 ** round(math.log2(f.shape[-2] / largest[0])) for f in features]
        levels = [-math.log2(self.scales[i]) for i in (0, -1)]
        self.map_levels = initLevelMapper(int(levels[0]), int(levels[1]), self.canonical_scale, self.canonical_level)

    def forward(self, x, boxes, image_shapes):
        """Args:
            x: Feature maps by name.
            boxes: One tensor (boxes, 4) an image.
            image_shapes: (height, width) of the images before they were put in a batch.

        Returns:
            Shape (all boxes, channels, rows, columns).
        """
        features = [v for k, v in x.items() if k in self.featmap_names]
        if self.scales is None or self.map_levels is None:
            self._set_scales(features, image_shapes)
        rois = _rows(boxes)
        if len(features) == 1:
            return roi_align(features[0], rois, self.output_size, self.scales[0], self.sampling_ratio)
        levels = self.map_levels(boxes)
        result = facula.zeros((len(rois), features[0].shape[1], *self.output_size), dtype=features[0].dtype, device=features[0].device)
        for level, (feature, scale) in enumerate(zip(features, self.scales)):
            members = facula.where(levels == level)[0]
            result[members] = roi_align(feature, rois[members], self.output_size, scale, self.sampling_ratio).to(result.dtype)
        return result

    def __repr__(self):
        return (f"{type(self).__name__}(featmap_names={self.featmap_names}, output_size={self.output_size}, "
                f"sampling_ratio={self.sampling_ratio})")
