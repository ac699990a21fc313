"""GoogLeNet. Source: Szegedy et al., arXiv 1409.4842."""

from __future__ import annotations

import warnings
from collections import namedtuple

import facula
from facula import nn
from facula.nn import functional as F

from ._api import fix, load, register
from ._init import initialize

__all__ = ["GoogLeNet", "GoogLeNetOutputs", "googlenet"]
GoogLeNetOutputs = namedtuple("GoogLeNetOutputs", ["logits", "aux_logits2", "aux_logits1"])
_BLOCKS = {  # input, 1x1, 3x3 after 1x1, "5x5" after 1x1, after the pooling
    "3a": (192, 64, 96, 128, 16, 32, 32), "3b": (256, 128, 128, 192, 32, 96, 64), "4a": (480, 192, 96, 208, 16, 48, 64),
    "4b": (512, 160, 112, 224, 24, 64, 64), "4c": (512, 128, 128, 256, 24, 64, 64), "4d": (512, 112, 144, 288, 32, 64, 64),
    "4e": (528, 256, 160, 320, 32, 128, 128), "5a": (832, 256, 160, 320, 32, 128, 128), "5b": (832, 384, 192, 384, 48, 128, 128)}
_MOMENTS = ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))


class BasicConv2d(nn.Module):
    """Convolution, batch normalisation, rectifier."""

    def __init__(self, in_channels, out_channels, **kwargs):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Inception(nn.Module):
    """Four branches beside each other."""

    def __init__(self, in_channels, ch1x1, ch3x3red, ch3x3, ch5x5red, ch5x5, pool_proj, conv_block=None):
        super().__init__()
        conv = conv_block or BasicConv2d
        self.branch1 = conv(in_channels, ch1x1, kernel_size=1)
        self.branch2 = nn.Sequential(conv(in_channels, ch3x3red, kernel_size=1), conv(ch3x3red, ch3x3, kernel_size=3, padding=1))
        # 3x3, not 5x5 as in the paper: the published weights were trained so.
        self.branch3 = nn.Sequential(conv(in_channels, ch5x5red, kernel_size=1), conv(ch5x5red, ch5x5, kernel_size=3, padding=1))
        self.branch4 = nn.Sequential(nn.MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=True),
                                     conv(in_channels, pool_proj, kernel_size=1))

    def forward(self, x):
        return facula.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class InceptionAux(nn.Module):
    """A classifier half-way, for training."""

    def __init__(self, in_channels, num_classes, conv_block=None, dropout=0.7):
        super().__init__()
        self.conv = (conv_block or BasicConv2d)(in_channels, 128, kernel_size=1)
        self.fc1 = nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(p=dropout)

    def forward(self, x):
        x = self.conv(F.adaptive_avg_pool2d(x, (4, 4)))
        return self.fc2(self.dropout(F.relu(self.fc1(facula.flatten(x, 1)), inplace=True)))


def retouch(x):
    """An image normalised by ImageNet's moments, normalised by 0.5 and 0.5 instead."""
    return facula.cat([x[:, i:i + 1] * (std / 0.5) + (mean - 0.5) / 0.5 for i, (mean, std) in enumerate(_MOMENTS)], 1)


def default_init(name, init_weights):
    """Whether to initialise by truncated normal distributions; warns if the caller did not say."""
    if init_weights is None:
        warnings.warn(f"The default weight initialization of {name} will be changed in future releases of torchvision. If you wish to keep "
                      "the old behavior (which leads to long initialization times due to scipy/scipy#11299), please set init_weights=True.",
                      FutureWarning, stacklevel=4)
        return True
    return init_weights


class GoogLeNet(nn.Module):
    """In training with `aux_logits` the result is `GoogLeNetOutputs`, else a tensor."""

    def __init__(self, num_classes=1000, aux_logits=True, transform_input=False, init_weights=None, blocks=None, dropout=0.2, dropout_aux=0.7):
        super().__init__()
        conv, inception, aux = blocks or (BasicConv2d, Inception, InceptionAux)
        init_weights = default_init("GoogleNet", init_weights)
        self.aux_logits, self.transform_input = aux_logits, transform_input
        self.conv1 = conv(3, 64, kernel_size=7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = conv(64, 64, kernel_size=1)
        self.conv3 = conv(64, 192, kernel_size=3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        for name, sizes in _BLOCKS.items():
            if name == "4a":
                self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
            elif name == "5a":
                self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
            setattr(self, f"inception{name}", inception(*sizes))
        self.aux1 = aux(512, num_classes, dropout=dropout_aux) if aux_logits else None
        self.aux2 = aux(528, num_classes, dropout=dropout_aux) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(1024, num_classes)
        if init_weights:
            def small(weight):
                nn.init.trunc_normal_(weight, mean=0.0, std=0.01, a=-2, b=2)

            for m in self.modules():
                if isinstance(m, (nn.Conv2d, nn.Linear)):
                    small(m.weight)
            initialize(self, conv=None)

    def forward(self, x):
        x = retouch(x) if self.transform_input else x
        aux, wanted = [], self.training and self.aux_logits
        x = self.maxpool2(self.conv3(self.conv2(self.maxpool1(self.conv1(x)))))
        x = self.maxpool3(self.inception3b(self.inception3a(x)))
        x = self.inception4a(x)
        if wanted:
            aux.append(self.aux1(x))
        x = self.inception4d(self.inception4c(self.inception4b(x)))
        if wanted:
            aux.append(self.aux2(x))
        x = self.inception5b(self.inception5a(self.maxpool4(self.inception4e(x))))
        x = self.fc(self.dropout(facula.flatten(self.avgpool(x), 1)))
        return GoogLeNetOutputs(x, aux[1], aux[0]) if wanted else x


@register(loads=True)
def googlenet(*, weights=None, progress=True, **kwargs):
    """GoogLeNet; trained weights come without the classifiers half-way unless `aux_logits` is given."""
    if weights is None:
        return GoogLeNet(**kwargs)
    keep = kwargs.get("aux_logits", False)
    for name, value in (("transform_input", True), ("aux_logits", True), ("init_weights", False),
                        ("num_classes", len(weights.meta["categories"]))):
        kwargs.update({name: value}) if name == "aux_logits" else fix(kwargs, name, value)
    model = load(GoogLeNet(**kwargs), weights, progress)
    if keep:
        warnings.warn("auxiliary heads in the pretrained googlenet model are NOT pretrained, so make sure to train them", stacklevel=3)
    else:
        model.aux_logits, model.aux1, model.aux2 = False, None, None
    return model
