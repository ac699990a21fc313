"""GPUs: this build has none, and says so in PyTorch's words."""

from __future__ import annotations

import contextlib

_MESSAGE = "Torch not compiled with CUDA enabled"


def _lazy_init(target=None):
    raise AssertionError(_MESSAGE)


def is_available():
    """Whether a GPU can be used."""
    return False


def device_count():
    return 0


def is_initialized():
    return False


def is_bf16_supported(including_emulation=True):
    return False


def current_device():
    _lazy_init()


get_device_name = get_device_properties = get_device_capability = current_stream = synchronize = lambda *args, **kwargs: _lazy_init()


def set_device(device):
    """Takes effect where there is a GPU."""
    index = device if isinstance(device, int) else getattr(device, "index", None)
    if index is None or index >= 0:
        _lazy_init()


def manual_seed(seed):
    """Ignored without a GPU."""


def manual_seed_all(seed):
    """Ignored without a GPU."""


def seed():
    """Ignored without a GPU."""


def empty_cache():
    """Nothing is cached without a GPU."""


def memory_allocated(device=None):
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated


def reset_peak_memory_stats(device=None):
    """Nothing is counted without a GPU."""


@contextlib.contextmanager
def device(device):
    """Does nothing without a GPU."""
    yield


class Stream:
    """A queue of work on a GPU."""

    def __init__(self, *args, **kwargs):
        _lazy_init()


class Event:
    """A mark in a stream."""

    def __init__(self, *args, **kwargs):
        _lazy_init()
