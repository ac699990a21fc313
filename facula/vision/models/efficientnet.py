"""EfficientNet v1 and v2. Source: Tan and Le, arXiv 1905.11946 and 2104.00298."""

from __future__ import annotations

import copy
import math
from functools import partial

import facula
from facula import nn

from ..ops.drop import StochasticDepth
from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ._api import register_all
from ._init import initialize, make_divisible

__all__ = ["EfficientNet", "FusedMBConvConfig", "MBConvConfig"]


class _MBConvConfig:
    """A row of the paper's table: expansion, kernel, stride, channels in and out, repetitions."""

    def __init__(self, expand_ratio, kernel, stride, input_channels, out_channels, num_layers, block):
        self.expand_ratio, self.kernel, self.stride, self.block = expand_ratio, kernel, stride, block
        self.input_channels, self.out_channels, self.num_layers = input_channels, out_channels, num_layers

    @staticmethod
    def adjust_channels(channels, width_mult, min_value=None):
        return make_divisible(channels * width_mult, 8, min_value)


class MBConvConfig(_MBConvConfig):
    """A row of inverted residuals, made wider and deeper by two factors."""

    def __init__(self, expand_ratio, kernel, stride, input_channels, out_channels, num_layers, width_mult=1.0, depth_mult=1.0, block=None):
        super().__init__(expand_ratio, kernel, stride, self.adjust_channels(input_channels, width_mult),
                         self.adjust_channels(out_channels, width_mult), self.adjust_depth(num_layers, depth_mult), block or MBConv)

    @staticmethod
    def adjust_depth(num_layers, depth_mult):
        return int(math.ceil(num_layers * depth_mult))


class FusedMBConvConfig(_MBConvConfig):
    """A row of blocks whose first two convolutions are one."""

    def __init__(self, expand_ratio, kernel, stride, input_channels, out_channels, num_layers, block=None):
        super().__init__(expand_ratio, kernel, stride, input_channels, out_channels, num_layers, block or FusedMBConv)


class _Block(nn.Module):
    """A short cut around `layers(...)`, dropped at random in training."""

    def __init__(self, cnf, stochastic_depth_prob, norm_layer, *args):
        super().__init__()
        if not 1 <= cnf.stride <= 2:
            raise ValueError("illegal stride value")
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        expanded = cnf.adjust_channels(cnf.input_channels, cnf.expand_ratio)
        self.block = nn.Sequential(*self._layers(cnf, expanded, norm_layer, *args))
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.out_channels = cnf.out_channels

    def forward(self, input):
        result = self.block(input)
        return self.stochastic_depth(result) + input if self.use_res_connect else result


class MBConv(_Block):
    """1x1 convolution to more channels, depthwise one, squeeze-and-excite, 1x1 one to few channels."""

    def __init__(self, cnf, stochastic_depth_prob, norm_layer, se_layer=SqueezeExcitation):
        super().__init__(cnf, stochastic_depth_prob, norm_layer, se_layer)

    @staticmethod
    def _layers(cnf, expanded, norm_layer, se_layer):
        settings = {"norm_layer": norm_layer, "activation_layer": nn.SiLU}
        layers = [] if expanded == cnf.input_channels else [Conv2dNormActivation(cnf.input_channels, expanded, kernel_size=1, **settings)]
        return [*layers, Conv2dNormActivation(expanded, expanded, kernel_size=cnf.kernel, stride=cnf.stride, groups=expanded, **settings),
                se_layer(expanded, max(1, cnf.input_channels // 4), activation=partial(nn.SiLU, inplace=True)),
                Conv2dNormActivation(expanded, cnf.out_channels, kernel_size=1, norm_layer=norm_layer, activation_layer=None)]


class FusedMBConv(_Block):
    """An ordinary convolution to more channels, a 1x1 one to few channels."""

    @staticmethod
    def _layers(cnf, expanded, norm_layer):
        settings = {"norm_layer": norm_layer, "activation_layer": nn.SiLU}
        first = partial(Conv2dNormActivation, cnf.input_channels, kernel_size=cnf.kernel, stride=cnf.stride, **settings)
        if expanded == cnf.input_channels:
            return [first(cnf.out_channels)]
        return [first(expanded),
                Conv2dNormActivation(expanded, cnf.out_channels, kernel_size=1, norm_layer=norm_layer, activation_layer=None)]


class EfficientNet(nn.Module):
    """Blocks by a list of `MBConvConfig` and `FusedMBConvConfig`."""

    def __init__(self, inverted_residual_setting, dropout, stochastic_depth_prob=0.2, num_classes=1000, norm_layer=None, last_channel=None):
        super().__init__()
        if not inverted_residual_setting:
            raise ValueError("The inverted_residual_setting should not be empty")
        if not all(isinstance(s, _MBConvConfig) for s in inverted_residual_setting):
            raise TypeError("The inverted_residual_setting should be List[MBConvConfig]")
        norm_layer = norm_layer or nn.BatchNorm2d
        settings = {"norm_layer": norm_layer, "activation_layer": nn.SiLU}
        layers = [Conv2dNormActivation(3, inverted_residual_setting[0].input_channels, kernel_size=3, stride=2, **settings)]
        total, done = sum(cnf.num_layers for cnf in inverted_residual_setting), 0
        for cnf in inverted_residual_setting:
            stage, cnf = [], copy.copy(cnf)
            for _ in range(cnf.num_layers):
                stage.append(cnf.block(cnf, stochastic_depth_prob * float(done) / total, norm_layer))
                cnf.input_channels, cnf.stride = cnf.out_channels, 1
                done += 1
            layers.append(nn.Sequential(*stage))
        size = inverted_residual_setting[-1].out_channels
        last_channel = 4 * size if last_channel is None else last_channel
        self.features = nn.Sequential(*layers, Conv2dNormActivation(size, last_channel, kernel_size=1, **settings))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout, inplace=True), nn.Linear(last_channel, num_classes))

        def uniform(weight):
            bound = 1.0 / math.sqrt(weight.shape[0])
            nn.init.uniform_(weight, -bound, bound)

        initialize(self, linear=uniform)

    def forward(self, x):
        return self.classifier(facula.flatten(self.avgpool(self.features(x)), 1))


_V1 = ((1, 3, 1, 32, 16, 1), (6, 3, 2, 16, 24, 2), (6, 5, 2, 24, 40, 2), (6, 3, 2, 40, 80, 3), (6, 5, 1, 80, 112, 3), (6, 5, 2, 112, 192, 4),
       (6, 3, 1, 192, 320, 1))
_V2 = {  # the rows that are fused, and the others
    "s": (((1, 3, 1, 24, 24, 2), (4, 3, 2, 24, 48, 4), (4, 3, 2, 48, 64, 4)),
          ((4, 3, 2, 64, 128, 6), (6, 3, 1, 128, 160, 9), (6, 3, 2, 160, 256, 15))),
    "m": (((1, 3, 1, 24, 24, 3), (4, 3, 2, 24, 48, 5), (4, 3, 2, 48, 80, 5)),
          ((4, 3, 2, 80, 160, 7), (6, 3, 1, 160, 176, 14), (6, 3, 2, 176, 304, 18), (6, 3, 1, 304, 512, 5))),
    "l": (((1, 3, 1, 32, 32, 4), (4, 3, 2, 32, 64, 7), (4, 3, 2, 64, 96, 7)),
          ((4, 3, 2, 96, 192, 10), (6, 3, 1, 192, 224, 19), (6, 3, 2, 224, 384, 25), (6, 3, 1, 384, 640, 7)))}
_MODELS = {f"efficientnet_b{i}": row for i, row in enumerate((  # width, depth, dropout
    (1.0, 1.0, 0.2), (1.0, 1.1, 0.2), (1.1, 1.2, 0.3), (1.2, 1.4, 0.3), (1.4, 1.8, 0.4), (1.6, 2.2, 0.4), (1.8, 2.6, 0.5), (2.0, 3.1, 0.5)))}
_MODELS.update({"efficientnet_v2_s": ("s", None, 0.2), "efficientnet_v2_m": ("m", None, 0.3), "efficientnet_v2_l": ("l", None, 0.4)})


def _efficientnet(size, depth, dropout, weights, **kwargs):
    if depth is None:
        setting, last = [FusedMBConvConfig(*r) for r in _V2[size][0]] + [MBConvConfig(*r) for r in _V2[size][1]], 1280
        kwargs.setdefault("norm_layer", partial(nn.BatchNorm2d, eps=1e-03))
    else:
        setting, last = [MBConvConfig(*r, width_mult=size, depth_mult=depth) for r in _V1], None
        if size >= 1.6:
            kwargs.setdefault("norm_layer", partial(nn.BatchNorm2d, eps=0.001, momentum=0.01))
    return EfficientNet(setting, kwargs.pop("dropout", dropout), last_channel=last, **kwargs)


register_all(globals(), _efficientnet, _MODELS)
__all__ += _MODELS
