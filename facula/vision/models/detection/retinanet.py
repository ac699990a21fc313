"""RetinaNet. Sources: Lin et al., arXiv 1708.02002; its second version: Zhang et al., arXiv 1912.02424."""

from __future__ import annotations

import math
from functools import partial

import facula
from facula import nn

from ...ops import boxes as box_ops
from ...ops.losses import sigmoid_focal_loss
from ...ops.misc import Conv2dNormActivation
from .._api import register
from .._init import normal
from . import _utils as det_utils
from ._one_stage import Dense
from .anchor_utils import AnchorGenerator
from .backbone_utils import settled_resnet
from .faster_rcnn import IMAGE_MEAN, IMAGE_STD, need_channels, need_type
from .transform import GeneralizedRCNNTransform

__all__ = ["RetinaNet", "retinanet_resnet50_fpn", "retinanet_resnet50_fpn_v2"]


def _default_anchorgen():
    return AnchorGenerator(tuple((x, int(x * 2 ** (1.0 / 3)), int(x * 2 ** (2.0 / 3))) for x in (32, 64, 128, 256, 512)), ((0.5, 1.0, 2.0),) * 5)


class _Tower(nn.Module):
    """Four convolutions before a prediction."""

    _version = 2

    def _convolutions(self, in_channels, norm_layer):
        return nn.Sequential(*(Conv2dNormActivation(in_channels, in_channels, norm_layer=norm_layer) for _ in range(4)))

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *args):
        if local_metadata.get("version") is None or local_metadata["version"] < 2:  # convolutions and activations were one list once
            for i in range(4):
                for kind in ("weight", "bias"):
                    if f"{prefix}conv.{2 * i}.{kind}" in state_dict:
                        state_dict[f"{prefix}conv.{i}.0.{kind}"] = state_dict.pop(f"{prefix}conv.{2 * i}.{kind}")
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


class RetinaNetClassificationHead(_Tower):
    """Scores of every class for every anchor, shape (batch, anchors, classes)."""

    def __init__(self, in_channels, num_anchors, num_classes, prior_probability=0.01, norm_layer=None):
        super().__init__()
        self.conv = self._convolutions(in_channels, norm_layer)
        det_utils.initialize(self.conv, normal(0.01))
        self.cls_logits = nn.Conv2d(in_channels, num_anchors * num_classes, kernel_size=3, stride=1, padding=1)
        nn.init.normal_(self.cls_logits.weight, std=0.01)
        nn.init.constant_(self.cls_logits.bias, -math.log((1 - prior_probability) / prior_probability))
        self.num_classes, self.num_anchors = num_classes, num_anchors

    def compute_loss(self, targets, head_outputs, matched_idxs):
        losses = []
        for target, logits, match in zip(targets, head_outputs["cls_logits"], matched_idxs):
            foreground = facula.where(match >= 0)[0]
            wanted = facula.zeros_like(logits)
            wanted[foreground, target["labels"][match[foreground]]] = 1.0
            valid = match != det_utils.Matcher.BETWEEN_THRESHOLDS
            losses.append(sigmoid_focal_loss(logits[valid], wanted[valid], reduction="sum") / max(1, len(foreground)))
        return sum(losses) / len(targets)

    def forward(self, x):
        return facula.cat([det_utils.columns_last(self.cls_logits(self.conv(f)), self.num_classes) for f in x], dim=1)


class RetinaNetRegressionHead(_Tower):
    """Four numbers for every anchor, shape (batch, anchors, 4)."""

    def __init__(self, in_channels, num_anchors, norm_layer=None):
        super().__init__()
        self.conv = self._convolutions(in_channels, norm_layer)
        self.bbox_reg = nn.Conv2d(in_channels, num_anchors * 4, kernel_size=3, stride=1, padding=1)
        det_utils.initialize(self.bbox_reg, normal(0.01))
        det_utils.initialize(self.conv, normal(0.01))
        self.box_coder, self._loss_type = det_utils.BoxCoder(weights=(1.0, 1.0, 1.0, 1.0)), "l1"

    def compute_loss(self, targets, head_outputs, anchors, matched_idxs):
        losses = []
        for target, codes, own, match in zip(targets, head_outputs["bbox_regression"], anchors, matched_idxs):
            foreground = facula.where(match >= 0)[0]
            loss = det_utils._box_loss(self._loss_type, self.box_coder, own[foreground], target["boxes"][match[foreground]], codes[foreground])
            losses.append(loss / max(1, len(foreground)))
        return sum(losses) / max(1, len(targets))

    def forward(self, x):
        return facula.cat([det_utils.columns_last(self.bbox_reg(self.conv(f)), 4) for f in x], dim=1)


class RetinaNetHead(nn.Module):
    """Classes and boxes."""

    def __init__(self, in_channels, num_anchors, num_classes, norm_layer=None):
        super().__init__()
        self.classification_head = RetinaNetClassificationHead(in_channels, num_anchors, num_classes, norm_layer=norm_layer)
        self.regression_head = RetinaNetRegressionHead(in_channels, num_anchors, norm_layer=norm_layer)

    def compute_loss(self, targets, head_outputs, anchors, matched_idxs):
        return {"classification": self.classification_head.compute_loss(targets, head_outputs, matched_idxs),
                "bbox_regression": self.regression_head.compute_loss(targets, head_outputs, anchors, matched_idxs)}

    def forward(self, x):
        return {"cls_logits": self.classification_head(x), "bbox_regression": self.regression_head(x)}


def overlapping(matcher, targets, anchors):
    """Of each anchor the true box's index, by overlap."""
    return [facula.full((own.size(0),), -1, dtype=facula.int64, device=own.device) if target["boxes"].numel() == 0 else
            matcher(box_ops.box_iou(target["boxes"], own)) for own, target in zip(anchors, targets)]


class RetinaNet(Dense):
    """Classes of anchors by a focal loss.

    Args:
        backbone: Gives maps by name of `out_channels` channels.
        num_classes: Of objects.
        min_size, max_size, image_mean, image_std: See `GeneralizedRCNNTransform`.
        anchor_generator, head, proposal_matcher: Other parts than the usual ones.
        score_thresh, nms_thresh, detections_per_img, topk_candidates: Least score, see `nms`, most results of an image, and of a map.
        fg_iou_thresh, bg_iou_thresh: Overlaps from which on an anchor is an object, and below which it is none.
    """

    def __init__(self, backbone, num_classes, min_size=800, max_size=1333, image_mean=None, image_std=None, anchor_generator=None, head=None,
                 proposal_matcher=None, score_thresh=0.05, nms_thresh=0.5, detections_per_img=300, fg_iou_thresh=0.5, bg_iou_thresh=0.4,
                 topk_candidates=1000, **kwargs):
        super().__init__()
        need_channels(backbone)
        need_type("anchor_generator", anchor_generator, AnchorGenerator)
        self.backbone = backbone
        self.anchor_generator = anchor_generator or _default_anchorgen()
        self.head = head or RetinaNetHead(backbone.out_channels, self.anchor_generator.num_anchors_per_location()[0], num_classes)
        self.proposal_matcher = proposal_matcher or det_utils.Matcher(fg_iou_thresh, bg_iou_thresh, allow_low_quality_matches=True)
        self.box_coder = det_utils.BoxCoder(weights=(1.0, 1.0, 1.0, 1.0))
        self.transform = GeneralizedRCNNTransform(min_size, max_size, image_mean or IMAGE_MEAN, image_std or IMAGE_STD, **kwargs)
        self.score_thresh, self.nms_thresh = score_thresh, nms_thresh
        self.detections_per_img, self.topk_candidates = detections_per_img, topk_candidates

    def compute_loss(self, targets, head_outputs, anchors):
        return self.head.compute_loss(targets, head_outputs, anchors, overlapping(self.proposal_matcher, targets, anchors))


@register(backbone="resnet50", positional=("num_classes",))
def retinanet_resnet50_fpn(*, weights=None, num_classes=None, weights_backbone=None, trainable_backbone_layers=None, **kwargs):
    """RetinaNet on a pyramid of ResNet-50."""
    backbone = settled_resnet(weights, weights_backbone, trainable_backbone_layers, p6_channels=256)
    model = RetinaNet(backbone, num_classes or 91, **kwargs)
    if weights is not None:
        det_utils.overwrite_eps(model, 0.0)
    return model


@register(backbone=("resnet50", None), positional=("num_classes",))
def retinanet_resnet50_fpn_v2(*, weights=None, num_classes=None, weights_backbone=None, trainable_backbone_layers=None, **kwargs):
    """The second version of RetinaNet on a pyramid of ResNet-50."""
    backbone = settled_resnet(weights, weights_backbone, trainable_backbone_layers, learning_norms=True, p6_channels=2048)
    anchors, num_classes = _default_anchorgen(), num_classes or 91
    head = RetinaNetHead(backbone.out_channels, anchors.num_anchors_per_location()[0], num_classes, norm_layer=partial(nn.GroupNorm, 32))
    head.regression_head._loss_type = "giou"
    return RetinaNet(backbone, num_classes, anchor_generator=anchors, head=head, **kwargs)
