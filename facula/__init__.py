"""Facula: PyTorch's API, file formats and numbers on a lean native core."""

from __future__ import annotations

__version__ = "0.1.0"

from ._native import core as _core

dtype, device, layout, memory_format, Size = _core.dtype, _core.device, _core.layout, _core.memory_format, _core.Size
for _name in ("uint8 int8 int16 int32 int64 float16 float32 float64 complex32 complex64 complex128 bool bfloat16 uint16 "
              "uint32 uint64 strided sparse_coo sparse_csr sparse_csc sparse_bsr sparse_bsc contiguous_format channels_last "
              "channels_last_3d preserve_format").split():
    globals()[_name] = getattr(_core, _name)
half, float, double, short, int, long = float16, float32, float64, int16, int32, int64  # noqa: F821, A001
cfloat, cdouble, chalf = complex64, complex128, complex32  # noqa: F821
from math import e, inf, nan, pi  # noqa: E402, F401

newaxis = None
from . import _callbacks  # noqa: E402, F401

Tensor = _core.Tensor
get_default_dtype, set_default_dtype = _core.get_default_dtype, _core.set_default_dtype
is_grad_enabled, is_inference_mode_enabled = _core.is_grad_enabled, _core.is_inference_mode_enabled
promote_types, get_num_threads, set_num_threads = _core.promote_types, _core.get_num_threads, _core.set_num_threads
Generator = _core.Generator

from . import ops as _ops  # noqa: E402

globals().update(_ops.functions[""])
from ._tensor import *  # noqa: E402, F403
from ._globals import *  # noqa: E402, F403
from .autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled  # noqa: E402, F401
from . import autograd, fft, linalg, special  # noqa: E402, F401
from .random import *  # noqa: E402, F403
from . import random  # noqa: E402, F401
from ._printing import set_printoptions  # noqa: E402, F401
from . import overrides as _overrides  # noqa: E402

_overrides.guard_methods()
from . import nn, optim, utils  # noqa: E402, F401
from .serialization import load, save  # noqa: E402, F401

from ._legacy_types import types as _legacy_types  # noqa: E402

globals().update(_legacy_types)
_LAZY = {"vision", "fx", "_dynamo", "func", "jit", "onnx", "hub", "masked", "signal", "testing", "distributions", "compiler", "backends", "cuda",
         "multiprocessing", "overrides", "return_types", "types", "storage", "profiler", "amp", "array_api", "mps", "version",
         "torch_alias", "torch_version", "_dynamo", "_C", "fx", "cpu", "accelerator", "xpu", "mtia", "sparse", "library", "package", "quantization",
         "distributed", "futures", "export", "functional", "__config__"}
_AUTOCAST = ("autocast is_autocast_enabled set_autocast_enabled is_autocast_cpu_enabled get_autocast_dtype set_autocast_dtype get_autocast_cpu_dtype "
             "get_autocast_gpu_dtype is_autocast_cache_enabled set_autocast_cache_enabled clear_autocast_cache autocast_increment_nesting "
             "autocast_decrement_nesting").split()
_CHECKS = ("_check _check_is_size _check_index _check_value _check_type _check_not_implemented _check_with _check_tensor_all _check_tensor_all_with "
           "_assert _assert_async _assert_scalar sym_int sym_float sym_max sym_min sym_not sym_ite sym_sum sym_sqrt get_device_module "
           "_shape_as_tensor").split()
_FROM = {  # names of this module that live in another one
    **{f"sparse_{k}_tensor": "sparse" for k in ("coo", "csr", "csc", "bsr", "bsc", "compressed")}, **dict.fromkeys(_AUTOCAST, "amp.autocast_mode"),
    **dict.fromkeys(_CHECKS, "_checks"), **dict.fromkeys(("OutOfMemoryError", "AcceleratorError"), "cuda"),
    **dict.fromkeys(("Event", "Stream"), "cpu"), **dict.fromkeys(("PyTorchFileReader", "PyTorchFileWriter"), "_file_reader"),
    **dict.fromkeys("float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu float4_e2m1fn_x2".split(), "_later"),
    "ScriptModule": "jit", "vmap": "func", "GradScaler": "amp"}


def __getattr__(name):
    if name in _LAZY:
        import importlib

        try:
            return importlib.import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    if name in _FROM:
        import importlib

        return getattr(importlib.import_module(f"{__name__}.{_FROM[name]}"), name)
    if name == "__array_namespace_info__":
        from .array_api import __array_namespace_info__

        return __array_namespace_info__
    if name.endswith("Storage"):
        from . import storage

        if hasattr(storage, name):
            return getattr(storage, name)
    raise _names.missing("facula", name)


from . import _names  # noqa: E402

for _module in (nn, nn.functional, nn.init, optim, fft, linalg, special, autograd):
    _names.explain_missing(_module)
