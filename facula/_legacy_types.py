"""The old tensor classes: FloatTensor, LongTensor, ... as constructors and for isinstance."""

from __future__ import annotations

from ._native import core

_DTYPES = {"Float": "float32", "Double": "float64", "Half": "float16", "BFloat16": "bfloat16", "Byte": "uint8", "Char": "int8", "Short": "int16",
           "Int": "int32", "Long": "int64", "Bool": "bool"}


class _LegacyMeta(type):
    def __instancecheck__(cls, obj):
        return isinstance(obj, core.Tensor) and obj.dtype == cls.dtype and obj.device.type == "cpu"

    def __call__(cls, *args, **kwargs):
        import facula

        data = kwargs.pop("data", None)
        if data is not None:
            args = (data,)
        if not args:
            return facula.empty(0, dtype=cls.dtype)
        if all(isinstance(a, int) for a in args) or len(args) == 1 and isinstance(args[0], core.Size):
            return facula.empty(*args, dtype=cls.dtype)
        data, = args
        return data if isinstance(data, core.Tensor) and data.dtype == cls.dtype else facula.as_tensor(data).to(cls.dtype) \
            if isinstance(data, core.Tensor) or hasattr(data, "__array_interface__") else core.tensor_data(data, cls.dtype, None)


types = {f"{name}Tensor": _LegacyMeta(f"{name}Tensor", (), {"dtype": getattr(core, dtype), "_legacy_dtype": getattr(core, dtype),
                                                            "__module__": "torch", "__doc__": f"Old constructor of {dtype} tensors."})
         for name, dtype in _DTYPES.items()}
