"""SSDlite. Source: Sandler et al., arXiv 1801.04381, section 6.2, and Howard et al., arXiv 1905.02244, section 6.3."""

from __future__ import annotations

from functools import partial

from facula import nn

from ...ops.misc import Conv2dNormActivation
from .. import mobilenetv3
from .._api import register
from .._init import normal
from .._utils import strided_stages
from . import _utils as det_utils
from .anchor_utils import DefaultBoxGenerator
from .backbone_utils import _validate_trainable_layers, frozen_features
from .ssd import SSD, SSDScoringHead, by_number, without_size

__all__ = ["ssdlite320_mobilenet_v3_large"]


def _prediction_block(in_channels, out_channels, kernel_size, norm_layer):
    return nn.Sequential(Conv2dNormActivation(in_channels, in_channels, kernel_size=kernel_size, groups=in_channels, norm_layer=norm_layer,
                                              activation_layer=nn.ReLU6), nn.Conv2d(in_channels, out_channels, 1))


def _extra_block(in_channels, out_channels, norm_layer):
    middle, conv = out_channels // 2, partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.ReLU6)
    return nn.Sequential(conv(in_channels, middle, kernel_size=1), conv(middle, middle, kernel_size=3, stride=2, groups=middle),
                         conv(middle, out_channels, kernel_size=1))


def _normal_init(module):
    det_utils.initialize(module, normal(0.03))


class SSDLiteHead(nn.Module):
    """Classes and boxes."""

    def __init__(self, in_channels, num_anchors, num_classes, norm_layer):
        super().__init__()
        self.classification_head = SSDLiteClassificationHead(in_channels, num_anchors, num_classes, norm_layer)
        self.regression_head = SSDLiteRegressionHead(in_channels, num_anchors, norm_layer)

    def forward(self, x):
        return {"bbox_regression": self.regression_head(x), "cls_logits": self.classification_head(x)}


def _blocks(in_channels, outputs, norm_layer):
    modules = nn.ModuleList(_prediction_block(c, n, 3, norm_layer) for c, n in zip(in_channels, outputs))
    _normal_init(modules)
    return modules


class SSDLiteClassificationHead(SSDScoringHead):
    """Scores of classes."""

    def __init__(self, in_channels, num_anchors, num_classes, norm_layer):
        super().__init__(_blocks(in_channels, [num_classes * n for n in num_anchors], norm_layer), num_classes)


class SSDLiteRegressionHead(SSDScoringHead):
    """Four numbers that move each box."""

    def __init__(self, in_channels, num_anchors, norm_layer):
        super().__init__(_blocks(in_channels, [4 * n for n in num_anchors], norm_layer), 4)


class SSDLiteFeatureExtractorMobileNet(nn.Module):
    """A MobileNet cut within its block `c4_pos`, and smaller layers after it."""

    def __init__(self, backbone, c4_pos, norm_layer, width_mult=1.0, min_depth=16):
        super().__init__()
        if backbone[c4_pos].use_res_connect:
            raise ValueError("backbone[c4_pos].use_res_connect should be False")
        self.features = nn.Sequential(nn.Sequential(*backbone[:c4_pos], backbone[c4_pos].block[0]),
                                      nn.Sequential(backbone[c4_pos].block[1:], *backbone[c4_pos + 1:]))
        sizes = [backbone[-1].out_channels, *(max(min_depth, int(n * width_mult)) for n in (512, 256, 256, 128))]
        extra = nn.ModuleList(_extra_block(a, b, norm_layer) for a, b in zip(sizes, sizes[1:]))
        _normal_init(extra)
        self.extra = extra

    def forward(self, x):
        maps = []
        for block in (*self.features, *self.extra):
            x = block(x)
            maps.append(x)
        return by_number(maps)


def _mobilenet_extractor(backbone, trainable_layers, norm_layer):
    features = backbone.features
    stages = strided_stages(features)
    frozen_features(features, stages, trainable_layers)
    return SSDLiteFeatureExtractorMobileNet(features, stages[-2], norm_layer)


@register(backbone="mobilenet_v3_large", positional=("num_classes",))
def ssdlite320_mobilenet_v3_large(*, weights=None, num_classes=None, weights_backbone=None, trainable_backbone_layers=None, norm_layer=None,
                                  **kwargs):
    """SSDlite for images of 320x320 on MobileNet v3."""
    without_size(kwargs)
    trained = weights is not None or weights_backbone is not None
    trainable = _validate_trainable_layers(trained, trainable_backbone_layers, 6, 6)
    norm_layer = norm_layer or partial(nn.BatchNorm2d, eps=0.001, momentum=0.03)
    # Half of the last channels are left out unless ImageNet's weights, which have them, are wanted.
    backbone = mobilenetv3.mobilenet_v3_large(weights=weights_backbone, norm_layer=norm_layer, reduced_tail=weights_backbone is None)
    if weights_backbone is None:
        _normal_init(backbone)
    backbone, size, num_classes = _mobilenet_extractor(backbone, trainable, norm_layer), (320, 320), num_classes or 91
    anchors = DefaultBoxGenerator([[2, 3] for _ in range(6)], min_ratio=0.2, max_ratio=0.95)
    channels = det_utils.retrieve_out_channels(backbone, size)
    head = SSDLiteHead(channels, anchors.num_anchors_per_location(), num_classes, norm_layer)
    defaults = {"score_thresh": 0.001, "nms_thresh": 0.55, "detections_per_img": 300, "topk_candidates": 300, "image_mean": [0.5] * 3,
                "image_std": [0.5] * 3}
    return SSD(backbone, anchors, size, num_classes, head=head, **{**defaults, **kwargs})
