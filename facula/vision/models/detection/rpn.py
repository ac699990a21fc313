"""Region proposal networks. Source: Ren et al., arXiv 1506.01497."""

from __future__ import annotations

import facula
from facula import nn
from facula.nn import functional as F

from ...ops import boxes as box_ops
from ...ops.misc import Conv2dNormActivation
from .._init import normal
from . import _utils as det_utils
from .anchor_utils import AnchorGenerator  # noqa: F401 - looked for here
from .image_list import ImageList  # noqa: F401 - looked for here


class RPNHead(nn.Module):
    """For every anchor a score of being an object, and four numbers that move it."""

    _version = 2

    def __init__(self, in_channels, num_anchors, conv_depth=1):
        super().__init__()
        self.conv = nn.Sequential(*(Conv2dNormActivation(in_channels, in_channels, kernel_size=3, norm_layer=None) for _ in range(conv_depth)))
        self.cls_logits = nn.Conv2d(in_channels, num_anchors, kernel_size=1, stride=1)
        self.bbox_pred = nn.Conv2d(in_channels, num_anchors * 4, kernel_size=1, stride=1)
        det_utils.initialize(self, normal(0.01))

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *args):
        if local_metadata.get("version") is None or local_metadata["version"] < 2:  # the convolution stood alone once
            for kind in ("weight", "bias"):
                if f"{prefix}conv.{kind}" in state_dict:
                    state_dict[f"{prefix}conv.0.0.{kind}"] = state_dict.pop(f"{prefix}conv.{kind}")
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)

    def forward(self, x):
        maps = [self.conv(feature) for feature in x]
        return [self.cls_logits(m) for m in maps], [self.bbox_pred(m) for m in maps]


def concat_box_prediction_layers(box_cls, box_regression):
    """Predictions of all maps in the order of the anchors: (all anchors, 1) and (all anchors, 4)."""
    codes = [det_utils.columns_last(r, 4) for r in box_regression]
    scores = [det_utils.columns_last(c, c.shape[1] * 4 // r.shape[1]) for c, r in zip(box_cls, box_regression)]
    return facula.cat(scores, dim=1).flatten(0, -2), facula.cat(codes, dim=1).reshape(-1, 4)


class RegionProposalNetwork(nn.Module):
    """Boxes where an object may be, and in training the losses of finding them.

    Args:
        anchor_generator, head: Modules that give anchors and predictions.
        fg_iou_thresh, bg_iou_thresh: Overlaps from which on an anchor is an object, and below which it is none.
        batch_size_per_image, positive_fraction: See `BalancedPositiveNegativeSampler`.
        pre_nms_top_n, post_nms_top_n: Boxes kept before and after suppression: dicts with "training" and "testing".
        nms_thresh: See `nms`.
        score_thresh: The least probability.
    """

    def __init__(self, anchor_generator, head, fg_iou_thresh, bg_iou_thresh, batch_size_per_image, positive_fraction, pre_nms_top_n,
                 post_nms_top_n, nms_thresh, score_thresh=0.0):
        super().__init__()
        self.anchor_generator, self.head = anchor_generator, head
        self.box_coder = det_utils.BoxCoder(weights=(1.0, 1.0, 1.0, 1.0))
        self.box_similarity = box_ops.box_iou
        self.proposal_matcher = det_utils.Matcher(fg_iou_thresh, bg_iou_thresh, allow_low_quality_matches=True)
        self.fg_bg_sampler = det_utils.BalancedPositiveNegativeSampler(batch_size_per_image, positive_fraction)
        self._pre_nms_top_n, self._post_nms_top_n = pre_nms_top_n, post_nms_top_n
        self.nms_thresh, self.score_thresh, self.min_size = nms_thresh, score_thresh, 1e-3

    def pre_nms_top_n(self):
        return self._pre_nms_top_n["training" if self.training else "testing"]

    def post_nms_top_n(self):
        return self._post_nms_top_n["training" if self.training else "testing"]

    def assign_targets_to_anchors(self, anchors, targets):
        """Of each anchor the label (1 object, 0 none, -1 neither) and the true box."""
        labels, matched = [], []
        for own, target in zip(anchors, targets):
            boxes = target["boxes"]
            if boxes.numel() == 0:
                matched.append(facula.zeros_like(own))
                labels.append(facula.zeros((own.shape[0],), dtype=facula.float32, device=own.device))
                continue
            match = self.proposal_matcher(self.box_similarity(boxes, own))
            matched.append(boxes[match.clamp(min=0)])
            label = (match >= 0).to(dtype=facula.float32)
            labels.append(facula.where(match == self.proposal_matcher.BETWEEN_THRESHOLDS, -1.0, label))
        return labels, matched

    def _get_top_n_idx(self, objectness, num_anchors_per_level):
        found, offset = [], 0
        for scores in objectness.split(num_anchors_per_level, 1):
            found.append(scores.topk(min(self.pre_nms_top_n(), scores.shape[1]), dim=1)[1] + offset)
            offset += scores.shape[1]
        return facula.cat(found, dim=1)

    def filter_proposals(self, proposals, objectness, image_shapes, num_anchors_per_level):
        """The best boxes of each image and their probabilities, by one suppression a map."""
        images = proposals.shape[0]
        objectness = objectness.detach().reshape(images, -1)
        levels = facula.cat([facula.full((n,), i, dtype=facula.int64, device=proposals.device) for i, n in enumerate(num_anchors_per_level)])
        levels = levels.reshape(1, -1).expand_as(objectness)
        top = self._get_top_n_idx(objectness, num_anchors_per_level)
        rows = facula.arange(images, device=proposals.device)[:, None]
        probabilities, levels, proposals = facula.sigmoid(objectness[rows, top]), levels[rows, top], proposals[rows, top]
        final_boxes, final_scores = [], []
        for boxes, scores, level, shape in zip(proposals, probabilities, levels, image_shapes):
            boxes = box_ops.clip_boxes_to_image(boxes, shape)
            keep = box_ops.remove_small_boxes(boxes, self.min_size)
            keep = keep[facula.where(scores[keep] >= self.score_thresh)[0]]
            boxes, scores, level = boxes[keep], scores[keep], level[keep]
            keep = box_ops.batched_nms(boxes, scores, level, self.nms_thresh)[:self.post_nms_top_n()]
            final_boxes.append(boxes[keep])
            final_scores.append(scores[keep])
        return final_boxes, final_scores

    def compute_loss(self, objectness, pred_bbox_deltas, labels, regression_targets):
        """Losses of scores and of boxes."""
        positive, negative = (facula.where(facula.cat(masks, dim=0))[0] for masks in self.fg_bg_sampler(labels))
        sampled = facula.cat([positive, negative], dim=0)
        labels, targets = facula.cat(labels, dim=0), facula.cat(regression_targets, dim=0)
        box_loss = F.smooth_l1_loss(pred_bbox_deltas[positive], targets[positive], beta=1 / 9, reduction="sum") / sampled.numel()
        return F.binary_cross_entropy_with_logits(objectness.flatten()[sampled], labels[sampled]), box_loss

    def forward(self, images, features, targets=None):
        """Args:
            images: An `ImageList`.
            features: Maps by name.
            targets: Dicts with "boxes", in training.

        Returns:
            Boxes of each image, and a dict of losses.
        """
        features = list(features.values())
        objectness, deltas = self.head(features)
        anchors = self.anchor_generator(images, features)
        counts = [o[0].numel() for o in objectness]
        objectness, deltas = concat_box_prediction_layers(objectness, deltas)
        proposals = self.box_coder.decode(deltas.detach(), anchors).view(len(anchors), -1, 4)
        boxes, _ = self.filter_proposals(proposals, objectness, images.image_sizes, counts)
        if not self.training:
            return boxes, {}
        if targets is None:
            raise ValueError("targets should not be None")
        labels, matched = self.assign_targets_to_anchors(anchors, targets)
        objectness_loss, box_loss = self.compute_loss(objectness, deltas, labels, self.box_coder.encode(matched, anchors))
        return boxes, {"loss_objectness": objectness_loss, "loss_rpn_box_reg": box_loss}
