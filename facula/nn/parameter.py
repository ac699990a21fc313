"""Tensors that modules know: parameters, buffers, and both before their shape is known."""

from __future__ import annotations

import facula

from .._native import core
from ..overrides import _disabled_torch_function_impl

Tensor = core.Tensor


class _ParameterMeta(type(Tensor)):
    # Subclasses of Tensor that say so (`_is_param`) count as parameters too.
    def __instancecheck__(cls, instance):
        return super().__instancecheck__(instance) or (
            cls is Parameter and isinstance(instance, Tensor) and getattr(instance, "_is_param", False))


class Parameter(Tensor, metaclass=_ParameterMeta):
    """A tensor that becomes a module's parameter when it is assigned as an attribute.

    Args:
        data: The tensor; an empty one by default.
        requires_grad: Whether gradients are wanted.
    """

    def __new__(cls, data=None, requires_grad=True):
        if data is None:
            data = facula.empty(0)
        if type(data) is Tensor or type(data) is Parameter:
            return Tensor._make_subclass(cls, data, requires_grad)
        kept = data.detach().requires_grad_(requires_grad)
        if type(kept) is not type(data):
            raise RuntimeError(f"Creating a Parameter from an instance of type {type(data).__name__} requires that detach() returns an "
                               f"instance of the same type, but return type {type(kept).__name__} was found instead.")
        kept._is_param = True
        return kept

    def __init__(self, data=None, requires_grad=True):
        pass

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            memo[id(self)] = made = type(self)(self.data.clone(), self.requires_grad)
            made.__dict__.update(self.__dict__)
        return memo[id(self)]

    def __reduce_ex__(self, protocol):
        from .._utils import _parameter_reduce_ex

        return _parameter_reduce_ex(self, protocol)

    def __repr__(self, *, tensor_contents=None):
        return "Parameter containing:\n" + Tensor.__repr__(self)

    __torch_function__ = _disabled_torch_function_impl


class _BufferMeta(type(Tensor)):
    # Buffers are tensors that say so.
    def __instancecheck__(cls, instance):
        return super().__instancecheck__(instance) or (
            cls is Buffer and isinstance(instance, Tensor) and getattr(instance, "_is_buffer", False))


class Buffer(Tensor, metaclass=_BufferMeta):
    """A tensor that becomes a module's buffer when it is assigned as an attribute."""

    def __new__(cls, data=None, *, persistent=True):
        data = facula.empty(0) if data is None else data
        made = data.detach().requires_grad_(data.requires_grad)
        made.persistent = persistent
        made._is_buffer = True
        return made

    __torch_function__ = _disabled_torch_function_impl


# What an uninitialised tensor can do: be moved, cast, filled, and asked for what it knows of itself.
_ALLOWED = frozenset("__hash__ size copy_ is_complex is_floating_point half float double char short int long cuda cpu to get_device type __get__ __set__ "
                     "__delete__ _has_compatible_shallow_copy_type".split())


class UninitializedTensorMixin:
    """A placeholder for a tensor whose shape comes with the first input."""

    def materialize(self, shape, device=None, dtype=None):
        """Gives the tensor its shape, with memory as it comes."""
        device = self.data.device if device is None else device
        dtype = self.data.dtype if dtype is None else dtype
        self.data = facula.empty(shape, device=device, dtype=dtype)
        core.become(self, self.cls_to_become, False)

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", None)
        if name not in _ALLOWED:
            raise ValueError(f"Attempted to use an uninitialized parameter in <method '{name}' of 'torch._C.TensorBase' objects>. This error happens when you are using a `LazyModule` or explicitly "
                             f"manipulating `torch.nn.parameter.{cls.__name__}` objects. When using LazyModules Call `forward` with a dummy batch to "
                             "initialize the parameters before calling torch functions")
        return _disabled_torch_function_impl(func, types, args, kwargs)

    @property
    def shape(self):
        raise RuntimeError("Can't access the shape of an uninitialized parameter or buffer. This error usually happens in "
                           "`load_state_dict` when trying to load an uninitialized parameter into an initialized one. "
                           "Call `forward` to initialize the parameters before accessing their attributes.")

    def share_memory_(self):
        raise RuntimeError("Can't share memory on an uninitialized parameter or buffer. Call `forward` to initialize the parameters "
                           "before calling `module.share_memory()`.")

    def __repr__(self):
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, proto):
        return type(self), (self.requires_grad,)


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A parameter whose shape comes with the first input."""

    cls_to_become = Parameter

    def __new__(cls, requires_grad=True, device=None, dtype=None):
        return Tensor._make_subclass(cls, facula.empty(0, device=device, dtype=dtype), requires_grad)

    def __init__(self, requires_grad=True, device=None, dtype=None):
        pass

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.requires_grad, self.data.device, self.data.dtype)
        return memo[id(self)]


class UninitializedBuffer(UninitializedTensorMixin, Tensor):
    """A buffer whose shape comes with the first input."""

    cls_to_become = Tensor

    def __init__(self, requires_grad=False, device=None, dtype=None, persistent=True):
        pass

    def __new__(cls, requires_grad=False, device=None, dtype=None, persistent=True):
        made = Tensor._make_subclass(cls, facula.empty(0, device=device, dtype=dtype), requires_grad)
        made.persistent = persistent
        made._is_buffer = True
        return made


def is_lazy(param):
    """Whether the tensor still waits for its shape."""
    return isinstance(param, UninitializedTensorMixin)
