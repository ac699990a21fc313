"""MNASNet. Source: Tan et al., arXiv 1807.11626."""

from __future__ import annotations

from functools import partial

from facula import nn

from ._api import register_all
from ._init import initialize, make_divisible

__all__ = ["MNASNet", "mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3"]
_BN_MOMENTUM = 1 - 0.9997  # torch's momentum is TensorFlow's decay turned round
_STACKS = ((3, 2, 3, 3), (5, 2, 3, 3), (5, 2, 6, 3), (3, 1, 6, 2), (5, 2, 6, 4), (3, 1, 6, 1))  # kernel, stride, expansion, repeats


def _conv(inside, outside, kernel, stride=1, groups=1, activation=True, momentum=_BN_MOMENTUM):
    layers = [nn.Conv2d(inside, outside, kernel, padding=kernel // 2, stride=stride, groups=groups, bias=False),
              nn.BatchNorm2d(outside, momentum=momentum)]
    return [*layers, nn.ReLU(inplace=True)] if activation else layers


class _InvertedResidual(nn.Module):
    """1x1 convolution to more channels, depthwise one, 1x1 one to few channels."""

    def __init__(self, in_ch, out_ch, kernel_size, stride, expansion_factor, bn_momentum=0.1):
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {stride}")
        if kernel_size not in (3, 5):
            raise ValueError(f"kernel_size should be 3 or 5 instead of {kernel_size}")
        conv, middle = partial(_conv, momentum=bn_momentum), in_ch * expansion_factor
        self.apply_residual = in_ch == out_ch and stride == 1
        self.layers = nn.Sequential(*conv(in_ch, middle, 1), *conv(middle, middle, kernel_size, stride, middle),
                                    *conv(middle, out_ch, 1, activation=False))

    def forward(self, input):
        return self.layers(input) + input if self.apply_residual else self.layers(input)


def _stack(in_ch, out_ch, kernel_size, stride, exp_factor, repeats):
    block = partial(_InvertedResidual, kernel_size=kernel_size, expansion_factor=exp_factor, bn_momentum=_BN_MOMENTUM)
    return nn.Sequential(block(in_ch, out_ch, stride=stride), *(block(out_ch, out_ch, stride=1) for _ in range(repeats - 1)))


class MNASNet(nn.Module):
    """MNASNet-B1 with all channels times `alpha`."""

    _version = 2

    def __init__(self, alpha, num_classes=1000, dropout=0.2):
        super().__init__()
        if alpha <= 0.0:
            raise ValueError(f"alpha should be greater than 0.0 instead of {alpha}")
        self.alpha, self.num_classes = alpha, num_classes
        sizes = [make_divisible(size * alpha, 8) for size in (32, 16, 24, 40, 80, 96, 192, 320)]
        layers = [*_conv(3, sizes[0], 3, 2), *_conv(sizes[0], sizes[0], 3, groups=sizes[0]),
                  *_conv(sizes[0], sizes[1], 1, activation=False)]
        layers += [_stack(inside, outside, *row) for inside, outside, row in zip(sizes[1:], sizes[2:], _STACKS)]
        self.layers = nn.Sequential(*layers, *_conv(sizes[7], 1280, 1))
        self.classifier = nn.Sequential(nn.Dropout(p=dropout, inplace=True), nn.Linear(1280, num_classes))
        initialize(self, linear=partial(nn.init.kaiming_uniform_, mode="fan_out", nonlinearity="sigmoid"))

    def forward(self, x):
        return self.classifier(self.layers(x).mean([2, 3]))


def _mnasnet(alpha, weights, **kwargs):
    return MNASNet(alpha, **kwargs)


register_all(globals(), _mnasnet, {"mnasnet0_5": (0.5,), "mnasnet0_75": (0.75,), "mnasnet1_0": (1.0,), "mnasnet1_3": (1.3,)})
