"""What detectors share: matching of boxes, their coding, sampling, checks of targets."""

from __future__ import annotations

import math
from collections import OrderedDict

import facula
from facula import nn
from facula.nn import functional as F

from ...ops.losses import complete_box_iou_loss, distance_box_iou_loss, generalized_box_iou_loss
from ...ops.misc import FrozenBatchNorm2d

# ---------------------------------------------------------------- images and targets

def check_targets(targets):
    """Raises where targets of training are not dicts with boxes (n, 4)."""
    if targets is None:
        raise AssertionError("targets should not be none when in training mode")
    for target in targets:
        boxes = target["boxes"]
        if not isinstance(boxes, facula.Tensor):
            raise AssertionError(f"Expected target boxes to be of type Tensor, got {type(boxes)}.")
        if boxes.dim() != 2 or boxes.shape[-1] != 4:
            raise AssertionError(f"Expected target boxes to be a tensor of shape [N, 4], got {boxes.shape}.")


def check_boxes(targets):
    """Raises where a box has no area."""
    for i, target in enumerate(targets or ()):
        empty = (target["boxes"][:, 2:] <= target["boxes"][:, :2]).any(dim=1)
        if empty.any():
            found = target["boxes"][facula.where(empty)[0][0]].tolist()
            raise AssertionError(f"All bounding boxes should have positive height and width. Found invalid box {found} for target at index {i}.")


def sizes_of(images):
    """(height, width) of each image."""
    return [tuple(image.shape[-2:]) for image in images]


def named(features):
    """One map as a dict of maps."""
    return OrderedDict([("0", features)]) if isinstance(features, facula.Tensor) else features


def columns_last(x, columns):
    """Predictions (batch, anchors * columns, height, width) as (batch, height * width * anchors, columns)."""
    batch, _, height, width = x.shape
    return x.reshape(batch, -1, columns, height, width).permute(0, 3, 4, 1, 2).reshape(batch, -1, columns)


def initialize(module, fill):
    """Fills the weights of a module's 2d convolutions; their biases become 0."""
    for m in module.modules():
        if isinstance(m, nn.Conv2d):
            fill(m.weight)
            if m.bias is not None:
                nn.init.zeros_(m.bias)


# ---------------------------------------------------------------- matching

class BalancedPositiveNegativeSampler:
    """Draws positive (label at least 1) and negative (0) examples of each image, as masks.

    Args:
        batch_size_per_image: Examples an image.
        positive_fraction: The most of them that are positive.
    """

    def __init__(self, batch_size_per_image, positive_fraction):
        self.batch_size_per_image, self.positive_fraction = batch_size_per_image, positive_fraction

    def _draw(self, labels, members, most):
        mask = facula.zeros_like(labels, dtype=facula.uint8)
        chosen = facula.randperm(members.numel(), device=members.device)[:most]
        mask[members[chosen]] = 1
        return mask, len(chosen)

    def __call__(self, matched_idxs):
        positives, negatives = [], []
        for labels in matched_idxs:
            mask, count = self._draw(labels, facula.where(labels >= 1)[0], int(self.batch_size_per_image * self.positive_fraction))
            positives.append(mask)
            negatives.append(self._draw(labels, facula.where(labels == 0)[0], self.batch_size_per_image - count)[0])
        return positives, negatives


class Matcher:
    """Gives each prediction the true box that it overlaps most, by a matrix (true boxes, predictions) of overlaps.

    Args:
        high_threshold: From here on a match counts.
        low_threshold: Below here a prediction is background; between, neither.
        allow_low_quality_matches: Whether each true box keeps its best predictions, whatever the overlap.
    """

    BELOW_LOW_THRESHOLD, BETWEEN_THRESHOLDS = -1, -2

    def __init__(self, high_threshold, low_threshold, allow_low_quality_matches=False):
        if low_threshold > high_threshold:
            raise AssertionError("low_threshold should be <= high_threshold")
        self.high_threshold, self.low_threshold = high_threshold, low_threshold
        self.allow_low_quality_matches = allow_low_quality_matches

    def __call__(self, match_quality_matrix):
        if match_quality_matrix.numel() == 0:
            what = "ground-truth" if match_quality_matrix.shape[0] == 0 else "proposal"
            raise ValueError(f"No {what} boxes available for one of the images during training")
        values, best = match_quality_matrix.max(dim=0)
        matches = facula.where(values < self.low_threshold, self.BELOW_LOW_THRESHOLD, best)
        matches = facula.where((values >= self.low_threshold) & (values < self.high_threshold), self.BETWEEN_THRESHOLDS, matches)
        if self.allow_low_quality_matches:
            highest = match_quality_matrix.max(dim=1, keepdim=True)[0]
            kept = facula.where(match_quality_matrix == highest)[1]
            matches[kept] = best[kept]
        return matches


class SSDMatcher(Matcher):
    """Each true box keeps its best prediction. Source: Liu et al., arXiv 1512.02325, section 2.2."""

    def __init__(self, threshold):
        super().__init__(threshold, threshold)

    def __call__(self, match_quality_matrix):
        matches = super().__call__(match_quality_matrix)
        best = match_quality_matrix.max(dim=1)[1]
        matches[best] = facula.arange(best.shape[0], dtype=facula.int64, device=best.device)
        return matches


# ---------------------------------------------------------------- coding

def _centres(boxes):
    """Centre x, centre y, width, height."""
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    return boxes[:, 0] + 0.5 * width, boxes[:, 1] + 0.5 * height, width, height


class BoxCoder:
    """Boxes as shifts of the centre and logarithms of sizes against other boxes. Source: Girshick et al., arXiv 1311.2524, appendix C.

    Args:
        weights: Factors of the four numbers.
        bbox_xform_clip: The greatest logarithm of a size.
    """

    def __init__(self, weights, bbox_xform_clip=math.log(1000.0 / 16)):
        self.weights, self.bbox_xform_clip = weights, bbox_xform_clip

    def encode(self, reference_boxes, proposals):
        counts = [len(b) for b in reference_boxes]
        return self.encode_single(facula.cat(reference_boxes), facula.cat(proposals)).split(counts, 0)

    def encode_single(self, reference_boxes, proposals):
        x, y, w, h = _centres(proposals)
        to_x, to_y, to_w, to_h = _centres(reference_boxes)
        factors = facula.tensor(self.weights, dtype=reference_boxes.dtype, device=reference_boxes.device)
        return facula.stack([factors[0] * (to_x - x) / w, factors[1] * (to_y - y) / h, factors[2] * facula.log(to_w / w),
                             factors[3] * facula.log(to_h / h)], dim=1)

    def decode(self, rel_codes, boxes):
        """Shape (all boxes, codes / 4, 4)."""
        boxes = facula.cat(list(boxes))
        codes = rel_codes.reshape(len(boxes), -1) if len(boxes) else rel_codes
        decoded = self.decode_single(codes, boxes)
        return decoded.reshape(len(boxes), -1, 4) if len(boxes) else decoded.reshape(0, rel_codes.shape[-1] // 4, 4)

    def decode_single(self, rel_codes, boxes):
        """Codes (n, 4 * k) of boxes (n, 4) as boxes (n, 4 * k)."""
        x, y, w, h = (t[:, None] for t in _centres(boxes.to(rel_codes.dtype)))
        dx, dy, dw, dh = (rel_codes[:, i::4] / weight for i, weight in enumerate(self.weights))
        half_w = 0.5 * facula.exp(facula.clamp(dw, max=self.bbox_xform_clip)) * w
        half_h = 0.5 * facula.exp(facula.clamp(dh, max=self.bbox_xform_clip)) * h
        x, y = dx * w + x, dy * h + y
        return facula.stack([x - half_w, y - half_h, x + half_w, y + half_h], dim=2).flatten(1)


class BoxLinearCoder:
    """Boxes as distances of the sides from the centres of other boxes. Source: Tian et al., arXiv 1904.01355."""

    def __init__(self, normalize_by_size=True):
        self.normalize_by_size = normalize_by_size

    def _frame(self, boxes):
        x, y = 0.5 * (boxes[..., 0] + boxes[..., 2]), 0.5 * (boxes[..., 1] + boxes[..., 3])
        sizes = (boxes[..., 2:] - boxes[..., :2]).repeat(*[1] * (boxes.dim() - 1), 2) if self.normalize_by_size else 1.0
        return x, y, sizes

    def encode(self, reference_boxes, proposals):
        x, y, sizes = self._frame(reference_boxes)
        x1, y1, x2, y2 = proposals.unbind(-1)
        return facula.stack([x - x1, y - y1, x2 - x, y2 - y], dim=-1) / sizes

    def decode(self, rel_codes, boxes):
        x, y, sizes = self._frame(boxes.to(rel_codes.dtype))
        left, top, right, bottom = (rel_codes * sizes).unbind(-1)
        return facula.stack([x - left, y - top, x + right, y + bottom], dim=-1)


_OVERLAP_LOSSES = {"ciou": complete_box_iou_loss, "diou": distance_box_iou_loss, "giou": generalized_box_iou_loss}


def _box_loss(type, box_coder, anchors_per_image, matched_gt_boxes_per_image, bbox_regression_per_image, cnf=None):
    """The sum of one image's losses of boxes: of codes ("l1", "smooth_l1") or overlaps ("ciou", "diou", "giou")."""
    if type in ("l1", "smooth_l1"):
        target = box_coder.encode_single(matched_gt_boxes_per_image, anchors_per_image)
        if type == "l1":
            return F.l1_loss(bbox_regression_per_image, target, reduction="sum")
        return F.smooth_l1_loss(bbox_regression_per_image, target, reduction="sum", beta=(cnf or {}).get("beta", 1.0))
    if type not in _OVERLAP_LOSSES:
        raise ValueError(f"Unsupported loss {type}")
    boxes = box_coder.decode_single(bbox_regression_per_image, anchors_per_image)
    return _OVERLAP_LOSSES[type](boxes, matched_gt_boxes_per_image, reduction="sum", eps=(cnf or {}).get("eps", 1e-7))


# ---------------------------------------------------------------- models

def overwrite_eps(model, eps):
    """The first trained detectors used normalisation without an epsilon."""
    for m in model.modules():
        if isinstance(m, FrozenBatchNorm2d):
            m.eps = eps


def retrieve_out_channels(model, size):
    """Channels of the maps that a backbone gives for an image of (width, height)."""
    training = model.training
    model.eval()
    with facula.no_grad():
        device = next(model.parameters()).device
        channels = [x.size(1) for x in named(model(facula.zeros((1, 3, size[1], size[0]), device=device))).values()]
    model.train(training)
    return channels
