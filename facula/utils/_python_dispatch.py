"""Modes under the operations. Here they see the calls that function modes see, once gradients are set aside."""

from __future__ import annotations

from ..overrides import TorchFunctionMode, _get_current_function_mode, _get_current_function_mode_stack


class TorchDispatchMode(TorchFunctionMode):
    """Inside, calls go to `__torch_dispatch__(func, types, args, kwargs)`: by operation of the table, not by ATen overload."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if getattr(func, "__name__", "") == "__get__":
            return func(*args, **(kwargs or {}))
        return self.__torch_dispatch__(func, types, args, kwargs or {})

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        raise NotImplementedError


class BaseTorchDispatchMode(TorchDispatchMode):
    """A mode that changes nothing."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


def _get_current_dispatch_mode():
    mode = _get_current_function_mode()
    return mode if isinstance(mode, TorchDispatchMode) else None


def _get_current_dispatch_mode_stack():
    return [m for m in _get_current_function_mode_stack() if isinstance(m, TorchDispatchMode)]


def is_in_torch_dispatch_mode(include_infra_modes=True):
    return bool(_get_current_dispatch_mode_stack())


def is_traceable_wrapper_subclass(t):
    """Whether a tensor subclass says how it is taken apart and put together."""
    return hasattr(t, "__tensor_flatten__") and hasattr(t, "__tensor_unflatten__")


def is_traceable_wrapper_subclass_type(t):
    return hasattr(t, "__tensor_flatten__") and hasattr(t, "__tensor_unflatten__")
