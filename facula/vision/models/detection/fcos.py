"""FCOS. Source: Tian et al., arXiv 1904.01355, and arXiv 2006.09214."""

from __future__ import annotations

import math
from functools import partial

import facula
from facula import nn
from facula.nn import functional as F

from ...ops.losses import generalized_box_iou_loss, sigmoid_focal_loss
from .._api import register
from .._init import normal
from . import _utils as det_utils
from ._one_stage import Dense
from .anchor_utils import AnchorGenerator
from .backbone_utils import settled_resnet
from .faster_rcnn import IMAGE_MEAN, IMAGE_STD, need_channels, need_type
from .transform import GeneralizedRCNNTransform

__all__ = ["FCOS", "fcos_resnet50_fpn"]


def _convolutions(in_channels, num_convs, norm_layer):
    norm_layer = norm_layer or partial(nn.GroupNorm, 32)
    layers = []
    for _ in range(num_convs):
        layers += [nn.Conv2d(in_channels, in_channels, kernel_size=3, stride=1, padding=1), norm_layer(in_channels), nn.ReLU()]
    return nn.Sequential(*layers)


class FCOSClassificationHead(nn.Module):
    """Scores of every class at every place, shape (batch, places, classes)."""

    def __init__(self, in_channels, num_anchors, num_classes, num_convs=4, prior_probability=0.01, norm_layer=None):
        super().__init__()
        self.num_classes, self.num_anchors = num_classes, num_anchors
        self.conv = _convolutions(in_channels, num_convs, norm_layer)
        det_utils.initialize(self.conv, normal(0.01))
        self.cls_logits = nn.Conv2d(in_channels, num_anchors * num_classes, kernel_size=3, stride=1, padding=1)
        nn.init.normal_(self.cls_logits.weight, std=0.01)
        nn.init.constant_(self.cls_logits.bias, -math.log((1 - prior_probability) / prior_probability))

    def forward(self, x):
        return facula.cat([det_utils.columns_last(self.cls_logits(self.conv(f)), self.num_classes) for f in x], dim=1)


class FCOSRegressionHead(nn.Module):
    """Distances to the sides (batch, places, 4), and how near a place is to the centre (batch, places, 1)."""

    def __init__(self, in_channels, num_anchors, num_convs=4, norm_layer=None):
        super().__init__()
        self.conv = _convolutions(in_channels, num_convs, norm_layer)
        self.bbox_reg = nn.Conv2d(in_channels, num_anchors * 4, kernel_size=3, stride=1, padding=1)
        self.bbox_ctrness = nn.Conv2d(in_channels, num_anchors * 1, kernel_size=3, stride=1, padding=1)
        for part in (self.bbox_reg, self.bbox_ctrness, self.conv):
            det_utils.initialize(part, normal(0.01))

    def forward(self, x):
        maps = [self.conv(f) for f in x]
        return (facula.cat([det_utils.columns_last(F.relu(self.bbox_reg(m)), 4) for m in maps], dim=1),
                facula.cat([det_utils.columns_last(self.bbox_ctrness(m), 1) for m in maps], dim=1))


class FCOSHead(nn.Module):
    """Classes, boxes and centres."""

    def __init__(self, in_channels, num_anchors, num_classes, num_convs=4):
        super().__init__()
        self.box_coder = det_utils.BoxLinearCoder(normalize_by_size=True)
        self.classification_head = FCOSClassificationHead(in_channels, num_anchors, num_classes, num_convs)
        self.regression_head = FCOSRegressionHead(in_channels, num_anchors, num_convs)

    def compute_loss(self, targets, head_outputs, anchors, matched_idxs):
        logits, codes, centres = (head_outputs[n] for n in ("cls_logits", "bbox_regression", "bbox_ctrness"))
        labels, boxes = [], []
        for target, match in zip(targets, matched_idxs):
            own, at = target["labels"], match.clip(min=0)
            labels.append(facula.where(match < 0, -1, own[at] if len(own) else -1))
            boxes.append(target["boxes"][at] if len(own) else target["boxes"].new_zeros((len(match), 4)))
        labels, boxes, anchors = facula.stack(labels), facula.stack(boxes), facula.stack(anchors)
        foreground = labels >= 0
        wanted = facula.zeros_like(logits)
        wanted[foreground, labels[foreground]] = 1.0
        count = max(1, int(foreground.sum().item()))
        found = self.box_coder.decode(codes, anchors)
        distances = self.box_coder.encode(anchors, boxes)[foreground]
        sides, ends = distances[:, [0, 2]], distances[:, [1, 3]]
        centre = facula.sqrt(sides.min(dim=-1)[0] / sides.max(dim=-1)[0] * (ends.min(dim=-1)[0] / ends.max(dim=-1)[0]))
        return {"classification": sigmoid_focal_loss(logits, wanted, reduction="sum") / count,
                "bbox_regression": generalized_box_iou_loss(found[foreground], boxes[foreground], reduction="sum") / count,
                "bbox_ctrness": F.binary_cross_entropy_with_logits(centres.squeeze(dim=2)[foreground], centre, reduction="sum") / count}

    def forward(self, x):
        logits = self.classification_head(x)
        codes, centres = self.regression_head(x)
        return {"cls_logits": logits, "bbox_regression": codes, "bbox_ctrness": centres}


class FCOS(Dense):
    """One prediction at every place of the maps, and none of anchors' shapes; for arguments see `RetinaNet`.

    Args:
        center_sampling_radius: How far from a box's centre its places may be, in strides of the map.
    """

    def __init__(self, backbone, num_classes, min_size=800, max_size=1333, image_mean=None, image_std=None, anchor_generator=None, head=None,
                 center_sampling_radius=1.5, score_thresh=0.2, nms_thresh=0.6, detections_per_img=100, topk_candidates=1000, **kwargs):
        super().__init__()
        need_channels(backbone)
        need_type("anchor_generator", anchor_generator, AnchorGenerator)
        self.backbone = backbone
        self.anchor_generator = anchor_generator or AnchorGenerator(((8,), (16,), (32,), (64,), (128,)), ((1.0,),) * 5)
        per_place = self.anchor_generator.num_anchors_per_location()[0]
        if per_place != 1:
            raise ValueError(f"anchor_generator.num_anchors_per_location()[0] should be 1 instead of {per_place}")
        self.head = head or FCOSHead(backbone.out_channels, per_place, num_classes)
        self.box_coder = det_utils.BoxLinearCoder(normalize_by_size=True)
        self.transform = GeneralizedRCNNTransform(min_size, max_size, image_mean or IMAGE_MEAN, image_std or IMAGE_STD, **kwargs)
        self.center_sampling_radius = center_sampling_radius
        self.score_thresh, self.nms_thresh = score_thresh, nms_thresh
        self.detections_per_img, self.topk_candidates = detections_per_img, topk_candidates

    def _matched(self, boxes, anchors, counts):
        """Of each place the smallest true box that it is well inside of and whose size suits its map."""
        if boxes.numel() == 0:
            return facula.full((anchors.size(0),), -1, dtype=facula.int64, device=anchors.device)
        centres, places = (boxes[:, :2] + boxes[:, 2:]) / 2, (anchors[:, :2] + anchors[:, 2:]) / 2
        sizes = anchors[:, 2] - anchors[:, 0]
        match = (places[:, None] - centres).abs().max(dim=2)[0] < self.center_sampling_radius * sizes[:, None]
        distances = facula.cat([places[:, None] - boxes[:, :2], boxes[:, 2:] - places[:, None]], dim=2)  # (places, boxes, 4)
        match &= distances.min(dim=2)[0] > 0
        lower, upper = sizes * 4, sizes * 8
        lower[:counts[0]], upper[-counts[-1]:] = 0, float("inf")
        farthest = distances.max(dim=2)[0]
        match &= (farthest > lower[:, None]) & (farthest < upper[:, None])
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        best, index = (match.to(facula.float32) * (1e8 - areas)).max(dim=1)
        return facula.where(best < 1e-5, -1, index)

    def compute_loss(self, targets, head_outputs, anchors, num_anchors_per_level):
        match = [self._matched(t["boxes"], own, num_anchors_per_level) for own, t in zip(anchors, targets)]
        return self.head.compute_loss(targets, head_outputs, anchors, match)

    def losses(self, targets, outputs, anchors, features):
        return self.compute_loss(targets, outputs, anchors, self.counts(features, anchors))

    def scores(self, outputs):
        return facula.sqrt(facula.sigmoid(outputs["cls_logits"]) * facula.sigmoid(outputs["bbox_ctrness"]))


@register(backbone="resnet50", positional=("num_classes",))
def fcos_resnet50_fpn(*, weights=None, num_classes=None, weights_backbone=None, trainable_backbone_layers=None, **kwargs):
    """FCOS on a pyramid of ResNet-50."""
    backbone = settled_resnet(weights, weights_backbone, trainable_backbone_layers, p6_channels=256)
    return FCOS(backbone, num_classes or 91, **kwargs)
