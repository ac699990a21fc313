"""The profiler's older names."""

from __future__ import annotations

from ..profiler import kineto_available
from ..profiler._events import EventList, FunctionEvent, FunctionEventAvg
from ..profiler.profiler import AutogradProfile as profile
from ..profiler.profiler import ProfilerActivity, record_function

__all__ = ["profile", "record_function", "emit_itt", "emit_nvtx", "EventList", "FunctionEvent", "FunctionEventAvg", "ProfilerActivity",
           "kineto_available", "load_nvprof"]


class emit_itt:  # noqa: N801
    """Accepted: nothing is marked, for no tool that would read marks is linked."""

    def __init__(self, enabled=True, record_shapes=False):
        self.enabled, self.entered = enabled, False

    def __enter__(self):
        if not self.enabled:
            return None
        if self.entered:
            raise RuntimeError("ITT annotation context manager is not reentrant")
        self.entered = True
        return self

    def __exit__(self, *exc):
        return False


class emit_nvtx(emit_itt):  # noqa: N801
    """Accepted: there is no GPU whose tools would read marks."""

    def __enter__(self):
        if self.enabled and self.entered:
            raise RuntimeError("NVTX annotation context manager is not reentrant")
        return super().__enter__()


def load_nvprof(path):
    """Not supported.

    Raises:
        NotImplementedError: Always.
    """
    raise NotImplementedError("autograd.profiler.load_nvprof: Facula reads no traces of nvprof")
