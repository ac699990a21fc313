"""Modules that give what is inside a model."""

from __future__ import annotations

from collections import OrderedDict

from facula import nn


class IntermediateLayerGetter(nn.ModuleDict):
    """Runs a model's direct children in order, up to the last one that is wanted.

    Args:
        model: Its children are run one after the other, whatever its `forward` does.
        return_layers: Dict from the name of a child to the name of its output in the result.
    """

    _version = 2

    def __init__(self, model, return_layers):
        if not set(return_layers) <= {name for name, _ in model.named_children()}:
            raise ValueError("return_layers are not present in model")
        wanted, layers = {str(k): str(v) for k, v in return_layers.items()}, OrderedDict()
        missing = set(wanted)
        for name, child in model.named_children():
            if not missing:
                break
            layers[name] = child
            missing.discard(name)
        super().__init__(layers)
        self.return_layers = wanted

    def forward(self, x):
        out = OrderedDict()
        for name, module in self.items():
            x = module(x)
            if name in self.return_layers:
                out[self.return_layers[name]] = x
        return out


def strided_stages(features):
    """Places of the layers of a MobileNet's `features` that halve the resolution, with the first and the last one."""
    return [0, *(i for i, b in enumerate(features) if getattr(b, "_is_cn", False)), len(features) - 1]
