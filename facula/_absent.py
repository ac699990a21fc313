"""Devices that programs ask about and that this build does not have."""

from __future__ import annotations

import contextlib
import types


def _refusing(name, message):
    """A function, or the base of a class, that needs the device."""
    def refuse(*args, **kwargs):
        raise AssertionError(message)

    refuse.__name__ = refuse.__qualname__ = name
    return refuse


class _Base:
    message = ""

    def __init__(self, *args, **kwargs):
        raise AssertionError(self.message)


@contextlib.contextmanager
def _no_change(*args, **kwargs):
    """Does nothing without the device."""
    yield


def names(kind, module):
    """The functions of `facula.<kind>`: questions are answered with no, seeds are ignored, work is refused."""
    message = f"Torch not compiled with {kind.upper()} enabled"
    zero = ("device_count", "memory_allocated", "max_memory_allocated", "memory_reserved", "max_memory_reserved", "current_allocated_memory",
            "driver_allocated_memory", "recommended_max_memory")
    no = ("is_available", "is_initialized", "is_built", "is_bf16_supported", "is_current_stream_capturing", "_is_in_bad_fork", "is_macos_or_newer",
          "is_macos13_or_newer")
    ignored = ("manual_seed", "manual_seed_all", "seed", "seed_all", "empty_cache", "reset_peak_memory_stats", "reset_max_memory_allocated",
               "reset_max_memory_cached", "reset_accumulated_memory_stats", "ipc_collect", "set_rng_state_all", "init", "set_per_process_memory_fraction")
    refused = ("_lazy_init", "current_device", "get_device_name", "get_device_properties", "get_device_capability", "current_stream", "default_stream",
               "set_stream", "synchronize", "get_rng_state", "set_rng_state", "mem_get_info", "initial_seed", "can_device_access_peer", "memory_snapshot",
               "memory_summary", "get_stream_from_external", "utilization", "temperature", "power_draw", "clock_rate")
    found = {**{n: (lambda *a, **k: 0) for n in zero}, **{n: (lambda *a, **k: False) for n in no}, **{n: (lambda *a, **k: None) for n in ignored},
             **{n: _refusing(n, message) for n in refused}, **{n: (lambda *a, **k: []) for n in ("get_rng_state_all", "get_arch_list")},
             **{n: (lambda *a, **k: {}) for n in ("memory_stats", "memory_stats_as_nested_dict")},
             **{n: _no_change for n in ("device", "device_of", "stream")}}
    found["set_device"] = _set_device(message)
    for name in ("Stream", "Event", "ExternalStream", "StreamContext"):
        found[name] = type(name, (_Base,), {"message": message, "__module__": module})
    for name, value in found.items():
        if isinstance(value, types.FunctionType) and value is not _no_change:
            value.__name__ = value.__qualname__ = name
            value.__module__ = module
    return found


def _set_device(message):
    def set_device(device):
        """Refused, except for a negative number, which means none."""
        index = device if isinstance(device, int) else getattr(device, "index", None)
        if index is None or index >= 0:
            raise AssertionError(message)

    return set_device
