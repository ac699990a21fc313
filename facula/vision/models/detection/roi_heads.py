"""The second stage of R-CNN detectors: classes, boxes, masks and points of proposed regions."""

from __future__ import annotations

import facula
from facula import nn
from facula.nn import functional as F

from ...ops import boxes as box_ops
from . import _utils as det_utils
from .keypoints import heatmaps_to_keypoints, keypointrcnn_inference, keypointrcnn_loss, keypoints_to_heatmap  # noqa: F401
from .masks import (expand_boxes, expand_masks, maskrcnn_inference, maskrcnn_loss, paste_mask_in_image,  # noqa: F401
                    paste_masks_in_image, project_masks_on_boxes)


def fastrcnn_loss(class_logits, box_regression, labels, regression_targets):
    """Losses of classes and, where there is an object, of the boxes of its class."""
    labels, targets = facula.cat(labels, dim=0), facula.cat(regression_targets, dim=0)
    positive = facula.where(labels > 0)[0]
    codes = box_regression.reshape(len(labels), -1, 4)[positive, labels[positive]]
    box_loss = F.smooth_l1_loss(codes, targets[positive], beta=1 / 9, reduction="sum")
    return F.cross_entropy(class_logits, labels), box_loss / labels.numel()


class RoIHeads(nn.Module):
    """Heads on pooled regions: one for boxes, and where they are given, others for masks and points.

    Args:
        box_roi_pool, box_head, box_predictor: Pooling, features, and scores of classes with codes of boxes.
        fg_iou_thresh, bg_iou_thresh: Overlaps from which on a proposal is an object, and below which it is none.
        batch_size_per_image, positive_fraction: See `BalancedPositiveNegativeSampler`.
        bbox_reg_weights: See `BoxCoder`; None for (10, 10, 5, 5).
        score_thresh: The least probability of a result.
        nms_thresh: See `nms`.
        detections_per_img: The most results of an image.
        mask_roi_pool, mask_head, mask_predictor, keypoint_roi_pool, keypoint_head, keypoint_predictor: As those for boxes.
    """

    def __init__(self, box_roi_pool, box_head, box_predictor, fg_iou_thresh, bg_iou_thresh, batch_size_per_image, positive_fraction,
                 bbox_reg_weights, score_thresh, nms_thresh, detections_per_img, mask_roi_pool=None, mask_head=None, mask_predictor=None,
                 keypoint_roi_pool=None, keypoint_head=None, keypoint_predictor=None):
        super().__init__()
        self.box_similarity = box_ops.box_iou
        self.proposal_matcher = det_utils.Matcher(fg_iou_thresh, bg_iou_thresh, allow_low_quality_matches=False)
        self.fg_bg_sampler = det_utils.BalancedPositiveNegativeSampler(batch_size_per_image, positive_fraction)
        self.box_coder = det_utils.BoxCoder(bbox_reg_weights or (10.0, 10.0, 5.0, 5.0))
        self.box_roi_pool, self.box_head, self.box_predictor = box_roi_pool, box_head, box_predictor
        self.score_thresh, self.nms_thresh, self.detections_per_img = score_thresh, nms_thresh, detections_per_img
        self.mask_roi_pool, self.mask_head, self.mask_predictor = mask_roi_pool, mask_head, mask_predictor
        self.keypoint_roi_pool, self.keypoint_head, self.keypoint_predictor = keypoint_roi_pool, keypoint_head, keypoint_predictor

    def has_mask(self):
        return None not in (self.mask_roi_pool, self.mask_head, self.mask_predictor)

    def has_keypoint(self):
        return None not in (self.keypoint_roi_pool, self.keypoint_head, self.keypoint_predictor)

    # ---- choosing what to learn from
    def assign_targets_to_proposals(self, proposals, gt_boxes, gt_labels):
        """Of each proposal the true box's index and its label (0 background, -1 neither)."""
        indices, labels = [], []
        for own, boxes, classes in zip(proposals, gt_boxes, gt_labels):
            if boxes.numel() == 0:
                indices.append(facula.zeros((own.shape[0],), dtype=facula.int64, device=own.device))
                labels.append(indices[-1].clone())
                continue
            match = self.proposal_matcher(self.box_similarity(boxes, own))
            indices.append(match.clamp(min=0))
            label = classes[indices[-1]].to(dtype=facula.int64)
            label = facula.where(match == self.proposal_matcher.BELOW_LOW_THRESHOLD, 0, label)
            labels.append(facula.where(match == self.proposal_matcher.BETWEEN_THRESHOLDS, -1, label))
        return indices, labels

    def subsample(self, labels):
        return [facula.where(p | n)[0] for p, n in zip(*self.fg_bg_sampler(labels))]

    def add_gt_proposals(self, proposals, gt_boxes):
        return [facula.cat([own, boxes]) for own, boxes in zip(proposals, gt_boxes)]

    def check_targets(self, targets):
        if targets is None:
            raise ValueError("targets should not be None")
        for name in ("boxes", "labels", *(("masks",) if self.has_mask() else ())):
            if not all(name in t for t in targets):
                raise ValueError(f"Every element of targets should have a {name} key")

    def select_training_samples(self, proposals, targets):
        """Proposals to learn from, with indices of true boxes, labels, and codes of the true boxes."""
        self.check_targets(targets)
        boxes, labels = [t["boxes"].to(proposals[0].dtype) for t in targets], [t["labels"] for t in targets]
        proposals = self.add_gt_proposals(proposals, boxes)
        indices, labels = self.assign_targets_to_proposals(proposals, boxes, labels)
        sampled = self.subsample(labels)
        proposals, labels, indices = ([v[s] for v, s in zip(values, sampled)] for values in (proposals, labels, indices))
        boxes = [b if b.numel() else b.new_zeros((1, 4)) for b in boxes]
        return proposals, indices, labels, self.box_coder.encode([b[i] for b, i in zip(boxes, indices)], proposals)

    # ---- results
    def postprocess_detections(self, class_logits, box_regression, proposals, image_shapes):
        """Boxes, scores and labels of each image after suppression."""
        counts, classes = [p.shape[0] for p in proposals], class_logits.shape[-1]
        all_boxes = self.box_coder.decode(box_regression, proposals).split(counts, 0)
        all_scores = F.softmax(class_logits, -1).split(counts, 0)
        found = []
        for boxes, scores, shape in zip(all_boxes, all_scores, image_shapes):
            boxes = box_ops.clip_boxes_to_image(boxes, shape)
            labels = facula.arange(classes, device=class_logits.device).view(1, -1).expand_as(scores)
            boxes, scores, labels = boxes[:, 1:].reshape(-1, 4), scores[:, 1:].reshape(-1), labels[:, 1:].reshape(-1)  # no background
            keep = facula.where(scores > self.score_thresh)[0]
            keep = keep[box_ops.remove_small_boxes(boxes[keep], min_size=1e-2)]
            boxes, scores, labels = boxes[keep], scores[keep], labels[keep]
            keep = box_ops.batched_nms(boxes, scores, labels, self.nms_thresh)[:self.detections_per_img]
            found.append((boxes[keep], scores[keep], labels[keep]))
        return tuple(list(column) for column in zip(*found))

    def _check_dtypes(self, targets):
        for t in targets or ():
            if t["boxes"].dtype not in (facula.float32, facula.float64, facula.float16):
                raise TypeError(f"target boxes must of float type, instead got {t['boxes'].dtype}")
            if t["labels"].dtype != facula.int64:
                raise TypeError(f"target labels must of int64 type, instead got {t['labels'].dtype}")
            if self.has_keypoint() and t["keypoints"].dtype != facula.float32:
                raise TypeError(f"target keypoints must of float type, instead got {t['keypoints'].dtype}")

    def forward(self, features, proposals, image_shapes, targets=None):
        """Args:
            features: Maps by name.
            proposals: Boxes of each image.
            image_shapes: (height, width) of each image.
            targets: Dicts with "boxes", "labels", and where they are learnt "masks" and "keypoints", in training.

        Returns:
            A list of dicts of results (empty in training), and a dict of losses.
        """
        self._check_dtypes(targets)
        indices = labels = None
        if self.training:
            proposals, indices, labels, codes = self.select_training_samples(proposals, targets)
        scores, deltas = self.box_predictor(self.box_head(self.box_roi_pool(features, proposals, image_shapes)))
        result, losses = [], {}
        if self.training:
            losses["loss_classifier"], losses["loss_box_reg"] = fastrcnn_loss(scores, deltas, labels, codes)
            kept = [facula.where(label > 0)[0] for label in labels]
            proposals, indices = ([v[k] for v, k in zip(values, kept)] for values in (proposals, indices))
        else:
            boxes, probabilities, classes = self.postprocess_detections(scores, deltas, proposals, image_shapes)
            result = [{"boxes": b, "labels": c, "scores": s} for b, s, c in zip(boxes, probabilities, classes)]
            proposals = boxes
        if self.has_mask():
            logits = self.mask_predictor(self.mask_head(self.mask_roi_pool(features, proposals, image_shapes)))
            if self.training:
                losses["loss_mask"] = maskrcnn_loss(logits, proposals, [t["masks"] for t in targets], [t["labels"] for t in targets], indices)
            else:
                for r, m in zip(result, maskrcnn_inference(logits, [r["labels"] for r in result])):
                    r["masks"] = m
        if self.has_keypoint():
            logits = self.keypoint_predictor(self.keypoint_head(self.keypoint_roi_pool(features, proposals, image_shapes)))
            if self.training:
                losses["loss_keypoint"] = keypointrcnn_loss(logits, proposals, [t["keypoints"] for t in targets], indices)
            else:
                for r, points, marks in zip(result, *keypointrcnn_inference(logits, proposals)):
                    r["keypoints"], r["keypoints_scores"] = points, marks
        return result, losses
