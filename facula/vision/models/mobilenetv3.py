"""MobileNet v3. Source: Howard et al., arXiv 1905.02244."""

from __future__ import annotations

from functools import partial

import facula
from facula import nn

from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ._api import register_all
from ._init import initialize, make_divisible, normal

__all__ = ["MobileNetV3", "mobilenet_v3_large", "mobilenet_v3_small"]


class InvertedResidualConfig:
    """A row of the paper's tables 1 and 2: sizes, kernel, squeeze-and-excite, activation ("RE" or "HS"), stride, dilation."""

    def __init__(self, input_channels, kernel, expanded_channels, out_channels, use_se, activation, stride, dilation, width_mult):
        self.input_channels = self.adjust_channels(input_channels, width_mult)
        self.kernel, self.use_se, self.use_hs, self.stride, self.dilation = kernel, use_se, activation == "HS", stride, dilation
        self.expanded_channels = self.adjust_channels(expanded_channels, width_mult)
        self.out_channels = self.adjust_channels(out_channels, width_mult)

    @staticmethod
    def adjust_channels(channels, width_mult):
        return make_divisible(channels * width_mult, 8)


class InvertedResidual(nn.Module):
    """1x1 convolution to more channels, depthwise one, squeeze-and-excite, 1x1 one to few channels."""

    def __init__(self, cnf, norm_layer, se_layer=partial(SqueezeExcitation, scale_activation=nn.Hardsigmoid)):
        super().__init__()
        if not 1 <= cnf.stride <= 2:
            raise ValueError("illegal stride value")
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        settings = {"norm_layer": norm_layer, "activation_layer": nn.Hardswish if cnf.use_hs else nn.ReLU}
        wide, layers = cnf.expanded_channels, []
        if wide != cnf.input_channels:
            layers.append(Conv2dNormActivation(cnf.input_channels, wide, kernel_size=1, **settings))
        stride = 1 if cnf.dilation > 1 else cnf.stride
        layers.append(Conv2dNormActivation(wide, wide, kernel_size=cnf.kernel, stride=stride, dilation=cnf.dilation, groups=wide, **settings))
        if cnf.use_se:
            layers.append(se_layer(wide, make_divisible(wide // 4, 8)))
        layers.append(Conv2dNormActivation(wide, cnf.out_channels, kernel_size=1, norm_layer=norm_layer, activation_layer=None))
        self.block = nn.Sequential(*layers)
        self.out_channels, self._is_cn = cnf.out_channels, cnf.stride > 1

    def forward(self, input):
        return self.block(input) + input if self.use_res_connect else self.block(input)


class MobileNetV3(nn.Module):
    """Inverted residuals by a list of `InvertedResidualConfig`."""

    def __init__(self, inverted_residual_setting, last_channel, num_classes=1000, block=None, norm_layer=None, dropout=0.2, **kwargs):
        super().__init__()
        if not inverted_residual_setting:
            raise ValueError("The inverted_residual_setting should not be empty")
        if not isinstance(inverted_residual_setting, (list, tuple)) or not all(
                isinstance(s, InvertedResidualConfig) for s in inverted_residual_setting):
            raise TypeError("The inverted_residual_setting should be List[InvertedResidualConfig]")
        block = block or InvertedResidual
        norm_layer = norm_layer or partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
        first, last = inverted_residual_setting[0].input_channels, inverted_residual_setting[-1].out_channels
        settings = {"norm_layer": norm_layer, "activation_layer": nn.Hardswish}
        self.features = nn.Sequential(Conv2dNormActivation(3, first, kernel_size=3, stride=2, **settings),
                                      *(block(c, norm_layer) for c in inverted_residual_setting),
                                      Conv2dNormActivation(last, 6 * last, kernel_size=1, **settings))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Linear(6 * last, last_channel), nn.Hardswish(inplace=True), nn.Dropout(p=dropout, inplace=True),
                                        nn.Linear(last_channel, num_classes))
        initialize(self, linear=normal(0.01))

    def forward(self, x):
        return self.classifier(facula.flatten(self.avgpool(self.features(x)), 1))


_LARGE = ((16, 3, 16, 16, False, "RE", 1), (16, 3, 64, 24, False, "RE", 2), (24, 3, 72, 24, False, "RE", 1), (24, 5, 72, 40, True, "RE", 2),
          (40, 5, 120, 40, True, "RE", 1), (40, 5, 120, 40, True, "RE", 1), (40, 3, 240, 80, False, "HS", 2),
          (80, 3, 200, 80, False, "HS", 1), (80, 3, 184, 80, False, "HS", 1), (80, 3, 184, 80, False, "HS", 1),
          (80, 3, 480, 112, True, "HS", 1), (112, 3, 672, 112, True, "HS", 1), (112, 5, 672, 160, True, "HS", 2),
          (160, 5, 960, 160, True, "HS", 1), (160, 5, 960, 160, True, "HS", 1))
_SMALL = ((16, 3, 16, 16, True, "RE", 2), (16, 3, 72, 24, False, "RE", 2), (24, 3, 88, 24, False, "RE", 1), (24, 5, 96, 40, True, "HS", 2),
          (40, 5, 240, 40, True, "HS", 1), (40, 5, 240, 40, True, "HS", 1), (40, 5, 120, 48, True, "HS", 1), (48, 5, 144, 48, True, "HS", 1),
          (48, 5, 288, 96, True, "HS", 2), (96, 5, 576, 96, True, "HS", 1), (96, 5, 576, 96, True, "HS", 1))


def _mobilenet_v3(rows, last_channel, weights, width_mult=1.0, reduced_tail=False, dilated=False, **kwargs):
    """`reduced_tail` halves the last stage (for segmentation), `dilated` replaces its stride."""
    last = rows[-1][3]
    cut = {last: last // 2, 6 * last: 3 * last} if reduced_tail else {}
    setting, tail = [], False
    for inside, kernel, wide, outside, *rest, stride in rows:
        tail = tail or outside == last
        dilation = 2 if dilated and tail else 1
        setting.append(InvertedResidualConfig(cut.get(inside, inside), kernel, cut.get(wide, wide) if inside == last else wide,
                                              cut.get(outside, outside), *rest, stride, dilation, width_mult))
    last_channel = InvertedResidualConfig.adjust_channels(last_channel // (2 if reduced_tail else 1), width_mult)
    return MobileNetV3(setting, last_channel, **kwargs)


register_all(globals(), _mobilenet_v3, {"mobilenet_v3_large": (_LARGE, 1280), "mobilenet_v3_small": (_SMALL, 1024)})
