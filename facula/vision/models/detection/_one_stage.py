"""Detectors of one stage: predictions for every anchor, suppressed."""

from __future__ import annotations

import facula
from facula import nn

from ...ops import boxes as box_ops
from . import _utils as det_utils


class OneStage(nn.Module):
    """Images of any sizes to objects; in training, with targets, to losses.

    A subclass has `backbone`, `anchor_generator`, `head` and `transform`, `compute_loss`, and `postprocess_detections`.
    """

    def eager_outputs(self, losses, detections):
        return losses if self.training else detections

    def forward(self, images, targets=None):
        """Args:
            images: Tensors (channels, height, width) with values in [0, 1].
            targets: In training dicts with "boxes" (n, 4) and "labels" (n,).

        Returns:
            A dict of losses in training, else a list of dicts with "boxes", "scores" and "labels".
        """
        if self.training:
            det_utils.check_targets(targets)
        sizes = det_utils.sizes_of(images)
        images, targets = self.transform(images, targets)
        det_utils.check_boxes(targets)
        features = list(det_utils.named(self.backbone(images.tensors)).values())
        outputs = self.head(features)
        anchors = self.anchor_generator(images, features)
        if self.training:
            return self.losses(targets, outputs, anchors, features)
        detections = self.detect(outputs, anchors, features, images.image_sizes)
        return self.transform.postprocess(detections, images.image_sizes, sizes)

    def losses(self, targets, outputs, anchors, features):
        return self.compute_loss(targets, outputs, anchors)

    def detect(self, outputs, anchors, features, image_sizes):
        return self.postprocess_detections(outputs, anchors, image_sizes)


class Dense(OneStage):
    """A detector whose predictions are filtered map by map.

    A subclass has the attributes `score_thresh`, `nms_thresh`, `detections_per_img` and `topk_candidates`.
    """

    def counts(self, features, anchors):
        """Anchors of each map."""
        pixels = [f.shape[-2] * f.shape[-1] for f in features]
        return [n * (len(anchors[0]) // sum(pixels)) for n in pixels]

    def detect(self, outputs, anchors, features, image_sizes):
        counts = self.counts(features, anchors)
        levels = {name: list(v.split(counts, dim=1)) for name, v in outputs.items()}
        return self.postprocess_detections(levels, [list(a.split(counts)) for a in anchors], image_sizes)

    def postprocess_detections(self, head_outputs, anchors, image_shapes):
        detections = []
        for i, shape in enumerate(image_shapes):
            found = [self._candidates({name: v[level][i] for name, v in head_outputs.items()}, own, shape) for level, own in enumerate(anchors[i])]
            boxes, scores, labels = (facula.cat(column, dim=0) for column in zip(*found))
            keep = box_ops.batched_nms(boxes, scores, labels, self.nms_thresh)[:self.detections_per_img]
            detections.append({"boxes": boxes[keep], "scores": scores[keep], "labels": labels[keep]})
        return detections

    def _candidates(self, outputs, anchors, shape):
        """The best predictions of one map of one image: boxes, scores, labels."""
        classes = outputs["cls_logits"].shape[-1]
        scores = self.scores(outputs).flatten()
        members = facula.where(scores > self.score_thresh)[0]
        scores, best = scores[members].topk(min(self.topk_candidates, members.size(0)))
        members = members[best]
        at = facula.div(members, classes, rounding_mode="floor")
        boxes = self.box_coder.decode_single(outputs["bbox_regression"][at], anchors[at]) if hasattr(self.box_coder, "decode_single") else \
            self.box_coder.decode(outputs["bbox_regression"][at], anchors[at])
        return box_ops.clip_boxes_to_image(boxes, shape), scores, members % classes

    def scores(self, outputs):
        return facula.sigmoid(outputs["cls_logits"])
