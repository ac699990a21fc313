"""Models on several devices; with one device or none, plain calls."""

from __future__ import annotations

from ... import _names
from ..modules.module import Module
from .distributed import DistributedDataParallel

__all__ = ["DataParallel", "DistributedDataParallel"]


def __getattr__(name):
    if name == "DistributedDataParallel":
        import importlib

        return importlib.import_module(f"{_names.display('facula')}.nn.parallel.distributed").DistributedDataParallel
    raise _names.missing(__name__, name)


class DataParallel(Module):
    """Calls the module it wraps; its state dict carries the prefix `module.`."""

    def __init__(self, module, device_ids=None, output_device=None, dim=0):
        super().__init__()
        self.module, self.device_ids, self.output_device, self.dim = module, list(device_ids or []), output_device, dim

    def forward(self, *inputs, **kwargs):
        return self.module(*inputs, **kwargs)
