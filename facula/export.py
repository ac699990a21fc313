"""Names of dynamic sizes, and programs exported from modules."""

from __future__ import annotations

import facula

__all__ = ["Dim", "ExportedProgram", "export", "save", "load", "dims"]


class _Hint:
    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return f"DimHint.{self.name}"


class Dim:
    """A named size that may differ from call to call."""

    AUTO, DYNAMIC, STATIC = _Hint("AUTO"), _Hint("DYNAMIC"), _Hint("STATIC")

    def __init__(self, name, *, min=None, max=None):
        self.__name__, self.min, self.max = name, min, max

    def __repr__(self):
        return f"Dim('{self.__name__}', min={self.min or 0}, max={self.max})"

    def _derived(self, *args):
        return Dim(f"{self.__name__}_derived")

    __mul__ = __rmul__ = __add__ = __radd__ = __sub__ = _derived


def dims(*names, min=None, max=None):
    """Several named sizes."""
    return tuple(Dim(n, min=min, max=max) for n in names)


class ExportedProgram:
    """A traced module with the state it was exported with."""

    def __init__(self, module, traced, example_inputs):
        self._traced, self.example_inputs = traced, example_inputs
        self.state_dict = dict(module.state_dict(keep_vars=True))
        self.constants = dict(traced._program.constants)

    def module(self, check_guards=True):
        """The program as a module."""
        return self._traced

    @property
    def graph(self):
        return self._traced.graph

    def parameters(self):
        return self._traced.parameters()

    def named_parameters(self):
        return self._traced.named_parameters()

    def buffers(self):
        return self._traced.buffers()

    def named_buffers(self):
        return self._traced.named_buffers()

    def __call__(self, *args, **kwargs):
        raise RuntimeError("Unable to call ExportedProgram directly. You should use `exported_program.module()` instead.")


def export(mod, args, kwargs=None, *, dynamic_shapes=None, strict=False, preserve_module_call_signature=(), prefer_deferred_runtime_asserts_over_guards=False):
    """Captures a module on example inputs; sizes stay symbolic."""
    if not isinstance(mod, facula.nn.Module):
        raise ValueError(f"Expected `mod` to be an instance of `torch.nn.Module`, got {type(mod)}.")
    if kwargs:
        raise NotImplementedError("export.export: give the example inputs by position")
    return ExportedProgram(mod, facula.jit.trace(mod, tuple(args), check_trace=False), (tuple(args), {}))


def save(ep, f, *, extra_files=None, opset_version=None, pickle_protocol=2):
    """Writes an exported program."""
    facula.jit.save(ep._traced, f, extra_files)


def load(f, *, extra_files=None, expected_opset_version=None):
    """Reads an exported program."""
    traced = facula.jit.load(f, _extra_files=extra_files)
    return ExportedProgram(traced, traced, None)
