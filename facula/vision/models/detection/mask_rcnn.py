"""Mask R-CNN. Source: He et al., arXiv 1703.06870."""

from __future__ import annotations

from collections import OrderedDict

from facula import nn

from ...ops.misc import Conv2dNormActivation
from ...ops.poolers import MultiScaleRoIAlign
from .._api import register
from .._init import fan_out
from . import _utils as det_utils
from .backbone_utils import settled_resnet
from .faster_rcnn import FasterRCNN, need_one, need_type, second_version

__all__ = ["MaskRCNN", "maskrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn_v2"]


class MaskRCNN(FasterRCNN):
    """Faster R-CNN with a mask for every object; for arguments see there and `RoIHeads`."""

    def __init__(self, backbone, num_classes=None, *args, mask_roi_pool=None, mask_head=None, mask_predictor=None, **kwargs):
        need_type("mask_roi_pool", mask_roi_pool, MultiScaleRoIAlign)
        need_one(num_classes, mask_predictor, "mask_predictor")
        pool = mask_roi_pool or MultiScaleRoIAlign(featmap_names=["0", "1", "2", "3"], output_size=14, sampling_ratio=2)
        head = mask_head or MaskRCNNHeads(backbone.out_channels, (256,) * 4, 1)
        predictor = mask_predictor or MaskRCNNPredictor(256, 256, num_classes)
        super().__init__(backbone, num_classes, *args, **kwargs)
        self.roi_heads.mask_roi_pool, self.roi_heads.mask_head, self.roi_heads.mask_predictor = pool, head, predictor


class MaskRCNNHeads(nn.Sequential):
    """3x3 convolutions."""

    _version = 2

    def __init__(self, in_channels, layers, dilation, norm_layer=None):
        blocks = []
        for out in layers:
            blocks.append(Conv2dNormActivation(in_channels, out, kernel_size=3, stride=1, padding=dilation, dilation=dilation, norm_layer=norm_layer))
            in_channels = out
        super().__init__(*blocks)
        det_utils.initialize(self, fan_out)

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *args):
        if local_metadata.get("version") is None or local_metadata["version"] < 2:  # the convolutions had names once
            for i in range(len(self)):
                for kind in ("weight", "bias"):
                    if f"{prefix}mask_fcn{i + 1}.{kind}" in state_dict:
                        state_dict[f"{prefix}{i}.0.{kind}"] = state_dict.pop(f"{prefix}mask_fcn{i + 1}.{kind}")
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


class MaskRCNNPredictor(nn.Sequential):
    """A map of twice the side for every class."""

    def __init__(self, in_channels, dim_reduced, num_classes):
        super().__init__(OrderedDict(conv5_mask=nn.ConvTranspose2d(in_channels, dim_reduced, 2, 2, 0), relu=nn.ReLU(inplace=True),
                                     mask_fcn_logits=nn.Conv2d(dim_reduced, num_classes, 1, 1, 0)))
        for name, p in self.named_parameters():
            if "weight" in name:
                fan_out(p)


@register(backbone="resnet50", positional=("num_classes",))
def maskrcnn_resnet50_fpn(*, weights=None, num_classes=None, weights_backbone=None, trainable_backbone_layers=None, **kwargs):
    """Mask R-CNN on a pyramid of ResNet-50."""
    model = MaskRCNN(settled_resnet(weights, weights_backbone, trainable_backbone_layers), num_classes=num_classes or 91, **kwargs)
    if weights is not None:
        det_utils.overwrite_eps(model, 0.0)
    return model


@register(backbone=("resnet50", None), positional=("num_classes",))
def maskrcnn_resnet50_fpn_v2(*, weights=None, num_classes=None, weights_backbone=None, trainable_backbone_layers=None, **kwargs):
    """The second version of Mask R-CNN on a pyramid of ResNet-50."""
    backbone, parts = second_version(weights, weights_backbone, trainable_backbone_layers)
    mask_head = MaskRCNNHeads(backbone.out_channels, [256] * 4, 1, norm_layer=nn.BatchNorm2d)
    return MaskRCNN(backbone, num_classes=num_classes or 91, mask_head=mask_head, **parts, **kwargs)
