"""VGG. Source: Simonyan and Zisserman, arXiv 1409.1556."""

from __future__ import annotations

import facula
from facula import nn

from ._api import register_all
from ._init import initialize, normal

_DEPTHS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}  # convolutions per stage


class VGG(nn.Module):
    """Convolutions, then three linear layers."""

    def __init__(self, features, num_classes=1000, init_weights=True, dropout=0.5):
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(nn.Linear(512 * 7 * 7, 4096), nn.ReLU(True), nn.Dropout(p=dropout), nn.Linear(4096, 4096),
                                        nn.ReLU(True), nn.Dropout(p=dropout), nn.Linear(4096, num_classes))
        if init_weights:
            initialize(self, linear=normal(0.01))

    def forward(self, x):
        return self.classifier(facula.flatten(self.avgpool(self.features(x)), 1))


def _features(depth, batch_norm):
    layers, inside = [], 3
    for count, outside in zip(_DEPTHS[depth], (64, 128, 256, 512, 512)):
        for _ in range(count):
            layers.append(nn.Conv2d(inside, outside, kernel_size=3, padding=1))
            layers += [nn.BatchNorm2d(outside)] if batch_norm else []
            layers.append(nn.ReLU(inplace=True))
            inside = outside
        layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
    return nn.Sequential(*layers)


def _vgg(depth, batch_norm, weights, **kwargs):
    if weights is not None:
        kwargs["init_weights"] = False
    return VGG(_features(depth, batch_norm), **kwargs)


_MODELS = {f"vgg{depth}" + ("_bn" if norm else ""): (depth, norm) for depth in _DEPTHS for norm in (False, True)}
register_all(globals(), _vgg, _MODELS)
__all__ = ["VGG", *_MODELS]
