"""Inception v3. Source: Szegedy et al., arXiv 1512.00567."""

from __future__ import annotations

from collections import namedtuple

import facula
from facula import nn
from facula.nn import functional as F

from ._api import fix, load, register
from ._init import initialize
from .googlenet import BasicConv2d, default_init, retouch

__all__ = ["Inception3", "InceptionOutputs", "_InceptionOutputs", "inception_v3"]
InceptionOutputs = _InceptionOutputs = namedtuple("InceptionOutputs", ["logits", "aux_logits"])
_THREE = {"kernel_size": 3, "padding": 1}
_WIDE, _HIGH = {"kernel_size": (1, 7), "padding": (0, 3)}, {"kernel_size": (7, 1), "padding": (3, 0)}
_WIDE3, _HIGH3 = {"kernel_size": (1, 3), "padding": (0, 1)}, {"kernel_size": (3, 1), "padding": (1, 0)}
_POINT, _HALF = {"kernel_size": 1}, {"kernel_size": 3, "stride": 2}


class _Mixed(nn.Module):
    """Branches of convolutions beside each other, and a pooling.

    A branch is a list of (name, output channels, settings); names "…a" and "…b" at its end stand beside each other.
    """

    def __init__(self, in_channels, branches, pool_features, conv_block):
        super().__init__()
        conv = conv_block or BasicConv2d
        self._names = []
        for branch in branches:
            size, names = in_channels, []
            for name, channels, settings in branch:
                setattr(self, name, conv(size, channels, **settings))
                names.append(name)
                size = size if name.endswith("a") else channels
            self._names.append(names)
        self._pooled = pool_features is not None
        if self._pooled:
            self.branch_pool = conv(in_channels, pool_features, kernel_size=1)

    def forward(self, x):
        outputs = []
        for names in self._names:
            out, ends = x, []
            for name in names:
                layer = getattr(self, name)
                if name[-1] in "ab":
                    ends.append(layer(out))
                else:
                    out = layer(out)
            outputs += ends or [out]
        if self._pooled:
            outputs.append(self.branch_pool(F.avg_pool2d(x, kernel_size=3, stride=1, padding=1)))
        else:
            outputs.append(F.max_pool2d(x, kernel_size=3, stride=2))
        return facula.cat(outputs, 1)


class InceptionA(_Mixed):
    """The blocks of size 35x35."""

    def __init__(self, in_channels, pool_features, conv_block=None):
        super().__init__(in_channels, [
            [("branch1x1", 64, _POINT)], [("branch5x5_1", 48, _POINT), ("branch5x5_2", 64, {"kernel_size": 5, "padding": 2})],
            [("branch3x3dbl_1", 64, _POINT), ("branch3x3dbl_2", 96, _THREE), ("branch3x3dbl_3", 96, _THREE)]], pool_features, conv_block)


class InceptionB(_Mixed):
    """From 35x35 to 17x17."""

    def __init__(self, in_channels, conv_block=None):
        super().__init__(in_channels, [
            [("branch3x3", 384, _HALF)],
            [("branch3x3dbl_1", 64, _POINT), ("branch3x3dbl_2", 96, _THREE), ("branch3x3dbl_3", 96, _HALF)]], None, conv_block)


class InceptionC(_Mixed):
    """The blocks of size 17x17."""

    def __init__(self, in_channels, channels_7x7, conv_block=None):
        c = channels_7x7
        super().__init__(in_channels, [
            [("branch1x1", 192, _POINT)], [("branch7x7_1", c, _POINT), ("branch7x7_2", c, _WIDE), ("branch7x7_3", 192, _HIGH)],
            [("branch7x7dbl_1", c, _POINT), ("branch7x7dbl_2", c, _HIGH), ("branch7x7dbl_3", c, _WIDE), ("branch7x7dbl_4", c, _HIGH),
             ("branch7x7dbl_5", 192, _WIDE)]], 192, conv_block)


class InceptionD(_Mixed):
    """From 17x17 to 8x8."""

    def __init__(self, in_channels, conv_block=None):
        super().__init__(in_channels, [
            [("branch3x3_1", 192, _POINT), ("branch3x3_2", 320, _HALF)],
            [("branch7x7x3_1", 192, _POINT), ("branch7x7x3_2", 192, _WIDE), ("branch7x7x3_3", 192, _HIGH), ("branch7x7x3_4", 192, _HALF)]],
            None, conv_block)


class InceptionE(_Mixed):
    """The blocks of size 8x8."""

    def __init__(self, in_channels, conv_block=None):
        super().__init__(in_channels, [
            [("branch1x1", 320, _POINT)], [("branch3x3_1", 384, _POINT), ("branch3x3_2a", 384, _WIDE3), ("branch3x3_2b", 384, _HIGH3)],
            [("branch3x3dbl_1", 448, _POINT), ("branch3x3dbl_2", 384, _THREE), ("branch3x3dbl_3a", 384, _WIDE3),
             ("branch3x3dbl_3b", 384, _HIGH3)]], 192, conv_block)


class InceptionAux(nn.Module):
    """A classifier half-way, for training."""

    def __init__(self, in_channels, num_classes, conv_block=None):
        super().__init__()
        conv = conv_block or BasicConv2d
        self.conv0 = conv(in_channels, 128, kernel_size=1)
        self.conv1 = conv(128, 768, kernel_size=5)
        self.conv1.stddev = 0.01
        self.fc = nn.Linear(768, num_classes)
        self.fc.stddev = 0.001

    def forward(self, x):
        x = self.conv1(self.conv0(F.avg_pool2d(x, kernel_size=5, stride=3)))
        return self.fc(facula.flatten(F.adaptive_avg_pool2d(x, (1, 1)), 1))


class Inception3(nn.Module):
    """For images of 299x299; in training with `aux_logits` the result is `InceptionOutputs`, else a tensor."""

    def __init__(self, num_classes=1000, aux_logits=True, transform_input=False, inception_blocks=None, init_weights=None, dropout=0.5):
        super().__init__()
        conv, block_a, block_b, block_c, block_d, block_e, aux = inception_blocks or (
            BasicConv2d, InceptionA, InceptionB, InceptionC, InceptionD, InceptionE, InceptionAux)
        init_weights = default_init("inception_v3", init_weights)
        self.aux_logits, self.transform_input = aux_logits, transform_input
        self.Conv2d_1a_3x3 = conv(3, 32, kernel_size=3, stride=2)
        self.Conv2d_2a_3x3 = conv(32, 32, kernel_size=3)
        self.Conv2d_2b_3x3 = conv(32, 64, kernel_size=3, padding=1)
        self.maxpool1 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Conv2d_3b_1x1 = conv(64, 80, kernel_size=1)
        self.Conv2d_4a_3x3 = conv(80, 192, kernel_size=3)
        self.maxpool2 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Mixed_5b = block_a(192, pool_features=32)
        self.Mixed_5c = block_a(256, pool_features=64)
        self.Mixed_5d = block_a(288, pool_features=64)
        self.Mixed_6a = block_b(288)
        for letter, channels in zip("bcde", (128, 160, 160, 192)):
            setattr(self, f"Mixed_6{letter}", block_c(768, channels_7x7=channels))
        self.AuxLogits = aux(768, num_classes) if aux_logits else None
        self.Mixed_7a = block_d(768)
        self.Mixed_7b = block_e(1280)
        self.Mixed_7c = block_e(2048)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(2048, num_classes)
        if init_weights:
            for m in self.modules():
                if isinstance(m, (nn.Conv2d, nn.Linear)):
                    nn.init.trunc_normal_(m.weight, mean=0.0, std=float(getattr(m, "stddev", 0.1)), a=-2, b=2)
            initialize(self, conv=None)

    def forward(self, x):
        x = retouch(x) if self.transform_input else x
        x = self.maxpool1(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))))
        x = self.maxpool2(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)))          # (batch, 192, 35, 35)
        x = self.Mixed_6a(self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x))))     # (batch, 768, 17, 17)
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(x))))
        wanted = self.training and self.aux_logits
        aux = self.AuxLogits(x) if wanted else None
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))                    # (batch, 2048, 8, 8)
        x = self.fc(facula.flatten(self.dropout(self.avgpool(x)), 1))
        return InceptionOutputs(x, aux) if wanted else x


@register(loads=True)
def inception_v3(*, weights=None, progress=True, **kwargs):
    """Inception v3; `aux_logits=False` drops the classifier half-way after loading."""
    if weights is None:
        return Inception3(**kwargs)
    keep = kwargs.pop("aux_logits", True)
    for name, value in (("transform_input", True), ("init_weights", False), ("num_classes", len(weights.meta["categories"]))):
        fix(kwargs, name, value)
    model = load(Inception3(aux_logits=True, **kwargs), weights, progress)
    if not keep:
        model.aux_logits, model.AuxLogits = False, None
    return model
