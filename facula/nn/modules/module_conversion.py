"""Moving and casting modules: every parameter, gradient and buffer through one function."""

from __future__ import annotations

import warnings

import facula

from ... import __future__
from ..._native import core
from ..parameter import Parameter, is_lazy

Tensor = core.Tensor


class Convertible:
    """What `Module` does to move and cast its tensors."""

    def _apply(self, fn, recurse=True):
        """Replaces every parameter, gradient and buffer by fn of it."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        overwrite = __future__.get_overwrite_module_params_on_conversion()
        for key, param in self._parameters.items():
            if param is None:
                continue
            with facula.no_grad():
                applied = fn(param)
            if overwrite:
                out = Parameter(applied, param.requires_grad)
                self._parameters[key] = out
            else:
                param.data = applied
                out = param
            if param.grad is not None:
                with facula.no_grad():
                    grad = fn(param.grad)
                if overwrite:
                    out.grad = grad.requires_grad_(param.grad.requires_grad)
                else:
                    param.grad = grad.requires_grad_(param.grad.requires_grad)
        for key, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[key] = fn(buffer)
        return self

    def cuda(self, device=None):
        """Moves parameters and buffers to the GPU."""
        return self._apply(lambda t: t.cuda(device))

    def ipu(self, device=None):
        return self._apply(lambda t: t.ipu(device))

    def xpu(self, device=None):
        return self._apply(lambda t: t.xpu(device))

    def mtia(self, device=None):
        return self._apply(lambda t: t.mtia(device))

    def cpu(self):
        """Moves parameters and buffers to the CPU."""
        return self._apply(lambda t: t.cpu())

    def type(self, dst_type):
        """Casts parameters and buffers."""
        return self._apply(lambda t: t.type(dst_type))

    def _cast(self, dtype):
        return self._apply(lambda t: t.to(dtype) if t.is_floating_point() else t)

    def float(self):
        """Casts floating parameters and buffers to float32."""
        return self._cast(core.float32)

    def double(self):
        """Casts floating parameters and buffers to float64."""
        return self._cast(core.float64)

    def half(self):
        """Casts floating parameters and buffers to float16."""
        return self._cast(core.float16)

    def bfloat16(self):
        """Casts floating parameters and buffers to bfloat16."""
        return self._cast(core.bfloat16)

    def to_empty(self, *, device, recurse=True):
        """Moves to a device without copying values."""
        return self._apply(lambda t: facula.empty_like(t, device=device), recurse=recurse)

    def to(self, *args, **kwargs):
        """Moves and casts; only floating (and complex) tensors change their dtype."""
        device, dtype, non_blocking, memory_format = _parse_to(*args, **kwargs)
        if dtype is not None:
            if not (dtype.is_floating_point or dtype.is_complex):
                raise TypeError(f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}")
            if dtype.is_complex:
                warnings.warn("Complex modules are a new feature under active development whose design may change, and some modules might "
                              "not work as expected when using complex tensors as parameters or buffers. Please file an issue at "
                              "https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml if a complex module does not work as "
                              "expected.", stacklevel=2)

        def convert(t):
            kind = dtype if t.is_floating_point() or t.is_complex() else None
            if memory_format is not None and not is_lazy(t) and t.dim() in (4, 5):
                return t.to(device, kind, non_blocking, memory_format=memory_format)
            return t.to(device=device if device is not None else t.device, dtype=kind or t.dtype)

        return self._apply(convert)

    def share_memory(self):
        """Moves parameters and buffers to memory that other processes see."""
        return self._apply(lambda t: t.share_memory_())


def _parse_to(*args, device=None, dtype=None, non_blocking=False, copy=False, memory_format=None):
    for a in args:
        if isinstance(a, Tensor):
            device, dtype = a.device, a.dtype
        elif isinstance(a, core.dtype):
            dtype = a
        elif isinstance(a, bool):
            non_blocking = a
        elif isinstance(a, (str, int)):
            device = core.device(a)
        elif isinstance(a, core.device):
            device = a
        elif isinstance(a, core.memory_format):
            memory_format = a
        elif a is not None:
            raise TypeError(f"to() received an invalid combination of arguments - got ({type(a).__name__}), but expected one of:\n"
                            " * (torch.device device = None, torch.dtype dtype = None, bool non_blocking = False, bool copy = False, *, "
                            "torch.memory_format memory_format = None)\n * (torch.dtype dtype, ...)\n * (Tensor other, ...)")
    return device, dtype, non_blocking, memory_format
