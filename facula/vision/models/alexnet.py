"""AlexNet."""

from __future__ import annotations

import facula
from facula import nn

from ._api import register

__all__ = ["AlexNet", "alexnet"]


class AlexNet(nn.Module):
    """Source: Krizhevsky, "One weird trick for parallelizing convolutional neural networks", arXiv 1404.5997."""

    def __init__(self, num_classes=1000, dropout=0.5):
        super().__init__()
        sizes = [(3, 64, 11, 4, 2, True), (64, 192, 5, 1, 2, True), (192, 384, 3, 1, 1, False), (384, 256, 3, 1, 1, False),
                 (256, 256, 3, 1, 1, True)]
        layers = []
        for inside, outside, kernel, stride, padding, pool in sizes:
            layers += [nn.Conv2d(inside, outside, kernel_size=kernel, stride=stride, padding=padding), nn.ReLU(inplace=True)]
            if pool:
                layers.append(nn.MaxPool2d(kernel_size=3, stride=2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(nn.Dropout(p=dropout), nn.Linear(256 * 6 * 6, 4096), nn.ReLU(inplace=True),
                                        nn.Dropout(p=dropout), nn.Linear(4096, 4096), nn.ReLU(inplace=True),
                                        nn.Linear(4096, num_classes))

    def forward(self, x):
        return self.classifier(facula.flatten(self.avgpool(self.features(x)), 1))


@register
def alexnet(*, weights=None, progress=True, **kwargs):
    """AlexNet for images of at least 63x63."""
    return AlexNet(**kwargs)
