"""What Tensor has beyond operations: construction, conversion, borders to NumPy and Python."""

from __future__ import annotations

import facula

from ._native import core
from .ops.create import _finish

Tensor = core.Tensor
__all__ = ["tensor", "as_tensor", "asarray", "from_numpy", "scalar_tensor", "is_tensor", "numel", "is_floating_point", "is_complex",
           "result_type", "can_cast", "is_storage", "frombuffer", "from_dlpack", "is_nonzero", "is_same_size", "is_conj", "is_neg",
           "resolve_conj", "resolve_neg", "typename"]


def _method(function):
    core.attach(function.__name__, function)
    return function


# ---------------------------------------------------------------- construction

def tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False):
    """A new tensor with the given data, always copied.

    Args:
        data: Number, (nested) sequence, NumPy array or tensor.
        dtype: Element type; by default inferred from the data.
        device: Where to put it; by default the CPU or the data's device.
        requires_grad: Whether gradients are wanted.
        pin_memory: Accepted; there is nothing to pin without a GPU.

    Returns:
        A leaf tensor.

    Raises:
        ValueError: Rows have different lengths.
        TypeError: An element is no number.

    Example:
        >>> tensor([[1., 2.], [3., 4.]]).shape
        facula.Size([2, 2])
    """
    device = _default_device(device)
    if isinstance(data, Tensor):
        import warnings

        warnings.warn("To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
                      "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).", UserWarning, 2)
        out = data.detach().to(device=device or data.device, dtype=dtype or data.dtype, copy=True)
    elif hasattr(data, "__array_interface__") or type(data).__module__ == "numpy":
        out = _from_array(data).to(dtype=dtype, device=device, copy=True) if dtype or device else _from_array(data).clone()
    else:
        out = core.tensor_data(data, dtype, device)
    return _finish(out, requires_grad)


def _default_device(device):
    if device is None and _device_stack:
        return _device_stack[-1]
    return device


_device_stack: list = []


def as_tensor(data, dtype=None, device=None):
    """The data as a tensor, sharing memory where dtype and device allow it."""
    if isinstance(data, Tensor):
        return data.to(dtype=dtype or data.dtype, device=device or data.device)
    if hasattr(data, "untyped") and hasattr(data, "_values"):
        data = data._values()  # a storage
        return data.to(dtype=dtype or data.dtype, device=device or data.device)
    if hasattr(data, "__array_interface__"):
        out = _from_array(data)
        return out.to(dtype=dtype or out.dtype, device=device or out.device)
    if hasattr(data, "__dlpack__"):
        out = from_dlpack(data)
        return out.to(dtype=dtype or out.dtype, device=device or out.device)
    return core.tensor_data(data, dtype, device)


def asarray(obj, *, dtype=None, device=None, copy=None, requires_grad=False):
    """Like `as_tensor`; `copy=True` never shares memory, `copy=False` always does or raises."""
    out = as_tensor(obj, dtype, device)
    shared = isinstance(obj, Tensor) and out._same_storage(obj) or hasattr(obj, "__array_interface__") and out.dtype == _from_array(obj).dtype
    if copy and shared:
        out = out.clone()
    if copy is False and not shared and hasattr(obj, "__len__"):
        raise ValueError("can't alias data that has another dtype or device, or is no array: pass copy=None")
    return _finish(out.detach(), True) if requires_grad else out


_TYPESTR = {"|b1": "bool", "|i1": "int8", "|u1": "uint8", "<i2": "int16", "<i4": "int32", "<i8": "int64", "<u2": "uint16",
            "<u4": "uint32", "<u8": "uint64", "<f2": "float16", "<f4": "float32", "<f8": "float64", "<c8": "complex64",
            "<c16": "complex128"}
_TO_TYPESTR = {v: k for k, v in _TYPESTR.items()}


def _truths(array):
    """An array of truths whose bytes are 0 and 1: Pillow writes 255, which counts as 255 in sums."""
    values = array.view("u1")
    if not (values > 1).any():
        return array
    if not array.flags.writeable:
        return values != 0
    values[...] = values != 0  # what it says does not change
    return array


def _from_array(array):
    tensor = core.from_array(array)
    if tensor is not None:
        return tensor
    import numpy as np

    array = np.asarray(array)
    if not array.dtype.isnative:
        raise ValueError("given numpy array has byte order different from the native byte order. Conversion between byte orders is currently not supported.")
    kind = _TYPESTR.get(array.dtype.str)
    if kind is None:
        raise TypeError(f"can't convert np.ndarray of type {array.dtype.type.__module__}.{array.dtype.type.__name__}. The only supported types "
                        "are: float64, float32, float16, complex64, complex128, int64, int32, int16, int8, uint64, uint32, uint16, uint8, and bool.")
    if any(s % array.itemsize for s in array.strides) or any(s < 0 for s in array.strides):
        if any(s < 0 for s in array.strides):
            raise ValueError("At least one stride in the given numpy array is negative, and tensors with negative strides are not currently "
                             "supported. (You can probably work around this by making a copy of your array  with array.copy().) ")
        array = array.copy()
    array = _truths(array) if kind == "bool" else array
    strides = tuple(s // array.itemsize for s in array.strides)
    span = 1 + sum((n - 1) * s for n, s in zip(array.shape, strides)) if array.size else 0
    return core.from_memory(array.__array_interface__["data"][0], span * array.itemsize, array.shape, strides, getattr(core, kind), array)


def from_numpy(array):
    """A tensor on the array's own memory: changes show on both sides."""
    if (tensor := core.from_array(array)) is not None:
        return tensor
    import numpy as np

    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    if not array.flags.writeable:
        import warnings

        warnings.warn("The given NumPy array is not writable, and PyTorch does not support non-writable tensors. This means writing to this tensor "
                      "will result in undefined behavior. You may want to copy the array to protect its data or make it writable before converting "
                      "it to a tensor. This type of warning will be suppressed for the rest of this program.", UserWarning, 2)
    return _from_array(array)


class _ArrayView:
    """What NumPy reads a tensor's memory through; keeps the tensor alive."""

    def __init__(self, owner):
        size = owner.element_size()
        self.owner = owner
        self.__array_interface__ = {"shape": tuple(owner.shape), "typestr": _TO_TYPESTR[str(owner.dtype).rpartition(".")[2]], "version": 3,
                                    "strides": tuple(s * size for s in owner.stride()), "data": (owner.data_ptr(), False)}


@_method
def numpy(self, *, force=False):
    """The tensor's memory as a NumPy array, not copied unless `force` has to detach or move it."""
    if self._flags & 4:  # an example inside vmap
        raise RuntimeError("Cannot access data pointer of Tensor that doesn't have storage")
    if force:
        self = self.detach().cpu()
    elif self.requires_grad and core.is_grad_enabled():
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
    if self.device.type != "cpu":
        raise TypeError(f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first.")
    if self._flags & 128:
        raise TypeError(f"can't convert {'Sparse' if self.is_sparse else str(self.layout).rpartition('.')[2]} layout tensor to numpy. "
                        "Use Tensor.to_dense() first.")
    if self.dtype in (core.bfloat16, core.complex32):
        raise TypeError(f"Got unsupported ScalarType {'BFloat16' if self.dtype == core.bfloat16 else 'ComplexHalf'}")
    import numpy as np

    if self.numel() == 0:
        return np.empty(tuple(self.shape), _TO_TYPESTR[str(self.dtype).rpartition(".")[2]])
    return np.asarray(_ArrayView(self))


@_method
def __array__(self, dtype=None, copy=None):
    array = self.numpy()
    return array if dtype is None else array.astype(dtype, copy=False)


core.attach("__array_priority__", 1000)


@_method
def __array_wrap__(self, array, context=None, return_scalar=False):
    return from_numpy(array) if getattr(array, "ndim", 0) else tensor(array.item() if hasattr(array, "item") else array)


def construct(cls, *args, device=None, requires_grad=None, dtype=None, data=None):
    """`Tensor(2, 3)`, `Tensor([1, 2])`, `Tensor()`: the old constructor, of the default dtype."""
    dtype = getattr(cls, "_legacy_dtype", None) or dtype or core.get_default_dtype()
    if data is not None:
        args = (data,)
    if not args:
        made = facula.empty(0, dtype=dtype)
    elif len(args) == 1 and isinstance(args[0], Tensor):
        made = args[0] if cls is not Tensor or args[0].dtype == dtype else args[0]
        made = core.alias(made) if cls is Tensor else made
    elif all(isinstance(a, int) for a in args) or len(args) == 1 and isinstance(args[0], core.Size):
        made = facula.empty(*args, dtype=dtype)
    elif len(args) == 1:
        made = core.tensor_data(args[0], dtype, device) if not hasattr(args[0], "__array_interface__") else _from_array(args[0]).to(dtype)
    else:
        raise TypeError(f"new() received an invalid combination of arguments - got {tuple(type(a).__name__ for a in args)}")
    return made if cls is Tensor else core.make_subclass(cls, made, bool(requires_grad), _overrides(cls))


def _overrides(cls):
    # Subclasses without a `__torch_function__` of their own have Tensor's: results become the subclass.
    from .overrides import _disabled_torch_function_impl

    return cls is not Tensor and getattr(cls.__torch_function__, "__func__", cls.__torch_function__) is not _disabled_torch_function_impl


def _default_torch_function(cls, func, types, args=(), kwargs=None):
    from ._dispatch import plain_call

    return plain_call(cls, func, types, args, kwargs or {})


core.attach("__torch_function__", classmethod(_default_torch_function))


@staticmethod
def _make_subclass(cls, data, require_grad=False, dispatch_sizes_strides_policy=None):
    return core.make_subclass(cls, data.detach(), require_grad, _overrides(cls))


core.attach("_make_subclass", _make_subclass)


@_method
def _is_view(self):
    """Whether this is a view of another tensor."""
    return self._base is not None


@_method
def as_subclass(self, cls):
    """The same memory as an object of another class."""
    return core.make_subclass(cls, self, self.requires_grad, _overrides(cls))


# ---------------------------------------------------------------- conversion

@_method
def to(self, *args, device=None, dtype=None, non_blocking=False, copy=False, memory_format=None):
    """This tensor with another dtype and/or on another device; itself if nothing changes."""
    if len(args) == 1 and type(args[0]) is core.dtype and device is dtype is memory_format is None and not copy:
        return self if args[0] == self.dtype else facula._to_copy(self, args[0])
    for a in args:
        if isinstance(a, Tensor):
            device, dtype = a.device, a.dtype
        elif isinstance(a, core.dtype) or a in (float, int, bool, complex):
            dtype = a
        elif isinstance(a, (core.device, str, int)) and not isinstance(a, bool):
            device = a
        elif isinstance(a, core.memory_format):
            memory_format = a
        elif isinstance(a, bool):
            pass
        elif a is not None:
            raise TypeError(f"to() received an invalid combination of arguments - got ({type(a).__name__})")
    if isinstance(dtype, type):
        dtype = {float: core.float64, int: core.int64, bool: core.bool, complex: core.complex128}[dtype]
    target = core.device(device) if device is not None and not isinstance(device, core.device) else device
    moves = target is not None and (target.type != self.device.type)
    same = (dtype is None or dtype == self.dtype) and not moves
    if memory_format is not None and memory_format != core.preserve_format and not self.is_contiguous(memory_format=memory_format):
        same = False
    if same and not copy:
        return self
    if moves and self.device.type == "meta":
        raise NotImplementedError("Cannot copy out of meta tensor; no data! Please use torch.nn.Module.to_empty() instead of torch.nn.Module.to() "
                                  "when moving module from meta to a different device.")
    if moves and target.type in ("cuda", "mps"):
        from .cuda import _lazy_init

        _lazy_init(target)
    return facula._to_copy(self, dtype or self.dtype, str(target) if moves else None, memory_format)


def _cast(name, dtype):
    def method(self, memory_format=None):
        if memory_format is not None:
            return self.to(dtype, memory_format=memory_format)
        return self if self.dtype == dtype else facula._to_copy(self, dtype)

    method.__name__ = name
    method.__doc__ = f"This tensor as {str(dtype).rpartition('.')[2]}."
    core.attach(name, method)


for _name, _dtype in {"float": "float32", "double": "float64", "half": "float16", "bfloat16": "bfloat16", "int": "int32", "long": "int64",
                      "short": "int16", "char": "int8", "byte": "uint8", "bool": "bool", "cfloat": "complex64", "cdouble": "complex128",
                      "chalf": "complex32"}.items():
    _cast(_name, getattr(core, _dtype))


def _tensor_type(self, dtype=None, non_blocking=False):
    """The name of the tensor's type, or the tensor as another type."""
    kinds = {"float32": "Float", "float64": "Double", "float16": "Half", "bfloat16": "BFloat16", "int64": "Long", "int32": "Int",
             "int16": "Short", "int8": "Char", "uint8": "Byte", "bool": "Bool", "complex64": "ComplexFloat", "complex128": "ComplexDouble"}
    if dtype is None:
        name = kinds.get(str(self.dtype).rpartition(".")[2], "")
        return f"torch.{'cuda.' if self.is_cuda else ''}{name}Tensor"
    if isinstance(dtype, str):
        dtype = getattr(core, {v + "Tensor": k for k, v in kinds.items()}[dtype.rpartition(".")[2]])
    elif not isinstance(dtype, core.dtype):
        dtype = getattr(dtype, "_legacy_dtype", dtype)
    return self.to(dtype)


core.attach("type", _tensor_type)


@_method
def type_as(self, other):
    """This tensor with the dtype of another one."""
    return self.to(other.dtype)


@_method
def cpu(self, memory_format=None):
    """This tensor on the CPU."""
    return self.to(core.device("cpu"))


@_method
def cuda(self, device=None, non_blocking=False, memory_format=None):
    """This tensor on a GPU."""
    return self.to(core.device("cuda") if device is None else core.device("cuda", device) if isinstance(device, int) else device)


@_method
def pin_memory(self, device=None):
    """Without a GPU there is nothing to pin to."""
    raise RuntimeError("Cannot access accelerator device when none is available.")


@_method
def is_pinned(self, device=None):
    return False


@_method
def get_device(self):
    """The GPU's number, -1 on the CPU."""
    return -1 if self.device.type == "cpu" else self.device.index


@_method
def share_memory_(self):
    """Moves the memory to where other processes can map it."""
    from .multiprocessing import share

    return share(self)


@_method
def is_shared(self):
    from .multiprocessing import is_shared

    return is_shared(self)


# ---------------------------------------------------------------- questions

def is_tensor(obj):
    """Whether the object is a tensor."""
    return isinstance(obj, Tensor)


def is_storage(obj):
    from .storage import TypedStorage, UntypedStorage

    return isinstance(obj, (UntypedStorage, TypedStorage))


def numel(input):
    """Number of elements."""
    return input.numel()


def is_floating_point(input):
    return input.is_floating_point()


def is_complex(input):
    return input.is_complex()


def is_nonzero(input):
    return bool(input)


def is_same_size(input, other):
    return input.shape == other.shape


core.attach("is_nonzero", is_nonzero)
core.attach("is_same_size", is_same_size)


def is_conj(input):
    return False


def is_neg(input):
    return False


def resolve_conj(input):
    return input


def resolve_neg(input):
    return input


for _f in (is_conj, is_neg, resolve_conj, resolve_neg):
    core.attach(_f.__name__, _f)


@_method
def is_signed(self):
    return self.dtype.is_signed


def typename(obj):
    """The full name of an object's type."""
    if isinstance(obj, Tensor):
        return obj.type()
    kind = obj if isinstance(obj, type) else type(obj)
    module = kind.__module__
    return kind.__qualname__ if module in (None, "builtins") else f"{module}.{kind.__qualname__}"


def result_type(tensor1, tensor2):
    """The dtype that arithmetic on both would give."""
    return core.result_type(tensor1, tensor2)


def can_cast(from_, to):
    """Whether values may be converted without leaving their category (e.g. not float to int)."""
    rank = lambda t: 0 if t == core.bool else 3 if t.is_complex else 2 if t.is_floating_point else 1  # noqa: E731
    return rank(from_) <= rank(to)


def scalar_tensor(s, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """A 0-dim tensor of the default dtype."""
    return tensor(s, dtype=dtype or core.get_default_dtype(), device=device, requires_grad=requires_grad)


def frombuffer(buffer, *, dtype, count=-1, offset=0, requires_grad=False):
    """A tensor on the memory of an object with the buffer protocol."""
    import ctypes

    view = memoryview(buffer).cast("B")
    size = dtype.itemsize
    if offset >= len(view):
        raise ValueError(f"offset ({offset} bytes) must be non-negative and no greater than buffer length ({len(view)} bytes) minus 1")
    count = (len(view) - offset) // size if count < 0 else count
    if offset + count * size > len(view):
        raise ValueError(f"requested buffer length ({count} * {size} bytes) after offset ({offset} bytes) must not be greater than actual "
                         f"buffer length ({len(view)} bytes)")
    array = (ctypes.c_char * len(view)).from_buffer(buffer) if not view.readonly else (ctypes.c_char * len(view)).from_buffer_copy(view)
    out = core.from_memory(ctypes.addressof(array) + offset, count * size, (count,), (1,), dtype, (array, buffer))
    return _finish(out, requires_grad)


def from_dlpack(ext_tensor):
    """A tensor on the memory of any object that speaks DLPack."""
    from .utils.dlpack import from_dlpack

    return from_dlpack(ext_tensor)


@_method
def __array_namespace__(self, *, api_version=None):
    """The array API standard's namespace for tensors."""
    from . import array_api

    if api_version not in (None, "2021.12", "2022.12", "2023.12", "2024.12"):
        raise ValueError(f"__array_namespace__(): the array API version {api_version!r} is not one of those up to 2024.12")
    return array_api


@_method
def to_device(self, device, /, *, stream=None):
    """The array API standard's name for moving a tensor."""
    return self.to(device)
