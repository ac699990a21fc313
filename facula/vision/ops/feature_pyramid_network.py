"""Feature pyramids. Source: Lin et al., arXiv 1612.03144."""

from __future__ import annotations

from collections import OrderedDict

from facula import nn
from facula.nn import functional as F

from .misc import Conv2dNormActivation

__all__ = ["FeaturePyramidNetwork"]


def _initialize(convolutions):
    for m in convolutions:
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_uniform_(m.weight, a=1)
            if m.bias is not None:
                nn.init.constant_(m.bias, 0)


class ExtraFPNBlock(nn.Module):
    """Adds levels: takes the pyramid's maps, the maps it was made of, and names; returns maps and names."""

    def forward(self, results, x, names):
        raise NotImplementedError(f"{type(self).__name__}.forward(results, x, names) is not written")


class FeaturePyramidNetwork(nn.Module):
    """Maps of falling resolution (an ordered dict) as maps of equal channels, each with what the coarser ones know.

    Args:
        in_channels_list: Channels of the maps.
        out_channels: Channels of all results.
        extra_blocks: An `ExtraFPNBlock` for more levels.
        norm_layer: Normalisation after the convolutions.
    """

    _version = 2

    def __init__(self, in_channels_list, out_channels, extra_blocks=None, norm_layer=None):
        super().__init__()
        self.inner_blocks, self.layer_blocks = nn.ModuleList(), nn.ModuleList()
        for in_channels in in_channels_list:
            if in_channels == 0:
                raise ValueError("in_channels=0 is currently not supported")
            self.inner_blocks.append(Conv2dNormActivation(in_channels, out_channels, kernel_size=1, padding=0, norm_layer=norm_layer,
                                                          activation_layer=None))
            self.layer_blocks.append(Conv2dNormActivation(out_channels, out_channels, kernel_size=3, norm_layer=norm_layer, activation_layer=None))
        _initialize(self.modules())  # before the extra blocks, which have their own rules
        if extra_blocks is not None and not isinstance(extra_blocks, ExtraFPNBlock):
            raise TypeError(f"extra_blocks should be of type ExtraFPNBlock not {type(extra_blocks)}")
        self.extra_blocks = extra_blocks

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *args):
        if local_metadata.get("version") is None or local_metadata["version"] < 2:  # convolutions stood alone once
            for block in ("inner_blocks", "layer_blocks"):
                for i in range(len(self.inner_blocks)):
                    for kind in ("weight", "bias"):
                        if f"{prefix}{block}.{i}.{kind}" in state_dict:
                            state_dict[f"{prefix}{block}.{i}.0.{kind}"] = state_dict.pop(f"{prefix}{block}.{i}.{kind}")
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)

    def get_result_from_inner_blocks(self, x, idx):
        return self.inner_blocks[idx](x)

    def get_result_from_layer_blocks(self, x, idx):
        return self.layer_blocks[idx](x)

    def forward(self, x):
        names, maps = list(x), list(x.values())
        last = self.inner_blocks[-1](maps[-1])
        results = [self.layer_blocks[-1](last)]
        for i in reversed(range(len(maps) - 1)):
            lateral = self.inner_blocks[i](maps[i])
            last = lateral + F.interpolate(last, size=lateral.shape[-2:], mode="nearest")
            results.insert(0, self.layer_blocks[i](last))
        if self.extra_blocks is not None:
            results, names = self.extra_blocks(results, maps, names)
        return OrderedDict(zip(names, results))


class LastLevelMaxPool(ExtraFPNBlock):
    """One more level: every second pixel of the coarsest map."""

    def forward(self, results, x, names):
        return [*results, F.max_pool2d(results[-1], kernel_size=1, stride=2, padding=0)], [*names, "pool"]


class LastLevelP6P7(ExtraFPNBlock):
    """Two more levels by convolutions. Source: Lin et al., arXiv 1708.02002."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.p6 = nn.Conv2d(in_channels, out_channels, 3, 2, 1)
        self.p7 = nn.Conv2d(out_channels, out_channels, 3, 2, 1)
        _initialize([self.p6, self.p7])
        self.use_P5 = in_channels == out_channels

    def forward(self, results, x, names):
        p6 = self.p6(results[-1] if self.use_P5 else x[-1])
        return [*results, p6, self.p7(F.relu(p6))], [*names, "p6", "p7"]
