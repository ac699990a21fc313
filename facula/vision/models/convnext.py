"""ConvNeXt. Source: Liu et al., arXiv 2201.03545."""

from __future__ import annotations

from functools import partial

import facula
from facula import nn
from facula.nn import functional as F

from ..ops.drop import StochasticDepth
from ..ops.misc import Conv2dNormActivation, Permute
from ._api import register_all
from ._init import initialize, truncated

__all__ = ["ConvNeXt", "convnext_base", "convnext_large", "convnext_small", "convnext_tiny"]


class LayerNorm2d(nn.LayerNorm):
    """`LayerNorm` over the channels of (batch, channels, height, width)."""

    def forward(self, x):
        x = F.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class CNBlock(nn.Module):
    """Depthwise 7x7 convolution, normalisation, two linear layers, scaled, around a short cut."""

    def __init__(self, dim, layer_scale, stochastic_depth_prob, norm_layer=None):
        super().__init__()
        norm_layer = norm_layer or partial(nn.LayerNorm, eps=1e-6)
        self.block = nn.Sequential(nn.Conv2d(dim, dim, kernel_size=7, padding=3, groups=dim, bias=True), Permute([0, 2, 3, 1]),
                                   norm_layer(dim), nn.Linear(in_features=dim, out_features=4 * dim, bias=True), nn.GELU(),
                                   nn.Linear(in_features=4 * dim, out_features=dim, bias=True), Permute([0, 3, 1, 2]))
        self.layer_scale = nn.Parameter(facula.ones(dim, 1, 1) * layer_scale)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")

    def forward(self, input):
        return self.stochastic_depth(self.layer_scale * self.block(input)) + input


class CNBlockConfig:
    """A stage: channels, channels after it (None at the end), repetitions."""

    def __init__(self, input_channels, out_channels, num_layers):
        self.input_channels, self.out_channels, self.num_layers = input_channels, out_channels, num_layers

    def __repr__(self):
        return (f"{type(self).__name__}(input_channels={self.input_channels}, out_channels={self.out_channels}, "
                f"num_layers={self.num_layers})")


class ConvNeXt(nn.Module):
    """Stages by a list of `CNBlockConfig`."""

    def __init__(self, block_setting, stochastic_depth_prob=0.0, layer_scale=1e-6, num_classes=1000, block=None, norm_layer=None, **kwargs):
        super().__init__()
        if not block_setting:
            raise ValueError("The block_setting should not be empty")
        if not isinstance(block_setting, (list, tuple)) or not all(isinstance(s, CNBlockConfig) for s in block_setting):
            raise TypeError("The block_setting should be List[CNBlockConfig]")
        block, norm_layer = block or CNBlock, norm_layer or partial(LayerNorm2d, eps=1e-6)
        layers = [Conv2dNormActivation(3, block_setting[0].input_channels, kernel_size=4, stride=4, padding=0, norm_layer=norm_layer,
                                       activation_layer=None, bias=True)]
        total, done = sum(cnf.num_layers for cnf in block_setting), 0
        for cnf in block_setting:
            layers.append(nn.Sequential(*(block(cnf.input_channels, layer_scale, stochastic_depth_prob * (done + i) / (total - 1.0))
                                          for i in range(cnf.num_layers))))
            done += cnf.num_layers
            if cnf.out_channels is not None:
                layers.append(nn.Sequential(norm_layer(cnf.input_channels),
                                            nn.Conv2d(cnf.input_channels, cnf.out_channels, kernel_size=2, stride=2)))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        last = block_setting[-1].out_channels or block_setting[-1].input_channels
        self.classifier = nn.Sequential(norm_layer(last), nn.Flatten(1), nn.Linear(last, num_classes))
        initialize(self, conv=truncated(0.02), linear=truncated(0.02), norm=False)

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)))


def _convnext(sizes, depths, drop, weights, **kwargs):
    setting = [CNBlockConfig(*row) for row in zip(sizes, (*sizes[1:], None), depths)]
    return ConvNeXt(setting, kwargs.pop("stochastic_depth_prob", drop), **kwargs)


register_all(globals(), _convnext, {
    "convnext_tiny": ((96, 192, 384, 768), (3, 3, 9, 3), 0.1), "convnext_small": ((96, 192, 384, 768), (3, 3, 27, 3), 0.4),
    "convnext_base": ((128, 256, 512, 1024), (3, 3, 27, 3), 0.5), "convnext_large": ((192, 384, 768, 1536), (3, 3, 27, 3), 0.5)})
