"""ShuffleNet v2. Source: Ma et al., arXiv 1807.11164."""

from __future__ import annotations

import facula
from facula import nn

from ._api import register_all

__all__ = ["ShuffleNetV2", "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0"]


def channel_shuffle(x, groups):
    """Channels of the groups interleaved."""
    batch, channels, height, width = x.size()
    return x.view(batch, groups, channels // groups, height, width).transpose(1, 2).reshape(batch, channels, height, width)


def _depthwise(channels, stride):
    return [nn.Conv2d(channels, channels, 3, stride, 1, bias=False, groups=channels), nn.BatchNorm2d(channels)]


def _pointwise(inside, outside):
    return [nn.Conv2d(inside, outside, kernel_size=1, stride=1, padding=0, bias=False), nn.BatchNorm2d(outside), nn.ReLU(inplace=True)]


class InvertedResidual(nn.Module):
    """Half of the channels pass, the others are convolved; at stride 2 both are."""

    def __init__(self, inp, oup, stride):
        super().__init__()
        if not 1 <= stride <= 3:
            raise ValueError("illegal stride value")
        self.stride, half = stride, oup // 2
        if stride == 1 and inp != half << 1:
            raise ValueError(f"Invalid combination of stride {stride}, inp {inp} and oup {oup} values. If stride == 1 then inp should be "
                             f"equal to oup // 2 << 1.")
        self.branch1 = nn.Sequential(*([*_depthwise(inp, stride), *_pointwise(inp, half)] if stride > 1 else []))
        self.branch2 = nn.Sequential(*_pointwise(inp if stride > 1 else half, half), *_depthwise(half, stride), *_pointwise(half, half))

    def forward(self, x):
        first, second = x.chunk(2, dim=1) if self.stride == 1 else (self.branch1(x), x)
        return channel_shuffle(facula.cat((first, self.branch2(second)), dim=1), 2)


class ShuffleNetV2(nn.Module):
    """A convolution, three stages of blocks, a 1x1 convolution, a linear layer."""

    def __init__(self, stages_repeats, stages_out_channels, num_classes=1000, inverted_residual=InvertedResidual):
        super().__init__()
        if len(stages_repeats) != 3:
            raise ValueError("expected stages_repeats as list of 3 positive ints")
        if len(stages_out_channels) != 5:
            raise ValueError("expected stages_out_channels as list of 5 positive ints")
        self._stage_out_channels = stages_out_channels
        size = stages_out_channels[0]
        self.conv1 = nn.Sequential(nn.Conv2d(3, size, 3, 2, 1, bias=False), nn.BatchNorm2d(size), nn.ReLU(inplace=True))
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        for number, repeats, channels in zip((2, 3, 4), stages_repeats, stages_out_channels[1:]):
            blocks = [inverted_residual(size, channels, 2), *(inverted_residual(channels, channels, 1) for _ in range(repeats - 1))]
            setattr(self, f"stage{number}", nn.Sequential(*blocks))
            size = channels
        self.conv5 = nn.Sequential(*_pointwise(size, stages_out_channels[-1]))
        self.fc = nn.Linear(stages_out_channels[-1], num_classes)

    def forward(self, x):
        x = self.stage4(self.stage3(self.stage2(self.maxpool(self.conv1(x)))))
        return self.fc(self.conv5(x).mean([2, 3]))


def _shufflenet(channels, weights, **kwargs):
    return ShuffleNetV2([4, 8, 4], list(channels), **kwargs)


register_all(globals(), _shufflenet, {
    "shufflenet_v2_x0_5": ((24, 48, 96, 192, 1024),), "shufflenet_v2_x1_0": ((24, 116, 232, 464, 1024),),
    "shufflenet_v2_x1_5": ((24, 176, 352, 704, 1024),), "shufflenet_v2_x2_0": ((24, 244, 488, 976, 2048),)})
