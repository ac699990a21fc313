"""The memory behind tensors as objects of its own."""

from __future__ import annotations

import ctypes
import io

import facula

from ._native import core

__all__ = ["UntypedStorage", "TypedStorage"]

_KINDS = {"Float": "float32", "Double": "float64", "Half": "float16", "BFloat16": "bfloat16", "Long": "int64", "Int": "int32",
          "Short": "int16", "Char": "int8", "Byte": "uint8", "Bool": "bool", "ComplexFloat": "complex64",
          "ComplexDouble": "complex128"}


def bytes_of(tensor):
    """The whole memory behind a tensor as one tensor of bytes."""
    return tensor.detach()._as_dtype(core.uint8, (tensor._storage_nbytes(),), (1,), 0)


def memory_of(tensor):
    """The memory behind a CPU tensor as a writable memoryview of bytes."""
    memory = (ctypes.c_char * tensor._storage_nbytes()).from_address(tensor._storage_ptr())
    memory.owner = tensor  # the view keeps what it shows alive
    return memoryview(memory).cast("B")


class _Storage:
    @property
    def device(self):
        return self._bytes.device

    @property
    def _cdata(self):
        return self._bytes._storage_id()

    @property
    def is_cuda(self):
        return self.device.type == "cuda"

    is_sparse = is_sparse_csr = False

    def nbytes(self):
        return self._bytes._storage_nbytes()

    def data_ptr(self):
        return self._bytes._storage_ptr()

    def get_device(self):
        return self.device.index if self.device.index is not None else -1

    def is_shared(self):
        return self._bytes.is_shared()

    def share_memory_(self):
        self._bytes.share_memory_()
        return self

    def is_pinned(self, device="cuda"):
        return False

    def tolist(self):
        return self._values().tolist()

    def __len__(self):
        return self.size()

    def __iter__(self):
        return iter(self.tolist())

    def __getitem__(self, index):
        if isinstance(index, slice):
            return type(self)._over(self._part(*index.indices(self.size())), self.dtype)
        if not isinstance(index, int):
            raise TypeError(f"can't index a {type(self).__name__} with {type(index).__name__}")
        if not -self.size() <= index < self.size():
            raise IndexError(f"index {index} out of range for storage of size {self.size()}")
        return self._values()[index].item()

    def _part(self, start, stop, step):
        """A tensor of bytes on part of the memory, which it shares."""
        if step != 1:
            raise RuntimeError(f"Trying to slice with a step of {step}, but only a step of 1 is supported")
        size = self.element_size()
        nbytes = max(stop - start, 0) * size
        if not nbytes or self.device.type != "cpu":
            return self._bytes[start * size:start * size + nbytes].clone()
        return core.from_memory(self._bytes.data_ptr() + start * size, nbytes, (nbytes,), (1,), core.uint8, self._bytes)

    def __setitem__(self, index, value):
        self._values()[index] = value

    def fill_(self, value):
        self._values().fill_(value)
        return self

    def copy_(self, source, non_blocking=None):
        self._values().copy_(source._values())
        return self

    def __eq__(self, other):
        return isinstance(other, _Storage) and self._cdata == other._cdata

    __hash__ = object.__hash__

    def __str__(self):
        kind = f"{facula._names.prefix}.storage.{type(self).__name__}"
        inside = f"dtype={self.dtype}, " if isinstance(self, TypedStorage) else ""
        lines = [] if self.device.type == "meta" else [f" {v}" for v in self.tolist()]
        if self.device.type == "meta":
            lines = ["..."]
        return "\n".join([*lines, f"[{kind}({inside}device={self.device}) of size {self.size()}]"])

    __repr__ = __str__


class UntypedStorage(_Storage):
    """Plain bytes: what tensors of any dtype are views of."""

    dtype = core.uint8

    def __init__(self, *args, device="cpu"):
        size = args[0] if args else 0
        if isinstance(size, int):
            self._bytes = facula.empty(size, dtype=core.uint8, device=device)
        else:
            self._bytes = facula.tensor(list(size), dtype=core.uint8)

    @classmethod
    def _over(cls, tensor, dtype=None):
        made = cls.__new__(cls)
        made._bytes = bytes_of(tensor)
        return made

    def _values(self):
        return self._bytes

    def size(self):
        return self.nbytes()

    def element_size(self):
        return 1

    def untyped(self):
        return self

    def clone(self):
        return type(self)._over(self._bytes.clone())

    def resize_(self, size):
        self._bytes._resize_memory(size)
        self._bytes = bytes_of(self._bytes)

    def cpu(self):
        return self if self.device.type == "cpu" else type(self)._over(self._bytes.cpu())

    def to(self, device, non_blocking=False):
        return type(self)._over(self._bytes.to(device))

    def cuda(self, device=None, non_blocking=False):
        return type(self)._over(self._bytes.cuda(device))

    @classmethod
    def from_buffer(cls, buffer, *args, **kwargs):
        data = bytearray(buffer)
        return cls._over(facula.frombuffer(data, dtype=core.uint8) if data else facula.empty(0, dtype=core.uint8))

    @classmethod
    def from_file(cls, filename, shared=False, nbytes=0):
        return cls._over(map_file(filename, shared, nbytes))

    def __deepcopy__(self, memo):
        copied = memo.get(id(self._cdata))
        return copied if copied is not None else self.clone()

    def __reduce__(self):
        buffer = io.BytesIO()
        facula.save(self, buffer, _use_new_zipfile_serialization=False)
        return _load_from_bytes, (buffer.getvalue(),)


def map_file(filename, shared, nbytes):
    """A file's bytes as a tensor on mapped memory; writes reach the file if `shared`."""
    import mmap
    import os

    if shared:
        with open(filename, "a+b") as file:
            if os.fstat(file.fileno()).st_size < nbytes:
                file.truncate(nbytes)
            mapped = mmap.mmap(file.fileno(), nbytes)
    else:
        with open(filename, "rb") as file:
            mapped = mmap.mmap(file.fileno(), nbytes, access=mmap.ACCESS_COPY)
    return tensor_on(mapped, 0, nbytes)


def tensor_on(buffer, offset, nbytes):
    """A tensor of bytes on part of a writable buffer, which it keeps alive."""
    if not nbytes:
        return facula.empty(0, dtype=core.uint8)
    held = (ctypes.c_char * nbytes).from_buffer(buffer, offset)
    return core.from_memory(ctypes.addressof(held), nbytes, (nbytes,), (1,), core.uint8, held)


class TypedStorage(_Storage):
    """Memory read as elements of one dtype."""

    dtype = None

    def __init__(self, *args, wrap_storage=None, dtype=None, device=None, _internal=False):
        self.dtype = dtype or type(self).dtype or facula.get_default_dtype()
        if wrap_storage is not None:
            self._bytes = wrap_storage._bytes
        elif not args or isinstance(args[0], int):
            self._bytes = bytes_of(facula.empty(args[0] if args else 0, dtype=self.dtype, device=device or "cpu"))
        else:
            self._bytes = bytes_of(facula.tensor(list(args[0]), dtype=self.dtype))

    @classmethod
    def _over(cls, tensor, dtype):
        made = cls.__new__(cls)
        made._bytes, made.dtype = bytes_of(tensor), dtype
        return made

    def _values(self):
        return self._bytes._as_dtype(self.dtype, (self.size(),), (1,), 0)

    @property
    def _untyped_storage(self):
        return UntypedStorage._over(self._bytes)

    def untyped(self):
        return self._untyped_storage

    def size(self):
        return self.nbytes() // self.dtype.itemsize

    def element_size(self):
        return self.dtype.itemsize

    def clone(self):
        return TypedStorage._over(self._bytes.clone(), self.dtype)

    def resize_(self, size):
        self._bytes._resize_memory(size * self.dtype.itemsize)
        self._bytes = bytes_of(self._bytes)

    def cpu(self):
        return self if self.device.type == "cpu" else TypedStorage._over(self._bytes.cpu(), self.dtype)

    def pickle_storage_type(self):
        names = {v: k for k, v in _KINDS.items()}
        return names[str(self.dtype).rpartition(".")[2]] + "Storage"

    _pickle_storage_type = pickle_storage_type

    def type(self, dtype=None):
        return f"torch.{self.pickle_storage_type()}" if dtype is None else self._cast(dtype)

    def _cast(self, dtype):
        return TypedStorage._over(self._values().to(dtype), dtype)

    def __deepcopy__(self, memo):
        return self.clone()

    def __reduce__(self):
        buffer = io.BytesIO()
        facula.save(self, buffer, _use_new_zipfile_serialization=False)
        return _load_from_bytes, (buffer.getvalue(),)


for _name, _dtype in {"float": "float32", "double": "float64", "half": "float16", "bfloat16": "bfloat16", "long": "int64",
                      "int": "int32", "short": "int16", "char": "int8", "byte": "uint8", "bool": "bool"}.items():
    setattr(TypedStorage, _name, lambda self, _dtype=getattr(core, _dtype): self._cast(_dtype))


class _KindMeta(type):
    def __instancecheck__(cls, instance):
        return isinstance(instance, TypedStorage) and cls.dtype in (None, instance.dtype)


def _kind(name):
    dtype = getattr(core, _KINDS[name])
    make = lambda cls, *args, **kwargs: TypedStorage(*args, dtype=dtype, **kwargs)  # noqa: E731
    return _KindMeta(name + "Storage", (), {"dtype": dtype, "__new__": make, "__module__": "facula",
                                            "__doc__": f"Memory read as {_KINDS[name]}."})


legacy_types = {name + "Storage": _kind(name) for name in _KINDS}
by_dtype = {kind.dtype: kind for kind in legacy_types.values()}
globals().update(legacy_types)
_LegacyStorage = TypedStorage


def _load_from_bytes(data):
    return facula.load(io.BytesIO(data), weights_only=False)


def _storage(self):
    """The memory behind the tensor, read with its dtype."""
    return TypedStorage._over(self, self.dtype)


def _untyped_storage(self):
    """The memory behind the tensor, as bytes."""
    return UntypedStorage._over(self)


core.attach("storage", _storage)
core.attach("_typed_storage", _storage)
core.attach("untyped_storage", _untyped_storage)


def _dlpack(self, **kwargs):
    from .utils.dlpack import _dlpack

    return _dlpack(self, **kwargs)


core.attach("__dlpack__", _dlpack)
core.attach("__dlpack_device__", lambda self: (1, 0))
