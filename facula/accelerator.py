"""The device that computes besides the CPU: there is none."""

from __future__ import annotations

from . import _absent

globals().update({name: value for name, value in _absent.names("accelerator", __name__).items()
                  if name in ("device_count", "is_available", "synchronize", "set_stream", "current_stream", "empty_cache", "memory_stats",
                              "memory_allocated", "max_memory_allocated", "memory_reserved", "max_memory_reserved", "reset_peak_memory_stats")})


def current_accelerator(check_available=False):
    """None: there is no accelerator."""


def current_device_index():
    raise RuntimeError("Cannot access accelerator device when none is available.")


def set_device_index(device):
    raise RuntimeError("Cannot access accelerator device when none is available.")


current_device_idx, set_device_idx = current_device_index, set_device_index
