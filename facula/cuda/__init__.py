"""GPUs: this build has none, and says so in PyTorch's words."""

from __future__ import annotations

from .. import _absent

globals().update(_absent.names("cuda", __name__))
from . import amp, random  # noqa: E402, F401

has_half = has_magma = False
default_generators = ()
CUDAGraph = type("CUDAGraph", (_absent._Base,), {"message": "Torch not compiled with CUDA enabled", "__module__": __name__})
graph = CUDAGraph


class OutOfMemoryError(RuntimeError):
    """A GPU's memory is full."""


class AcceleratorError(RuntimeError):
    """A GPU reports a fault."""


class nvtx:  # noqa: N801
    """Marks for NVIDIA's tools: accepted, nothing is marked."""

    range = _absent._no_change  # noqa: A003
    range_push = range_pop = range_start = range_end = mark = staticmethod(lambda *args, **kwargs: None)
