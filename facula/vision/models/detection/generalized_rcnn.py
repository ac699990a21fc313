"""Detectors of two stages."""

from __future__ import annotations

from facula import nn

from . import _utils as det_utils


class GeneralizedRCNN(nn.Module):
    """Images of any sizes to objects; in training, with targets, to losses.

    Args:
        backbone: Gives feature maps of a batch.
        rpn: Proposes regions.
        roi_heads: Classifies them.
        transform: Makes the batch, and brings results back to the images' sizes.
    """

    def __init__(self, backbone, rpn, roi_heads, transform):
        super().__init__()
        self.transform, self.backbone, self.rpn, self.roi_heads = transform, backbone, rpn, roi_heads

    def eager_outputs(self, losses, detections):
        return losses if self.training else detections

    def forward(self, images, targets=None):
        """Args:
            images: Tensors (channels, height, width) with values in [0, 1].
            targets: In training dicts with "boxes" (n, 4), "labels" (n,), and what else is learnt.

        Returns:
            A dict of losses in training, else a list of dicts.
        """
        if self.training:
            det_utils.check_targets(targets)
        sizes = det_utils.sizes_of(images)
        images, targets = self.transform(images, targets)
        det_utils.check_boxes(targets)
        features = det_utils.named(self.backbone(images.tensors))
        proposals, losses = self.rpn(images, features, targets)
        detections, head_losses = self.roi_heads(features, proposals, images.image_sizes, targets)
        detections = self.transform.postprocess(detections, images.image_sizes, sizes)
        return self.eager_outputs({**head_losses, **losses}, detections)
