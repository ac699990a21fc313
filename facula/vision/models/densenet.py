"""DenseNet. Source: Huang et al., arXiv 1608.06993."""

from __future__ import annotations

import re
from collections import OrderedDict

import facula
from facula import nn
from facula.nn import functional as F

from ._api import register_all
from ._init import initialize

__all__ = ["DenseNet", "densenet121", "densenet161", "densenet169", "densenet201"]
_OLD_NAME = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.((?:[12])\.(?:weight|bias|running_mean|running_var))$")


class _DenseLayer(nn.Module):
    """norm, relu, 1x1 convolution, norm, relu, 3x3 convolution; the input may be a list to be joined."""

    def __init__(self, num_input_features, growth_rate, bn_size, drop_rate, memory_efficient=False):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(num_input_features)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(num_input_features, bn_size * growth_rate, kernel_size=1, stride=1, bias=False)
        self.norm2 = nn.BatchNorm2d(bn_size * growth_rate)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(bn_size * growth_rate, growth_rate, kernel_size=3, stride=1, padding=1, bias=False)
        self.drop_rate, self.memory_efficient = float(drop_rate), memory_efficient

    def bn_function(self, inputs):
        return self.conv1(self.relu1(self.norm1(facula.cat(inputs, 1))))

    def forward(self, input):
        inputs = [input] if isinstance(input, facula.Tensor) else input
        if self.memory_efficient and any(t.requires_grad for t in inputs):
            from facula.utils.checkpoint import checkpoint

            narrow = checkpoint(lambda *tensors: self.bn_function(tensors), *inputs, use_reentrant=False)
        else:
            narrow = self.bn_function(inputs)
        new = self.conv2(self.relu2(self.norm2(narrow)))
        return F.dropout(new, p=self.drop_rate, training=self.training) if self.drop_rate > 0 else new


class _DenseBlock(nn.ModuleDict):
    """Layers that each see the outputs of all before."""

    def __init__(self, num_layers, num_input_features, bn_size, growth_rate, drop_rate, memory_efficient=False):
        super().__init__()
        for i in range(num_layers):
            self.add_module(f"denselayer{i + 1}", _DenseLayer(num_input_features + i * growth_rate, growth_rate, bn_size, drop_rate,
                                                              memory_efficient))

    def forward(self, init_features):
        features = [init_features]
        for layer in self.values():
            features.append(layer(features))
        return facula.cat(features, 1)


class _Transition(nn.Sequential):
    """Fewer channels and half the size."""

    def __init__(self, num_input_features, num_output_features):
        super().__init__(OrderedDict(
            norm=nn.BatchNorm2d(num_input_features), relu=nn.ReLU(inplace=True),
            conv=nn.Conv2d(num_input_features, num_output_features, kernel_size=1, stride=1, bias=False),
            pool=nn.AvgPool2d(kernel_size=2, stride=2)))


class DenseNet(nn.Module):
    """Dense blocks with transitions between."""

    def __init__(self, growth_rate=32, block_config=(6, 12, 24, 16), num_init_features=64, bn_size=4, drop_rate=0, num_classes=1000,
                 memory_efficient=False):
        super().__init__()
        self.features = nn.Sequential(OrderedDict(
            conv0=nn.Conv2d(3, num_init_features, kernel_size=7, stride=2, padding=3, bias=False), norm0=nn.BatchNorm2d(num_init_features),
            relu0=nn.ReLU(inplace=True), pool0=nn.MaxPool2d(kernel_size=3, stride=2, padding=1)))
        size = num_init_features
        for i, layers in enumerate(block_config, 1):
            self.features.add_module(f"denseblock{i}", _DenseBlock(layers, size, bn_size, growth_rate, drop_rate, memory_efficient))
            size += layers * growth_rate
            if i < len(block_config):
                self.features.add_module(f"transition{i}", _Transition(size, size // 2))
                size //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(size))
        self.classifier = nn.Linear(size, num_classes)
        initialize(self, conv=nn.init.kaiming_normal_, linear=lambda weight: None)

    def forward(self, x):
        out = F.relu(self.features(x), inplace=True)
        return self.classifier(facula.flatten(F.adaptive_avg_pool2d(out, (1, 1)), 1))

    @staticmethod
    def _renamed(state):
        """Names of today for those of the published files ("norm.1" was a name once)."""
        return {_OLD_NAME.sub(r"\1\2", name): value for name, value in state.items()}


def _densenet(growth_rate, block_config, num_init_features, weights, **kwargs):
    return DenseNet(growth_rate, block_config, num_init_features, **kwargs)


register_all(globals(), _densenet, {
    "densenet121": (32, (6, 12, 24, 16), 64), "densenet161": (48, (6, 12, 36, 24), 96), "densenet169": (32, (6, 12, 32, 32), 64),
    "densenet201": (32, (6, 12, 48, 32), 64)})
