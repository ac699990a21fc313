"""Boxes that predictions start from."""

from __future__ import annotations

import math

import facula
from facula import nn


class AnchorGenerator(nn.Module):
    """Boxes of several sizes and shapes around every pixel of feature maps.

    Args:
        sizes: Square roots of areas, one tuple a feature map.
        aspect_ratios: Height by width, one tuple a feature map.
    """

    def __init__(self, sizes=((128, 256, 512),), aspect_ratios=((0.5, 1.0, 2.0),)):
        super().__init__()
        if not isinstance(sizes[0], (list, tuple)):
            sizes = tuple((s,) for s in sizes)
        if not isinstance(aspect_ratios[0], (list, tuple)):
            aspect_ratios = (aspect_ratios,) * len(sizes)
        self.sizes, self.aspect_ratios = sizes, aspect_ratios
        self.cell_anchors = [self.generate_anchors(s, r, device="cpu") for s, r in zip(sizes, aspect_ratios)]

    def generate_anchors(self, scales, aspect_ratios, dtype=facula.float32, device="cpu"):
        """Whole boxes around 0, shape (sizes * shapes, 4)."""
        scales = facula.as_tensor(scales, dtype=dtype, device=device)
        heights = facula.sqrt(facula.as_tensor(aspect_ratios, dtype=dtype, device=device))
        w, h = ((1 / heights)[:, None] * scales).view(-1), (heights[:, None] * scales).view(-1)
        return (facula.stack([-w, -h, w, h], dim=1) / 2).round()

    def set_cell_anchors(self, dtype, device):
        self.cell_anchors = [anchors.to(dtype=dtype, device=device) for anchors in self.cell_anchors]

    def num_anchors_per_location(self):
        return [len(s) * len(r) for s, r in zip(self.sizes, self.aspect_ratios)]

    def grid_anchors(self, grid_sizes, strides):
        """Boxes of each feature map, shape (height * width * anchors, 4)."""
        if not len(grid_sizes) == len(strides) == len(self.cell_anchors):
            raise AssertionError("Anchors should be Tuple[Tuple[int]] because each feature map could potentially have different sizes and aspect "
                                 "ratios. There needs to be a match between the number of feature maps passed and the number of sizes / aspect "
                                 "ratios specified.")
        anchors = []
        for (height, width), (down, right), cell in zip(grid_sizes, strides, self.cell_anchors):
            y, x = facula.meshgrid(facula.arange(height, dtype=facula.int32, device=cell.device) * down,
                                   facula.arange(width, dtype=facula.int32, device=cell.device) * right, indexing="ij")
            shifts = facula.stack([x, y, x, y], dim=-1).reshape(-1, 1, 4)
            anchors.append((shifts + cell).reshape(-1, 4))
        return anchors

    def forward(self, image_list, feature_maps):
        """One tensor of boxes an image."""
        grids = [tuple(f.shape[-2:]) for f in feature_maps]
        height, width = image_list.tensors.shape[-2:]
        self.set_cell_anchors(feature_maps[0].dtype, feature_maps[0].device)
        anchors = facula.cat(self.grid_anchors(grids, [(height // h, width // w) for h, w in grids]))
        return [anchors for _ in image_list.image_sizes]


class DefaultBoxGenerator(nn.Module):
    """Boxes of SSD. Source: Liu et al., arXiv 1512.02325, section 2.2.

    Args:
        aspect_ratios: Shapes besides the square one, a list for each feature map.
        min_ratio, max_ratio: Sizes on the first and the last map, in parts of the image, where `scales` is None.
        scales: Sizes for each map and one more.
        steps: Pixels between boxes, one a map.
        clip: Whether sizes end at the image's.
    """

    def __init__(self, aspect_ratios, min_ratio=0.15, max_ratio=0.9, scales=None, steps=None, clip=True):
        super().__init__()
        if steps is not None and len(aspect_ratios) != len(steps):
            raise ValueError("aspect_ratios and steps should have the same length")
        self.aspect_ratios, self.steps, self.clip = aspect_ratios, steps, clip
        n = len(aspect_ratios)
        if scales is not None:
            self.scales = scales
        elif n > 1:
            self.scales = [min_ratio + (max_ratio - min_ratio) * k / (n - 1.0) for k in range(n)] + [1.0]
        else:
            self.scales = [min_ratio, max_ratio]
        self._wh_pairs = self._generate_wh_pairs(n)

    def _generate_wh_pairs(self, num_outputs, dtype=facula.float32, device="cpu"):
        result = []
        for k in range(num_outputs):
            size = self.scales[k]
            between = math.sqrt(size * self.scales[k + 1])
            pairs = [[size, size], [between, between]]
            for ratio in self.aspect_ratios[k]:
                w, h = size * math.sqrt(ratio), size / math.sqrt(ratio)
                pairs += [[w, h], [h, w]]
            result.append(facula.as_tensor(pairs, dtype=dtype, device=device))
        return result

    def num_anchors_per_location(self):
        return [2 + 2 * len(r) for r in self.aspect_ratios]

    def _grid_default_boxes(self, grid_sizes, image_size, dtype=facula.float32):
        """Centres and sizes in parts of the image, shape (boxes, 4)."""
        boxes = []
        for k, (height, width) in enumerate(grid_sizes):
            rows, columns = (height, width) if self.steps is None else (n / self.steps[k] for n in image_size)
            y, x = facula.meshgrid(*(((facula.arange(n) + 0.5) / cells).to(dtype) for n, cells in ((height, rows), (width, columns))), indexing="ij")
            sizes = self._wh_pairs[k].clamp(min=0, max=1) if self.clip else self._wh_pairs[k]
            centres = facula.stack([x, y], dim=-1).reshape(-1, 1, 2).expand(-1, len(sizes), 2)
            boxes.append(facula.cat([centres, sizes.expand(len(centres), -1, 2)], dim=2).reshape(-1, 4))
        return facula.cat(boxes)

    def __repr__(self):
        return f"{type(self).__name__}(aspect_ratios={self.aspect_ratios}, clip={self.clip}, scales={self.scales}, steps={self.steps})"

    def forward(self, image_list, feature_maps):
        """One tensor of boxes an image, in pixels."""
        height, width = image_list.tensors.shape[-2:]
        feature = feature_maps[0]
        boxes = self._grid_default_boxes([tuple(f.shape[-2:]) for f in feature_maps], (height, width), feature.dtype).to(feature.device)
        half, scale = 0.5 * boxes[:, 2:], facula.tensor([width, height, width, height], device=feature.device)
        boxes = facula.cat([boxes[:, :2] - half, boxes[:, :2] + half], -1) * scale
        return [boxes for _ in image_list.image_sizes]
