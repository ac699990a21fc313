"""S3D. Source: Xie et al., arXiv 1712.04851."""

from __future__ import annotations

from functools import partial

import facula
from facula import nn

from ...ops.misc import Conv3dNormActivation
from .._api import register

__all__ = ["S3D", "s3d"]


class TemporalSeparableConv(nn.Sequential):
    """A convolution over space, then one over time."""

    def __init__(self, in_planes, out_planes, kernel_size, stride, padding, norm_layer):
        super().__init__(
            Conv3dNormActivation(in_planes, out_planes, kernel_size=(1, kernel_size, kernel_size), stride=(1, stride, stride),
                                 padding=(0, padding, padding), bias=False, norm_layer=norm_layer),
            Conv3dNormActivation(out_planes, out_planes, kernel_size=(kernel_size, 1, 1), stride=(stride, 1, 1), padding=(padding, 0, 0), bias=False,
                                 norm_layer=norm_layer))


class SepInceptionBlock3D(nn.Module):
    """Four branches side by side, of single pixels, two separated convolutions, and a pool."""

    def __init__(self, in_planes, b0_out, b1_mid, b1_out, b2_mid, b2_out, b3_out, norm_layer):
        super().__init__()
        point = partial(Conv3dNormActivation, kernel_size=1, stride=1, norm_layer=norm_layer)
        self.branch0 = point(in_planes, b0_out)
        self.branch1 = nn.Sequential(point(in_planes, b1_mid), TemporalSeparableConv(b1_mid, b1_out, 3, 1, 1, norm_layer))
        self.branch2 = nn.Sequential(point(in_planes, b2_mid), TemporalSeparableConv(b2_mid, b2_out, 3, 1, 1, norm_layer))
        self.branch3 = nn.Sequential(nn.MaxPool3d(kernel_size=(3, 3, 3), stride=1, padding=1), point(in_planes, b3_out))

    def forward(self, x):
        return facula.cat([self.branch0(x), self.branch1(x), self.branch2(x), self.branch3(x)], 1)


_HALF_SPACE = {"kernel_size": (1, 3, 3), "stride": (1, 2, 2), "padding": (0, 1, 1)}
_STAGES = (  # blocks: channels in, and of the branches; between them pools
    [(192, 64, 96, 128, 16, 32, 32), (256, 128, 128, 192, 32, 96, 64)], {"kernel_size": (3, 3, 3), "stride": (2, 2, 2), "padding": (1, 1, 1)},
    [(480, 192, 96, 208, 16, 48, 64), (512, 160, 112, 224, 24, 64, 64), (512, 128, 128, 256, 24, 64, 64), (512, 112, 144, 288, 32, 64, 64),
     (528, 256, 160, 320, 32, 128, 128)], {"kernel_size": (2, 2, 2), "stride": (2, 2, 2), "padding": (0, 0, 0)},
    [(832, 256, 160, 320, 32, 128, 128), (832, 384, 192, 384, 48, 128, 128)])


class S3D(nn.Module):
    """Inception with separated convolutions, for at least 14 frames of at least 224x224."""

    def __init__(self, num_classes=400, dropout=0.2, norm_layer=None):
        super().__init__()
        norm_layer = norm_layer or partial(nn.BatchNorm3d, eps=0.001, momentum=0.001)
        layers = [TemporalSeparableConv(3, 64, 7, 2, 3, norm_layer), nn.MaxPool3d(**_HALF_SPACE),
                  Conv3dNormActivation(64, 64, kernel_size=1, stride=1, norm_layer=norm_layer),
                  TemporalSeparableConv(64, 192, 3, 1, 1, norm_layer), nn.MaxPool3d(**_HALF_SPACE)]
        for stage in _STAGES:
            layers += [nn.MaxPool3d(**stage)] if isinstance(stage, dict) else [SepInceptionBlock3D(*sizes, norm_layer) for sizes in stage]
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AvgPool3d(kernel_size=(2, 7, 7), stride=1)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout), nn.Conv3d(1024, num_classes, kernel_size=1, stride=1, bias=True))

    def forward(self, x):
        return facula.mean(self.classifier(self.avgpool(self.features(x))), dim=(2, 3, 4))


@register
def s3d(*, weights=None, **kwargs):
    """S3D."""
    return S3D(**kwargs)
