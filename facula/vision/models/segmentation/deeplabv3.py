"""DeepLab v3. Source: Chen et al., arXiv 1706.05587."""

from __future__ import annotations

import facula
from facula import nn
from facula.nn import functional as F

from .. import mobilenetv3
from .._api import register, register_all
from .._utils import IntermediateLayerGetter, strided_stages
from ._utils import _SimpleSegmentationModel, dilated_resnet, settled
from .fcn import FCNHead

__all__ = ["DeepLabV3", "deeplabv3_mobilenet_v3_large"]


class DeepLabV3(_SimpleSegmentationModel):
    """See `_SimpleSegmentationModel`."""


class ASPPConv(nn.Sequential):
    """A dilated convolution, normalised."""

    def __init__(self, in_channels, out_channels, dilation):
        super().__init__(nn.Conv2d(in_channels, out_channels, 3, padding=dilation, dilation=dilation, bias=False), nn.BatchNorm2d(out_channels),
                         nn.ReLU())


class ASPPPooling(nn.Sequential):
    """The mean of the whole map, everywhere."""

    def __init__(self, in_channels, out_channels):
        super().__init__(nn.AdaptiveAvgPool2d(1), nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels), nn.ReLU())

    def forward(self, x):
        return F.interpolate(super().forward(x), size=x.shape[-2:], mode="bilinear", align_corners=False)


class ASPP(nn.Module):
    """A map seen through convolutions of several dilations at once."""

    def __init__(self, in_channels, atrous_rates, out_channels=256):
        super().__init__()
        point = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels), nn.ReLU())
        self.convs = nn.ModuleList([point, *(ASPPConv(in_channels, out_channels, rate) for rate in atrous_rates),
                                    ASPPPooling(in_channels, out_channels)])
        self.project = nn.Sequential(nn.Conv2d(len(self.convs) * out_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels),
                                     nn.ReLU(), nn.Dropout(0.5))

    def forward(self, x):
        return self.project(facula.cat([conv(x) for conv in self.convs], dim=1))


class DeepLabHead(nn.Sequential):
    """`ASPP`, a 3x3 convolution, the classes."""

    def __init__(self, in_channels, num_classes, atrous_rates=(12, 24, 36)):
        super().__init__(ASPP(in_channels, atrous_rates), nn.Conv2d(256, 256, 3, padding=1, bias=False), nn.BatchNorm2d(256), nn.ReLU(),
                         nn.Conv2d(256, num_classes, 1))


def _deeplabv3(resnet, weights, num_classes=None, aux_loss=None, weights_backbone=None):
    num_classes, aux_loss = settled(weights, num_classes, aux_loss)
    backbone = dilated_resnet(resnet, weights_backbone, aux_loss)
    second = FCNHead(1024, num_classes) if aux_loss else None
    return DeepLabV3(backbone, DeepLabHead(2048, num_classes), second)


@register(backbone="mobilenet_v3_large", positional=("num_classes", "aux_loss"))
def deeplabv3_mobilenet_v3_large(*, weights=None, num_classes=None, aux_loss=None, weights_backbone=None):
    """DeepLab v3 on MobileNet v3."""
    num_classes, aux_loss = settled(weights, num_classes, aux_loss)
    features = mobilenetv3.mobilenet_v3_large(weights=weights_backbone, dilated=True).features
    stages = strided_stages(features)
    last, earlier = stages[-1], stages[-4]
    backbone = IntermediateLayerGetter(features, {str(last): "out", **({str(earlier): "aux"} if aux_loss else {})})
    second = FCNHead(features[earlier].out_channels, num_classes) if aux_loss else None
    return DeepLabV3(backbone, DeepLabHead(features[last].out_channels, num_classes), second)


_MODELS = {"deeplabv3_resnet50": ("resnet50",), "deeplabv3_resnet101": ("resnet101",)}
register_all(globals(), _deeplabv3, _MODELS, backbone=lambda resnet: resnet, positional=("num_classes", "aux_loss"))
__all__ += _MODELS
