"""The CPU, asked as if it were a device to wait for."""

from __future__ import annotations

import contextlib

__all__ = ["is_available", "synchronize", "current_device", "current_stream", "stream", "set_device", "device_count", "Stream", "Event", "StreamContext",
           "is_initialized", "amp"]


class Stream:
    """The only queue of work: calls are done when they return."""

    def __init__(self, priority=-1):
        pass

    def wait_stream(self, stream):
        """Nothing to wait for."""

    def record_event(self, event=None):
        return event or Event()

    def synchronize(self):
        """Nothing to wait for."""


class Event:
    """A moment in a queue that is always reached."""

    def query(self):
        return True

    def record(self, stream=None):
        """All earlier work is done."""

    synchronize = wait = record


_current = Stream()


class StreamContext(contextlib.AbstractContextManager):
    """Inside, a stream is the current one."""

    def __init__(self, stream):
        self.stream = stream

    def __enter__(self):
        global _current
        self.before, _current = _current, self.stream or _current
        return self.stream

    def __exit__(self, *exc):
        global _current
        _current = self.before


def stream(stream):
    return StreamContext(stream)


def current_stream(device=None):
    return _current


def is_available():
    return True


def is_initialized():
    return True


def synchronize(device=None):
    """Nothing to wait for."""


def device_count():
    return 1


def current_device():
    return "cpu"


def set_device(device):
    """There is one."""


def __getattr__(name):
    if name == "amp":
        import functools
        import types

        from . import amp

        return types.SimpleNamespace(autocast=functools.partial(amp.autocast, "cpu"), GradScaler=functools.partial(amp.GradScaler, "cpu"))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
