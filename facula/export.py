"""Names of dynamic sizes, and programs exported from modules."""

from __future__ import annotations

import functools
import inspect

import facula

__all__ = ["ExportGraphSignature", "Dim", "ExportedProgram", "export", "save", "load", "dims"]


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


class ExportGraphSignature:
    """What the inputs and outputs of an exported graph are.

    Attributes:
        inputs: (name in the graph, "PARAMETER", "BUFFER" or "USER_INPUT", path of the tensor or None).
        user_outputs: Names of what the graph gives.
    """

    def __init__(self, inputs, outputs):
        self.inputs, self.user_outputs = inputs, tuple(outputs)

    def _of(self, kind):
        return [(name, path) for name, k, path in self.inputs if k == kind]

    @property
    def parameters(self):
        """Paths of parameters."""
        return tuple(p for _, p in self._of("PARAMETER"))

    @property
    def buffers(self):
        """Paths of buffers."""
        return tuple(p for _, p in self._of("BUFFER"))

    @property
    def user_inputs(self):
        """Names of the program's own inputs."""
        return tuple(n for n, _ in self._of("USER_INPUT"))

    @property
    def inputs_to_parameters(self):
        """Name in the graph -> path."""
        return dict(self._of("PARAMETER"))

    @property
    def inputs_to_buffers(self):
        """Name in the graph -> path."""
        return dict(self._of("BUFFER"))

    def __str__(self):
        lines = [f"{name}: {kind}" + (f" target={path!r}" if path else "") for name, kind, path in self.inputs]
        return "\n".join(["", "# inputs", *lines, "", "# outputs", *(f"{n}: USER_OUTPUT" for n in self.user_outputs), ""])

    __repr__ = __str__


class ExportedProgram:
    """A traced module with the state it was exported with."""

    def __init__(self, module, traced, example_inputs):
        self._traced, self.example_inputs = traced, example_inputs
        self.state_dict = dict(module.state_dict(keep_vars=True))
        self.constants = dict(traced._program.constants)

    def module(self, check_guards=True):
        """The program as a module."""
        return self._traced

    @functools.cached_property
    def graph_module(self):
        """The operations as an fx.GraphModule: parameters and buffers are inputs of it."""
        from .compiler._backend import Form

        captured = self._traced._program.graph
        if captured is None:
            raise RuntimeError("this program was read from a file, which keeps no graph: export the module again")

        def attribute(value):
            return ("p_" if isinstance(value.tensor, facula.nn.Parameter) else "b_") + value.name.replace(".", "_")

        return Form(captured, captured.outputs, None, (attribute, lambda v: v.name)).module

    @property
    def graph(self):
        """The fx graph of `graph_module`."""
        return self.graph_module.graph

    @property
    def graph_signature(self):
        """What the graph's inputs and outputs are."""
        captured, nodes = self._traced._program.graph, list(self.graph_module.graph.nodes)
        placeholders = [n.target for n in nodes if n.op == "placeholder"]
        kinds = [("PARAMETER" if isinstance(v.tensor, facula.nn.Parameter) else "BUFFER", v.name) for v in captured.attributes]
        kinds += [("USER_INPUT", None)] * (len(placeholders) - len(kinds))
        return ExportGraphSignature([(n, k, p) for n, (k, p) in zip(placeholders, kinds)], [n.name for n in nodes[-1].args[0]])

    def __str__(self):
        body = "\n".join("    " + line for line in self.graph_module.print_readable(print_output=False).splitlines())
        return f"ExportedProgram:\n{body}\nGraph signature: {self.graph_signature}\nRange constraints: {{}}\n"

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
    if not isinstance(args, tuple):
        raise ValueError(f"Expecting `args` to be a tuple of example positional inputs, got {type(args)}")
    names = [p for p in inspect.signature(mod.forward).parameters]
    given = {**dict(zip(names, args)), **kwargs} if kwargs else args
    traced = facula.jit.trace(mod, *(() if kwargs else (given,)), check_trace=False, strict=False, **({"example_kwarg_inputs": given} if kwargs else {}))
    return ExportedProgram(mod, traced, (args, dict(kwargs or {})))


def save(ep, f, *, extra_files=None, opset_version=None, pickle_protocol=2):
    """Writes an exported program."""
    facula.jit.save(ep._traced, f, extra_files)


def load(f, *, extra_files=None, expected_opset_version=None):
    """Reads an exported program."""
    traced = facula.jit.load(f, _extra_files=extra_files)
    return ExportedProgram(traced, traced, None)
