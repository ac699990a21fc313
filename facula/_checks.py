"""Assertions that libraries make, and arithmetic on sizes that may be symbolic elsewhere; here sizes are plain numbers."""

from __future__ import annotations

import builtins
import math

import facula

__all__ = ["_check", "_check_is_size", "_check_index", "_check_value", "_check_type", "_check_not_implemented", "_check_with", "_check_tensor_all",
           "_check_tensor_all_with", "_assert", "_assert_async", "_assert_scalar", "sym_int", "sym_float", "sym_max", "sym_min", "sym_not", "sym_ite",
           "sym_sum", "sym_sqrt", "get_device_module", "_shape_as_tensor", "_is_functional_tensor"]


def _check_with(error_type, cond, message=None):
    """Raises `error_type` with the text that `message()` gives, unless `cond` holds."""
    if not isinstance(cond, bool):
        raise TypeError(f"cond must be a bool, but got {type(cond)}")
    if cond:
        return
    if message is None:
        text = "Expected cond to be True, but got False. (Could this error message be improved? If so, please report an enhancement request to PyTorch.)"
    elif callable(message):
        text = str(message())
    else:
        raise TypeError("message must be a callable")
    raise error_type(text)


def _check(cond, message=None):
    """Raises RuntimeError unless `cond` holds."""
    _check_with(RuntimeError, cond, message)


def _check_index(cond, message=None):
    _check_with(IndexError, cond, message)


def _check_value(cond, message=None):
    _check_with(ValueError, cond, message)


def _check_type(cond, message=None):
    _check_with(TypeError, cond, message)


def _check_not_implemented(cond, message=None):
    _check_with(NotImplementedError, cond, message)


def _check_is_size(i, message=None, *, max=None):  # noqa: A002
    """Raises RuntimeError where a size is negative."""
    _check(i >= 0 and (max is None or i <= max), message)


def _check_tensor_all_with(error_type, cond, message=None):
    """Raises `error_type` unless all elements of a tensor of bools are true."""
    if not isinstance(cond, facula.Tensor):
        raise TypeError(f"cond must be a tensor, but got {type(cond)}")
    if cond.dtype != facula.bool:
        raise TypeError(f"cond tensor must have dtype torch.bool, but got {cond.dtype}")
    _check_with(error_type, bool(cond.all()), message)


def _check_tensor_all(cond, message=None):
    _check_tensor_all_with(RuntimeError, cond, message)


def _assert(condition, message=""):
    """Python's `assert` as a function."""
    if not condition:
        raise AssertionError(message)


def _assert_async(input, assert_msg=""):
    """Raises RuntimeError where a tensor of one element is zero."""
    if input.numel() != 1:
        raise RuntimeError("Expected Tensor with single element, but got Tensor with " + ("no values" if not input.numel() else "more than one value"))
    if not input.item():
        raise RuntimeError(assert_msg or "Expected Tensor with single nonzero value, but got zero")


def _assert_scalar(condition, message):
    if not condition:
        raise RuntimeError(message)


def sym_int(a):
    """`int` of a number, towards zero."""
    return math.floor(a) if a >= 0 else math.ceil(a)


def sym_float(a):
    return float(a)


def sym_max(a, b):
    return builtins.max(a, b)


def sym_min(a, b):
    return builtins.min(a, b)


def sym_not(a):
    return not a


def sym_ite(b, t, f):
    """`t` if `b`, else `f`."""
    return t if b else f


def sym_sum(args):
    return builtins.sum(args)


def sym_sqrt(a):
    return math.sqrt(a)


def get_device_module(device=None):
    """The module of a device's functions, `facula.cuda` for "cuda"."""
    kind = facula.device(device).type if device is not None else "cpu"
    module = getattr(facula, kind, None)
    if module is None:
        raise RuntimeError(f"Device '{kind}' does not have a corresponding module registered as 'torch.{kind}'.")
    return module


def _shape_as_tensor(x):
    return facula.tensor(list(x.shape), dtype=facula.int64)


def _is_functional_tensor(t):
    return False
