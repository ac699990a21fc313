"""Parameters and buffers: tensors that modules own."""

from __future__ import annotations

import facula

from .._native import core

Tensor = core.Tensor


class _ParameterMeta(type(Tensor)):
    def __instancecheck__(cls, instance):
        return type.__instancecheck__(cls, instance) or (isinstance(instance, Tensor) and getattr(instance, "_is_param", False))


class Parameter(Tensor, metaclass=_ParameterMeta):
    """A tensor that a module registers as one of its parameters when it is assigned."""

    def __new__(cls, data=None, requires_grad=True):
        if data is None:
            data = facula.empty(0)
        if type(data) is Tensor or type(data) is Parameter:
            return core.make_subclass(cls, data.detach(), bool(requires_grad), False)
        made = data.detach().requires_grad_(requires_grad)
        made._is_param = True
        return made

    def __init__(self, data=None, requires_grad=True):
        pass

    def __deepcopy__(self, memo):
        if id(self) in memo:
            return memo[id(self)]
        made = type(self)(self.data.clone(), self.requires_grad)
        made.__dict__.update(self.__dict__)
        memo[id(self)] = made
        return made

    def __repr__(self):
        return "Parameter containing:\n" + super().__repr__()

    def __reduce_ex__(self, protocol):
        from collections import OrderedDict

        from .._utils import _rebuild_parameter

        return _rebuild_parameter, (self.data, self.requires_grad, OrderedDict())


class Buffer(Tensor):
    """A tensor that a module registers as a buffer when it is assigned."""

    def __new__(cls, data=None, *, persistent=True):
        if data is None:
            data = facula.empty(0)
        made = core.make_subclass(cls, data.detach(), data.requires_grad, False)
        made.persistent = persistent
        return made

    def __init__(self, data=None, *, persistent=True):
        pass


class UninitializedTensorMixin:
    """A parameter or buffer whose shape the first input decides."""

    def materialize(self, shape, device=None, dtype=None):
        self.data = facula.empty(shape, device=device or self.data.device, dtype=dtype or self.data.dtype)
        self.__class__ = self.cls_to_become

    @property
    def shape(self):
        raise RuntimeError("Can't access the shape of an uninitialized parameter or buffer. This error usually happens in `load_state_dict` when trying to "
                           "load an uninitialized parameter into an initialized one. Call `forward` to initialize the parameters before accessing their attributes.")


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A parameter of a lazy module before its first call."""

    cls_to_become = Parameter

    def __new__(cls, requires_grad=True, device=None, dtype=None):
        return core.make_subclass(cls, facula.empty(0, device=device, dtype=dtype), requires_grad, False)

    def __repr__(self):
        return "<UninitializedParameter>"


class UninitializedBuffer(UninitializedTensorMixin, Tensor):
    """A buffer of a lazy module before its first call."""

    cls_to_become = Tensor

    def __new__(cls, requires_grad=False, device=None, dtype=None, persistent=True):
        return core.make_subclass(cls, facula.empty(0, device=device, dtype=dtype), requires_grad, False)


def is_lazy(param):
    """Whether a parameter still waits for its shape."""
    return isinstance(param, UninitializedTensorMixin)
