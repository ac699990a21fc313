"""SqueezeNet. Source: Iandola et al., arXiv 1602.07360."""

from __future__ import annotations

import facula
from facula import nn

from ._api import register_all

__all__ = ["SqueezeNet", "squeezenet1_0", "squeezenet1_1"]
_VERSIONS = {  # the first convolution, and outputs of the squeeze and expand layers; None is a pooling
    "1_0": ((96, 7), (None, (16, 64), (16, 64), (32, 128), None, (32, 128), (48, 192), (48, 192), (64, 256), None, (64, 256))),
    "1_1": ((64, 3), (None, (16, 64), (16, 64), None, (32, 128), (32, 128), None, (48, 192), (48, 192), (64, 256), (64, 256)))}


class Fire(nn.Module):
    """A 1x1 convolution to few channels, then a 1x1 and a 3x3 one beside each other."""

    def __init__(self, inplanes, squeeze_planes, expand1x1_planes, expand3x3_planes):
        super().__init__()
        self.inplanes = inplanes
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, kernel_size=1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, kernel_size=1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, kernel_size=3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.squeeze_activation(self.squeeze(x))
        return facula.cat([self.expand1x1_activation(self.expand1x1(x)), self.expand3x3_activation(self.expand3x3(x))], 1)


class SqueezeNet(nn.Module):
    """Fire modules; the classifier is a convolution."""

    def __init__(self, version="1_0", num_classes=1000, dropout=0.5):
        super().__init__()
        if version not in _VERSIONS:
            raise ValueError(f"Unsupported SqueezeNet version {version}: 1_0 or 1_1 expected")
        self.num_classes = num_classes
        (inside, kernel), plan = _VERSIONS[version]
        layers = [nn.Conv2d(3, inside, kernel_size=kernel, stride=2), nn.ReLU(inplace=True)]
        for sizes in plan:
            if sizes is None:
                layers.append(nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True))
            else:
                layers.append(Fire(inside, sizes[0], sizes[1], sizes[1]))
                inside = 2 * sizes[1]
        self.features = nn.Sequential(*layers)
        last = nn.Conv2d(512, num_classes, kernel_size=1)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout), last, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1)))
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.normal_(m.weight, mean=0.0, std=0.01) if m is last else nn.init.kaiming_uniform_(m.weight)
                nn.init.constant_(m.bias, 0)

    def forward(self, x):
        return facula.flatten(self.classifier(self.features(x)), 1)


def _squeezenet(version, weights, **kwargs):
    return SqueezeNet(version, **kwargs)


register_all(globals(), _squeezenet, {"squeezenet1_0": ("1_0",), "squeezenet1_1": ("1_1",)})
