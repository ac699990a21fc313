"""SSD. Source: Liu et al., arXiv 1512.02325."""

from __future__ import annotations

import warnings
from collections import OrderedDict

import facula
from facula import nn
from facula.nn import functional as F

from ...ops import boxes as box_ops
from .. import vgg
from .._api import register
from . import _utils as det_utils
from ._one_stage import OneStage
from .anchor_utils import DefaultBoxGenerator
from .backbone_utils import _validate_trainable_layers, frozen_features
from .faster_rcnn import IMAGE_MEAN, IMAGE_STD
from .retinanet import overlapping
from .transform import GeneralizedRCNNTransform

__all__ = ["SSD", "ssd300_vgg16"]


def _xavier_init(module):
    det_utils.initialize(module, nn.init.xavier_uniform_)


class SSDHead(nn.Module):
    """Classes and boxes."""

    def __init__(self, in_channels, num_anchors, num_classes):
        super().__init__()
        self.classification_head = SSDClassificationHead(in_channels, num_anchors, num_classes)
        self.regression_head = SSDRegressionHead(in_channels, num_anchors)

    def forward(self, x):
        return {"bbox_regression": self.regression_head(x), "cls_logits": self.classification_head(x)}


class SSDScoringHead(nn.Module):
    """A prediction module for each map; results (batch, anchors, columns)."""

    def __init__(self, module_list, num_columns):
        super().__init__()
        self.module_list, self.num_columns = module_list, num_columns

    def forward(self, x):
        return facula.cat([det_utils.columns_last(module(f), self.num_columns) for module, f in zip(self.module_list, x)], dim=1)


class SSDClassificationHead(SSDScoringHead):
    """Scores of classes."""

    def __init__(self, in_channels, num_anchors, num_classes):
        modules = nn.ModuleList(nn.Conv2d(c, num_classes * n, kernel_size=3, padding=1) for c, n in zip(in_channels, num_anchors))
        _xavier_init(modules)
        super().__init__(modules, num_classes)


class SSDRegressionHead(SSDScoringHead):
    """Four numbers that move each box."""

    def __init__(self, in_channels, num_anchors):
        modules = nn.ModuleList(nn.Conv2d(c, 4 * n, kernel_size=3, padding=1) for c, n in zip(in_channels, num_anchors))
        _xavier_init(modules)
        super().__init__(modules, 4)


class SSD(OneStage):
    """Classes of default boxes on maps of falling resolution.

    Args:
        backbone: Gives maps by name.
        anchor_generator: A `DefaultBoxGenerator`.
        size: (width, height) that images are resized to.
        num_classes: With the background.
        image_mean, image_std: Of channels.
        head: Another head than the usual one.
        score_thresh, nms_thresh, detections_per_img, topk_candidates: Least score, see `nms`, most results of an image, and of a class.
        iou_thresh: Overlap from which on a box is an object.
        positive_fraction: Positive examples among those that the loss counts.
    """

    def __init__(self, backbone, anchor_generator, size, num_classes, image_mean=None, image_std=None, head=None, score_thresh=0.01,
                 nms_thresh=0.45, detections_per_img=200, iou_thresh=0.5, topk_candidates=400, positive_fraction=0.25, **kwargs):
        super().__init__()
        self.backbone, self.anchor_generator = backbone, anchor_generator
        self.box_coder = det_utils.BoxCoder(weights=(10.0, 10.0, 5.0, 5.0))
        if head is None:
            channels = backbone.out_channels if hasattr(backbone, "out_channels") else det_utils.retrieve_out_channels(backbone, size)
            if len(channels) != len(anchor_generator.aspect_ratios):
                raise ValueError(f"The length of the output channels from the backbone ({len(channels)}) do not match the length of the anchor "
                                 f"generator aspect ratios ({len(anchor_generator.aspect_ratios)})")
            head = SSDHead(channels, anchor_generator.num_anchors_per_location(), num_classes)
        self.head = head
        self.proposal_matcher = det_utils.SSDMatcher(iou_thresh)
        self.transform = GeneralizedRCNNTransform(min(size), max(size), image_mean or IMAGE_MEAN, image_std or IMAGE_STD, size_divisible=1,
                                                  fixed_size=size, **kwargs)
        self.score_thresh, self.nms_thresh = score_thresh, nms_thresh
        self.detections_per_img, self.topk_candidates = detections_per_img, topk_candidates
        self.neg_to_pos_ratio = (1.0 - positive_fraction) / positive_fraction

    def losses(self, targets, outputs, anchors, features):
        return self.compute_loss(targets, outputs, anchors, overlapping(self.proposal_matcher, targets, anchors))

    def compute_loss(self, targets, head_outputs, anchors, matched_idxs):
        logits, count, box_losses, classes = head_outputs["cls_logits"], 0, [], []
        for target, codes, own, match in zip(targets, head_outputs["bbox_regression"], anchors, matched_idxs):
            foreground = facula.where(match >= 0)[0]
            matched, count = match[foreground], count + foreground.numel()
            wanted = self.box_coder.encode_single(target["boxes"][matched], own[foreground])
            box_losses.append(F.smooth_l1_loss(codes[foreground], wanted, reduction="sum"))
            classes.append(facula.zeros((len(own),), dtype=target["labels"].dtype, device=target["labels"].device))
            classes[-1][foreground] = target["labels"][matched]
        classes = facula.stack(classes)
        loss = F.cross_entropy(logits.view(-1, logits.size(-1)), classes.view(-1), reduction="none").view(classes.size())
        foreground = classes > 0
        # Of the background only the worst count, as many as the ratio allows.
        ranks = facula.where(foreground, -float("inf"), loss.detach()).sort(1, descending=True)[1].sort(1)[1]
        hard = ranks < self.neg_to_pos_ratio * foreground.sum(1, keepdim=True)
        count = max(1, count)
        return {"bbox_regression": facula.stack(box_losses).sum() / count, "classification": (loss[foreground].sum() + loss[hard].sum()) / count}

    def postprocess_detections(self, head_outputs, image_anchors, image_shapes):
        detections = []
        for codes, scores, anchors, shape in zip(head_outputs["bbox_regression"], F.softmax(head_outputs["cls_logits"], dim=-1), image_anchors,
                                                 image_shapes):
            boxes = box_ops.clip_boxes_to_image(self.box_coder.decode_single(codes, anchors), shape)
            found = [self._candidates(boxes, scores[:, label], label) for label in range(1, scores.size(-1))]
            boxes, scores, labels = (facula.cat(column, dim=0) for column in zip(*found))
            keep = box_ops.batched_nms(boxes, scores, labels, self.nms_thresh)[:self.detections_per_img]
            detections.append({"boxes": boxes[keep], "scores": scores[keep], "labels": labels[keep]})
        return detections

    def _candidates(self, boxes, scores, label):
        """The best boxes of one class."""
        members = facula.where(scores > self.score_thresh)[0]
        scores, best = scores[members].topk(min(self.topk_candidates, members.size(0)))
        return boxes[members[best]], scores, facula.full_like(scores, label, dtype=facula.int64)


def by_number(maps):
    return OrderedDict((str(i), m) for i, m in enumerate(maps))


class SSDFeatureExtractorVGG(nn.Module):
    """VGG's layers and smaller ones after them; the first map is scaled to learnt lengths.

    Args:
        backbone: VGG's `features`.
        highres: Whether there is one more map, for images of 512 pixels.
    """

    def __init__(self, backbone, highres):
        super().__init__()
        _, _, third, fourth, _ = (i for i, layer in enumerate(backbone) if isinstance(layer, nn.MaxPool2d))
        backbone[third].ceil_mode = True
        self.scale_weight = nn.Parameter(facula.ones(512) * 20)
        self.features = nn.Sequential(*backbone[:fourth])

        def extra(channels, middle, out, size=3, **how):
            return nn.Sequential(nn.Conv2d(channels, middle, kernel_size=1), nn.ReLU(inplace=True), nn.Conv2d(middle, out, kernel_size=size, **how),
                                 nn.ReLU(inplace=True))

        blocks = nn.ModuleList([extra(1024, 256, 512, padding=1, stride=2), extra(512, 128, 256, padding=1, stride=2), extra(256, 128, 256),
                                extra(256, 128, 256)])
        if highres:
            blocks.append(extra(256, 128, 256, 4))
        _xavier_init(blocks)
        fc = nn.Sequential(nn.MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=False),
                           nn.Conv2d(512, 1024, kernel_size=3, padding=6, dilation=6), nn.ReLU(inplace=True),
                           nn.Conv2d(1024, 1024, kernel_size=1), nn.ReLU(inplace=True))
        _xavier_init(fc)
        blocks.insert(0, nn.Sequential(*backbone[fourth:-1], fc))
        self.extra = blocks

    def forward(self, x):
        x = self.features(x)
        maps = [self.scale_weight.view(1, -1, 1, 1) * F.normalize(x)]
        for block in self.extra:
            x = block(x)
            maps.append(x)
        return by_number(maps)


def _vgg_extractor(backbone, highres, trainable_layers):
    features = backbone.features
    pools = [i for i, layer in enumerate(features) if isinstance(layer, nn.MaxPool2d)]
    frozen_features(features, [0, *pools[:-1]], trainable_layers)
    return SSDFeatureExtractorVGG(features, highres)


def without_size(kwargs):
    if "size" in kwargs:
        warnings.warn("The size of the model is already fixed; ignoring the parameter.", stacklevel=4)
        kwargs.pop("size")


@register(backbone=("vgg16", "IMAGENET1K_FEATURES"), positional=("num_classes",))
def ssd300_vgg16(*, weights=None, num_classes=None, weights_backbone=None, trainable_backbone_layers=None, **kwargs):
    """SSD for images of 300x300 on VGG-16."""
    without_size(kwargs)
    trained = weights is not None or weights_backbone is not None
    trainable = _validate_trainable_layers(trained, trainable_backbone_layers, 5, 4)
    backbone = _vgg_extractor(vgg.vgg16(weights=weights_backbone), False, trainable)
    anchors = DefaultBoxGenerator([[2], [2, 3], [2, 3], [2, 3], [2], [2]], scales=[0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05],
                                  steps=[8, 16, 32, 64, 100, 300])
    defaults = {"image_mean": [0.48235, 0.45882, 0.40784], "image_std": [1.0 / 255.0] * 3}  # as the first weights were trained
    return SSD(backbone, anchors, (300, 300), num_classes or 91, **{**defaults, **kwargs})
