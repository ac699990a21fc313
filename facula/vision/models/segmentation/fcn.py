"""Fully convolutional networks. Source: Long, Shelhamer and Darrell, arXiv 1411.4038."""

from __future__ import annotations

from facula import nn

from .._api import register_all
from ._utils import _SimpleSegmentationModel, dilated_resnet, settled

__all__ = ["FCN"]


class FCN(_SimpleSegmentationModel):
    """See `_SimpleSegmentationModel`."""


class FCNHead(nn.Sequential):
    """A 3x3 convolution to a quarter of the channels, then the classes."""

    def __init__(self, in_channels, channels):
        middle = in_channels // 4
        super().__init__(nn.Conv2d(in_channels, middle, 3, padding=1, bias=False), nn.BatchNorm2d(middle), nn.ReLU(), nn.Dropout(0.1),
                         nn.Conv2d(middle, channels, 1))


def _fcn(resnet, weights, num_classes=None, aux_loss=None, weights_backbone=None):
    num_classes, aux_loss = settled(weights, num_classes, aux_loss)
    backbone = dilated_resnet(resnet, weights_backbone, aux_loss)
    second = FCNHead(1024, num_classes) if aux_loss else None
    return FCN(backbone, FCNHead(2048, num_classes), second)


_MODELS = {"fcn_resnet50": ("resnet50",), "fcn_resnet101": ("resnet101",)}
register_all(globals(), _fcn, _MODELS, backbone=lambda resnet: resnet, positional=("num_classes", "aux_loss"))
__all__ += _MODELS
