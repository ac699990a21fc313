"""MobileNet v2. Source: Sandler et al., arXiv 1801.04381."""

from __future__ import annotations

import facula
from facula import nn
from facula.nn import functional as F

from ..ops.misc import Conv2dNormActivation
from ._api import register
from ._init import initialize, make_divisible, normal

__all__ = ["MobileNetV2", "mobilenet_v2"]
_SETTING = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


class InvertedResidual(nn.Module):
    """1x1 convolution to more channels, depthwise 3x3 one, 1x1 one to few channels without activation."""

    def __init__(self, inp, oup, stride, expand_ratio, norm_layer=None):
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {stride}")
        norm_layer = norm_layer or nn.BatchNorm2d
        self.stride, self.use_res_connect = stride, stride == 1 and inp == oup
        hidden = int(round(inp * expand_ratio))
        settings = {"norm_layer": norm_layer, "activation_layer": nn.ReLU6}
        layers = [] if expand_ratio == 1 else [Conv2dNormActivation(inp, hidden, kernel_size=1, **settings)]
        layers.append(Conv2dNormActivation(hidden, hidden, stride=stride, groups=hidden, **settings))
        self.conv = nn.Sequential(*layers, nn.Conv2d(hidden, oup, 1, 1, 0, bias=False), norm_layer(oup))
        self.out_channels, self._is_cn = oup, stride > 1

    def forward(self, x):
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    """Inverted residuals; `inverted_residual_setting` has rows of expansion, channels, repetitions and stride."""

    def __init__(self, num_classes=1000, width_mult=1.0, inverted_residual_setting=None, round_nearest=8, block=None, norm_layer=None,
                 dropout=0.2):
        super().__init__()
        block, norm_layer = block or InvertedResidual, norm_layer or nn.BatchNorm2d
        setting = _SETTING if inverted_residual_setting is None else inverted_residual_setting
        if len(setting) == 0 or len(setting[0]) != 4:
            raise ValueError(f"inverted_residual_setting should be non-empty or a 4-element list, got {inverted_residual_setting}")
        size = make_divisible(32 * width_mult, round_nearest)
        self.last_channel = make_divisible(1280 * max(1.0, width_mult), round_nearest)
        features = [Conv2dNormActivation(3, size, stride=2, norm_layer=norm_layer, activation_layer=nn.ReLU6)]
        for expand, channels, repeats, stride in setting:
            channels = make_divisible(channels * width_mult, round_nearest)
            for i in range(repeats):
                features.append(block(size, channels, stride if i == 0 else 1, expand_ratio=expand, norm_layer=norm_layer))
                size = channels
        features.append(Conv2dNormActivation(size, self.last_channel, kernel_size=1, norm_layer=norm_layer, activation_layer=nn.ReLU6))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout), nn.Linear(self.last_channel, num_classes))
        initialize(self, linear=normal(0.01))

    def forward(self, x):
        return self.classifier(facula.flatten(F.adaptive_avg_pool2d(self.features(x), (1, 1)), 1))


@register
def mobilenet_v2(*, weights=None, **kwargs):
    """MobileNet v2."""
    return MobileNetV2(**kwargs)
