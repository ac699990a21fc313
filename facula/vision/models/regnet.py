"""RegNet. Source: Radosavovic et al., arXiv 2003.13678."""

from __future__ import annotations

import math
from collections import OrderedDict

from facula import nn

from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ._api import register_all
from ._init import initialize, make_divisible, normal

__all__ = ["RegNet"]


class SimpleStemIN(Conv2dNormActivation):
    """The first convolution."""

    def __init__(self, width_in, width_out, norm_layer, activation_layer):
        super().__init__(width_in, width_out, kernel_size=3, stride=2, norm_layer=norm_layer, activation_layer=activation_layer)


class BottleneckTransform(nn.Sequential):
    """1x1 convolution, 3x3 one in groups, squeeze-and-excite if wanted, 1x1 one."""

    def __init__(self, width_in, width_out, stride, norm_layer, activation_layer, group_width, bottleneck_multiplier, se_ratio):
        inner = int(round(width_out * bottleneck_multiplier))
        settings = {"norm_layer": norm_layer, "activation_layer": activation_layer}
        layers = OrderedDict(
            a=Conv2dNormActivation(width_in, inner, kernel_size=1, stride=1, **settings),
            b=Conv2dNormActivation(inner, inner, kernel_size=3, stride=stride, groups=inner // group_width, **settings))
        if se_ratio:
            layers["se"] = SqueezeExcitation(inner, int(round(se_ratio * width_in)), activation=activation_layer)
        layers["c"] = Conv2dNormActivation(inner, width_out, kernel_size=1, stride=1, norm_layer=norm_layer, activation_layer=None)
        super().__init__(layers)


class ResBottleneckBlock(nn.Module):
    """A bottleneck around a short cut, which is a 1x1 convolution where sizes change."""

    def __init__(self, width_in, width_out, stride, norm_layer, activation_layer, group_width=1, bottleneck_multiplier=1.0, se_ratio=None):
        super().__init__()
        self.proj = None
        if width_in != width_out or stride != 1:
            self.proj = Conv2dNormActivation(width_in, width_out, kernel_size=1, stride=stride, norm_layer=norm_layer, activation_layer=None)
        self.f = BottleneckTransform(width_in, width_out, stride, norm_layer, activation_layer, group_width, bottleneck_multiplier, se_ratio)
        self.activation = activation_layer(inplace=True)

    def forward(self, x):
        return self.activation((x if self.proj is None else self.proj(x)) + self.f(x))


class AnyStage(nn.Sequential):
    """Blocks of one width; the first has the stride."""

    def __init__(self, width_in, width_out, stride, depth, block, norm_layer, activation_layer, group_width, bottleneck_multiplier,
                 se_ratio=None, stage_index=0):
        super().__init__()
        for i in range(depth):
            self.add_module(f"block{stage_index}-{i}", block(
                width_out if i else width_in, width_out, 1 if i else stride, norm_layer, activation_layer, group_width,
                bottleneck_multiplier, se_ratio))


class BlockParams:
    """Per stage: depth, width, group width, bottleneck factor, stride."""

    def __init__(self, depths, widths, group_widths, bottleneck_multipliers, strides, se_ratio=None):
        self.depths, self.widths, self.group_widths = depths, widths, group_widths
        self.bottleneck_multipliers, self.strides, self.se_ratio = bottleneck_multipliers, strides, se_ratio

    @classmethod
    def from_init_params(cls, depth, w_0, w_a, w_m, group_width, bottleneck_multiplier=1.0, se_ratio=None, **kwargs):
        """The paper's section 3.3: widths grow linearly (w_0 + w_a * j), are rounded to powers of w_m, then to multiples of 8."""
        if w_a < 0 or w_0 <= 0 or w_m <= 1 or w_0 % 8 != 0:
            raise ValueError("Invalid RegNet settings")
        powers = [round(math.log((w_0 + w_a * j) / w_0) / math.log(w_m)) for j in range(depth)]
        widths = [int(round(w_0 * w_m ** p / 8) * 8) for p in powers]
        stages = sorted(set(widths))
        depths = [widths.count(w) for w in stages]
        groups = [min(group_width, int(round(w * bottleneck_multiplier))) for w in stages]
        inner = [make_divisible(round(w * bottleneck_multiplier), g) for w, g in zip(stages, groups)]
        count = len(stages)
        return cls(depths, [int(w / bottleneck_multiplier) for w in inner], groups, [bottleneck_multiplier] * count, [2] * count, se_ratio)

    def _get_expanded_params(self):
        return zip(self.widths, self.strides, self.depths, self.group_widths, self.bottleneck_multipliers)


class RegNet(nn.Module):
    """Stages by `BlockParams`."""

    def __init__(self, block_params, num_classes=1000, stem_width=32, stem_type=None, block_type=None, norm_layer=None, activation=None):
        super().__init__()
        norm_layer, activation = norm_layer or nn.BatchNorm2d, activation or nn.ReLU
        self.stem = (stem_type or SimpleStemIN)(3, stem_width, norm_layer, activation)
        size, stages = stem_width, OrderedDict()
        for i, (width, stride, depth, group_width, multiplier) in enumerate(block_params._get_expanded_params(), 1):
            stages[f"block{i}"] = AnyStage(size, width, stride, depth, block_type or ResBottleneckBlock, norm_layer, activation, group_width,
                                           multiplier, block_params.se_ratio, i)
            size = width
        self.trunk_output = nn.Sequential(stages)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(in_features=size, out_features=num_classes)

        def conv(weight):  # by the whole fan-out: groups do not divide it
            nn.init.normal_(weight, mean=0.0, std=math.sqrt(2.0 / (weight.shape[0] * weight.shape[2] * weight.shape[3])))

        initialize(self, conv=conv, linear=normal(0.01), conv_bias=False)

    def forward(self, x):
        return self.fc(self.avgpool(self.trunk_output(self.stem(x))).flatten(start_dim=1))


def _regnet(settings, se_ratio, weights, **kwargs):
    kwargs.setdefault("norm_layer", lambda size: nn.BatchNorm2d(size, eps=1e-05, momentum=0.1))
    return RegNet(BlockParams.from_init_params(*settings, se_ratio=se_ratio), **kwargs)


_X = {"400mf": (22, 24, 24.48, 2.54, 16), "800mf": (16, 56, 35.73, 2.28, 16), "1_6gf": (18, 80, 34.01, 2.25, 24),
      "3_2gf": (25, 88, 26.31, 2.25, 48), "8gf": (23, 80, 49.56, 2.88, 120), "16gf": (22, 216, 55.59, 2.1, 128),
      "32gf": (23, 320, 69.86, 2.0, 168)}
_Y = {"400mf": (16, 48, 27.89, 2.09, 8), "800mf": (14, 56, 38.84, 2.4, 16), "1_6gf": (27, 48, 20.71, 2.65, 24),
      "3_2gf": (21, 80, 42.63, 2.66, 24), "8gf": (17, 192, 76.82, 2.19, 56), "16gf": (18, 200, 106.23, 2.48, 112),
      "32gf": (20, 232, 115.89, 2.53, 232), "128gf": (27, 456, 160.83, 2.52, 264)}
_MODELS = {**{f"regnet_y_{k}": (v, 0.25) for k, v in _Y.items()}, **{f"regnet_x_{k}": (v, None) for k, v in _X.items()}}
register_all(globals(), _regnet, _MODELS)
__all__ += _MODELS
