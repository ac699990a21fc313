"""LR-ASPP. Source: Howard et al., arXiv 1905.02244, section 6.4."""

from __future__ import annotations

from collections import OrderedDict

from facula import nn
from facula.nn import functional as F

from .. import mobilenetv3
from .._api import register
from .._utils import IntermediateLayerGetter, strided_stages

__all__ = ["LRASPP", "lraspp_mobilenet_v3_large"]


class LRASPPHead(nn.Module):
    """A coarse map, scaled by its own mean, and a fine map, each classified; the sum."""

    def __init__(self, low_channels, high_channels, num_classes, inter_channels):
        super().__init__()
        self.cbr = nn.Sequential(nn.Conv2d(high_channels, inter_channels, 1, bias=False), nn.BatchNorm2d(inter_channels), nn.ReLU(inplace=True))
        self.scale = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(high_channels, inter_channels, 1, bias=False), nn.Sigmoid())
        self.low_classifier = nn.Conv2d(low_channels, num_classes, 1)
        self.high_classifier = nn.Conv2d(inter_channels, num_classes, 1)

    def forward(self, input):
        low, high = input["low"], input["high"]
        x = F.interpolate(self.cbr(high) * self.scale(high), size=low.shape[-2:], mode="bilinear", align_corners=False)
        return self.low_classifier(low) + self.high_classifier(x)


class LRASPP(nn.Module):
    """Scores of classes at the size of the image, under "out"; the backbone gives the maps "low" and "high"."""

    def __init__(self, backbone, low_channels, high_channels, num_classes, inter_channels=128):
        super().__init__()
        self.backbone = backbone
        self.classifier = LRASPPHead(low_channels, high_channels, num_classes, inter_channels)

    def forward(self, input):
        out = self.classifier(self.backbone(input))
        return OrderedDict(out=F.interpolate(out, size=input.shape[-2:], mode="bilinear", align_corners=False))


@register(backbone="mobilenet_v3_large", positional=("num_classes",))
def lraspp_mobilenet_v3_large(*, weights=None, num_classes=None, weights_backbone=None, aux_loss=None):
    """LR-ASPP on MobileNet v3."""
    if aux_loss:
        raise NotImplementedError("This model does not use auxiliary loss")
    features = mobilenetv3.mobilenet_v3_large(weights=weights_backbone, dilated=True).features
    stages = strided_stages(features)
    low, high = stages[-4], stages[-1]
    backbone = IntermediateLayerGetter(features, {str(low): "low", str(high): "high"})
    return LRASPP(backbone, features[low].out_channels, features[high].out_channels, 21 if num_classes is None else num_classes)
