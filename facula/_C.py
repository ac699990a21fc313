"""What libraries look for in PyTorch's C++ module: our core's names, and plain answers to what they probe."""

from __future__ import annotations

import builtins
import types

import facula

from ._native import core

globals().update({name: value for name, value in vars(core).items() if not name.startswith("__") and name not in vars(builtins)})
TensorBase = _TensorBase = facula.Tensor
_TensorMeta = type(facula.Tensor)
_switches = dict.fromkeys(("can_fuse_on_cpu", "can_fuse_on_gpu", "texpr_fuser_enabled", "nvfuser_enabled", "profiling_mode", "profiling_executor"), False)


def _log_api_usage_once(event):
    """Usage is not logged."""


def _get_accelerator(check=False):
    """The device that work can be handed to: the CPU, there is no other."""
    return core.device("cpu")


def _get_privateuse1_backend_name():
    return "privateuseone"


def _are_functorch_transforms_active():
    """Whether vmap, grad or another transform of facula.func is under way."""
    from ._levels import stack

    return bool(stack())


def _cuda_isInBadFork():  # noqa: N802
    return False


def _cuda_getDeviceCount():  # noqa: N802
    return 0


def _parse_to(*args, **kwargs):
    """(device, dtype, non_blocking, memory format) of the arguments of `to`."""
    device = dtype = None
    for value in (*args, kwargs.get("device"), kwargs.get("dtype")):
        if isinstance(value, facula.Tensor):
            device, dtype = value.device, value.dtype
        elif isinstance(value, core.dtype):
            dtype = value
        elif isinstance(value, (str, core.device)) or isinstance(value, int) and not isinstance(value, bool):
            device = core.device(value)
    return device, dtype, bool(kwargs.get("non_blocking", False)), kwargs.get("memory_format")


def _switch(name):
    def read():
        return _switches[name]

    def write(value):
        before, _switches[name] = _switches[name], value
        return before

    return read, write


# PyTorch's fusers, which libraries turn on and off: the setting is kept, there is nothing to turn.
_jit_can_fuse_on_cpu, _jit_override_can_fuse_on_cpu = _switch("can_fuse_on_cpu")
_jit_can_fuse_on_gpu, _jit_override_can_fuse_on_gpu = _switch("can_fuse_on_gpu")
_jit_texpr_fuser_enabled, _jit_set_texpr_fuser_enabled = _switch("texpr_fuser_enabled")
_jit_nvfuser_enabled, _jit_set_nvfuser_enabled = _switch("nvfuser_enabled")
_get_graph_executor_optimize, _jit_set_profiling_mode = _switch("profiling_mode")
_, _jit_set_profiling_executor = _switch("profiling_executor")
_nn = types.ModuleType("facula._C._nn", "Parsing of module methods' arguments, and the functions of nn.functional.")
_nn._parse_to = _parse_to
_nn.__getattr__ = lambda name: getattr(facula.nn.functional, name)
_functorch = types.ModuleType("facula._C._functorch", "Questions about transforms of functions.")
_functorch.is_functorch_wrapped_tensor = _functorch.is_batchedtensor = lambda x: bool(getattr(x, "_is_batched", False))
_functorch.is_gradtrackingtensor = lambda x: False
