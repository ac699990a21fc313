"""Keypoint R-CNN. Source: He et al., arXiv 1703.06870, section 5."""

from __future__ import annotations

from facula import nn
from facula.nn import functional as F

from ...ops.poolers import MultiScaleRoIAlign
from .._api import fix, register
from .._init import fan_out
from . import _utils as det_utils
from .backbone_utils import settled_resnet
from .faster_rcnn import FasterRCNN, need_type

__all__ = ["KeypointRCNN", "keypointrcnn_resnet50_fpn"]


class KeypointRCNN(FasterRCNN):
    """Faster R-CNN with `num_keypoints` points for every object; for arguments see there and `RoIHeads`."""

    def __init__(self, backbone, num_classes=None, min_size=None, *args, keypoint_roi_pool=None, keypoint_head=None, keypoint_predictor=None,
                 num_keypoints=None, **kwargs):
        need_type("keypoint_roi_pool", keypoint_roi_pool, MultiScaleRoIAlign)
        if num_classes is not None and keypoint_predictor is not None:
            raise ValueError("num_classes should be None when keypoint_predictor is specified")
        pool = keypoint_roi_pool or MultiScaleRoIAlign(featmap_names=["0", "1", "2", "3"], output_size=14, sampling_ratio=2)
        head = keypoint_head or KeypointRCNNHeads(backbone.out_channels, (512,) * 8)
        predictor = keypoint_predictor or KeypointRCNNPredictor(512, 17 if num_keypoints is None else num_keypoints)
        super().__init__(backbone, num_classes, min_size or (640, 672, 704, 736, 768, 800), *args, **kwargs)
        self.roi_heads.keypoint_roi_pool, self.roi_heads.keypoint_head, self.roi_heads.keypoint_predictor = pool, head, predictor


class KeypointRCNNHeads(nn.Sequential):
    """3x3 convolutions."""

    def __init__(self, in_channels, layers):
        blocks = []
        for out in layers:
            blocks += [nn.Conv2d(in_channels, out, 3, stride=1, padding=1), nn.ReLU(inplace=True)]
            in_channels = out
        super().__init__(*blocks)
        det_utils.initialize(self, fan_out)


class KeypointRCNNPredictor(nn.Module):
    """A map of four times the side for every point."""

    def __init__(self, in_channels, num_keypoints):
        super().__init__()
        self.kps_score_lowres = nn.ConvTranspose2d(in_channels, num_keypoints, 4, stride=2, padding=1)
        fan_out(self.kps_score_lowres.weight)
        nn.init.zeros_(self.kps_score_lowres.bias)
        self.up_scale, self.out_channels = 2, num_keypoints

    def forward(self, x):
        return F.interpolate(self.kps_score_lowres(x), scale_factor=float(self.up_scale), mode="bilinear", align_corners=False,
                             recompute_scale_factor=False)


@register(backbone="resnet50", positional=("num_classes", "num_keypoints"))
def keypointrcnn_resnet50_fpn(*, weights=None, num_classes=None, num_keypoints=None, weights_backbone=None, trainable_backbone_layers=None,
                              **kwargs):
    """Keypoint R-CNN on a pyramid of ResNet-50."""
    chosen = {"num_keypoints": num_keypoints}
    if weights is not None:
        fix(chosen, "num_keypoints", len(weights.meta["keypoint_names"]))
    backbone = settled_resnet(weights, weights_backbone, trainable_backbone_layers)
    model = KeypointRCNN(backbone, num_classes or 2, num_keypoints=chosen["num_keypoints"] or 17, **kwargs)
    if weights is not None and weights.name in ("COCO_V1", "DEFAULT"):
        det_utils.overwrite_eps(model, 0.0)
    return model
