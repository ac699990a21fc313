"""Settings and questions about the whole framework."""

from __future__ import annotations

from ._native import core, level

__all__ = ["set_default_device", "get_default_device", "use_deterministic_algorithms", "are_deterministic_algorithms_enabled",
           "is_deterministic_algorithms_warn_only_enabled", "set_deterministic_debug_mode", "get_deterministic_debug_mode",
           "set_float32_matmul_precision", "get_float32_matmul_precision", "get_num_interop_threads", "set_num_interop_threads",
           "set_default_tensor_type", "finfo", "iinfo", "compile", "set_flush_denormal", "is_warn_always_enabled", "set_warn_always",
           "is_anomaly_enabled", "is_anomaly_check_nan_enabled", "broadcast_shapes", "cpu_level", "get_rng_device", "SymInt", "SymFloat", "SymBool"]

cpu_level = level
_settings = {"deterministic": False, "warn_only": False, "matmul": "highest", "interop": 1, "warn_always": False}


class SymInt:
    """Stands for a symbolic integer; Facula's sizes are plain ints."""


class SymFloat:
    """Stands for a symbolic float."""


class SymBool:
    """Stands for a symbolic bool."""


def get_rng_device():
    return core.device("cpu")


def set_default_device(device):
    """Where new tensors are made when nothing else is said."""
    from ._tensor import _device_stack

    _device_stack.clear()
    if device is not None:
        _device_stack.append(core.device(device))
    core.set_default_device(device or "cpu")


def get_default_device():
    from ._tensor import _device_stack

    return _device_stack[-1] if _device_stack else core.device("cpu")


def use_deterministic_algorithms(mode, *, warn_only=False):
    """Accepted: every algorithm here is deterministic."""
    _settings.update(deterministic=bool(mode), warn_only=warn_only)


def are_deterministic_algorithms_enabled():
    return _settings["deterministic"]


def is_deterministic_algorithms_warn_only_enabled():
    return _settings["warn_only"]


def set_deterministic_debug_mode(debug_mode):
    modes = {"default": 0, "warn": 1, "error": 2}
    debug_mode = modes.get(debug_mode, debug_mode)
    _settings.update(deterministic=debug_mode > 0, warn_only=debug_mode == 1)


def get_deterministic_debug_mode():
    return 0 if not _settings["deterministic"] else 1 if _settings["warn_only"] else 2


def set_float32_matmul_precision(precision):
    if precision not in ("highest", "high", "medium"):
        raise ValueError(f"expected 'highest', 'high' or 'medium', got {precision!r}")
    _settings["matmul"] = precision


def get_float32_matmul_precision():
    return _settings["matmul"]


def get_num_interop_threads():
    return _settings["interop"]


def set_num_interop_threads(n):
    _settings["interop"] = int(n)


def set_flush_denormal(mode):
    return False


def set_warn_always(b):
    _settings["warn_always"] = bool(b)


def is_warn_always_enabled():
    return _settings["warn_always"]


def is_anomaly_enabled():
    from .autograd.anomaly_mode import is_enabled

    return is_enabled()


def is_anomaly_check_nan_enabled():
    """Whether anomaly detection looks for NaN."""
    from .autograd.anomaly_mode import _state

    return _state["check_nan"]


def set_default_tensor_type(t):
    """Sets the default dtype by the name of an old tensor type."""
    name = t if isinstance(t, str) else getattr(t, "__name__", str(t))
    core.set_default_dtype({"FloatTensor": core.float32, "DoubleTensor": core.float64, "HalfTensor": core.float16,
                            "BFloat16Tensor": core.bfloat16}[name.rpartition(".")[2]])


def compile(model=None, *, fullgraph=False, dynamic=None, backend="inductor", mode=None, options=None, disable=False):
    """The function or module for faster running: with the named backends as it is, for operations run fused where they can anyway.

    Args:
        backend: A name, or a function: it gets an fx.GraphModule and its inputs, and gives what is to be called instead.

    Raises:
        InvalidBackend: No backend has that name.
    """
    if model is None:
        return lambda m: compile(m, fullgraph=fullgraph, dynamic=dynamic, backend=backend, mode=mode, options=options, disable=disable)
    if backend == "inductor" or disable:
        return model
    from .compiler import _backend

    function = _backend.resolve(backend)
    return model if function is None else _backend.compiled(model, function)


def broadcast_shapes(*shapes):
    """The shape that all the given shapes broadcast to."""
    shapes = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    out = [1] * max((len(s) for s in shapes), default=0)
    for k, s in enumerate(shapes):
        for i, n in enumerate(reversed(s), 1):
            if n < 0:
                raise RuntimeError(f"Trying to create tensor with negative dimension ({n}): ({n})")
            if n != 1 and out[-i] not in (1, n):
                raise RuntimeError(f"Attempting to broadcast a dimension of length {n} at -{i}! Mismatching argument at index {k} "
                                   f"had {s}; but expected shape should be broadcastable to {out}")
            out[-i] = n if n != 1 else out[-i]
    return core.Size(out)


_FLOATS = {  # bits, mantissa digits kept, smallest exponent, largest exponent, decimal resolution
    "float16": (16, 10, -14, 15, 1e-3), "bfloat16": (16, 7, -126, 127, 1e-2), "float32": (32, 23, -126, 127, 1e-6),
    "float64": (64, 52, -1022, 1023, 1e-15), "float8_e4m3fn": (8, 3, -6, 8, 1.0), "float8_e5m2": (8, 2, -14, 15, 1.0),
    "float8_e4m3fnuz": (8, 3, -7, 7, 1.0), "float8_e5m2fnuz": (8, 2, -15, 15, 1.0)}


class finfo:
    """Limits of a floating dtype: bits, eps, max, min, tiny, smallest_normal, resolution."""

    def __init__(self, dtype=None):
        dtype = dtype or core.get_default_dtype()
        name = str(dtype.to_real() if dtype.is_complex else dtype).rpartition(".")[2]
        if name not in _FLOATS:
            raise TypeError(f"torch.finfo() requires a floating point input type. Use torch.iinfo to handle '{name}'")
        self.bits, digits, low, high, self.resolution = _FLOATS[name]
        self.eps = 2.0 ** -digits
        self.max = (2 - self.eps) * 2.0 ** high
        if name == "float8_e4m3fn":
            self.max = 448.0  # the code of 480 is NaN's
        self.min = -self.max
        self.tiny = self.smallest_normal = 2.0 ** low
        self.dtype = name

    def __repr__(self):
        show = lambda v: f"{v:g}"  # noqa: E731
        return (f"finfo(resolution={show(self.resolution)}, min={show(self.min)}, max={show(self.max)}, eps={show(self.eps)}, "
                f"smallest_normal={show(self.smallest_normal)}, tiny={show(self.tiny)}, dtype={self.dtype})")

    def __eq__(self, other):
        return isinstance(other, finfo) and self.dtype == other.dtype

    def __hash__(self):
        return hash(self.dtype)


class iinfo:
    """Limits of an integer dtype: bits, max, min."""

    def __init__(self, dtype):
        name = str(dtype).rpartition(".")[2]
        if dtype.is_floating_point or dtype.is_complex or name == "bool":
            raise TypeError(f"torch.iinfo() requires an integer input type. Use torch.finfo to handle '{name}'")
        self.bits, self.dtype = dtype.itemsize * 8, name
        signed = dtype.is_signed
        self.max = 2 ** (self.bits - signed) - 1
        self.min = -2 ** (self.bits - 1) if signed else 0

    def __repr__(self):
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"

    def __eq__(self, other):
        return isinstance(other, iinfo) and self.dtype == other.dtype

    def __hash__(self):
        return hash(self.dtype)
