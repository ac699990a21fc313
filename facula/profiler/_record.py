"""What the profiler writes down: a tree of timed events per thread."""

from __future__ import annotations

import itertools
import os
import sys
import threading
import time
from contextlib import nullcontext

from .. import _dispatch
from .._capture import Tensor
from .._native import core
from ..ops._document import home_of

_ids = itertools.count(1)
_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_MACHINERY = tuple(os.path.join(_HERE, n) for n in ("profiler", "_callbacks.py", "_dispatch.py", "_capture.py", "overrides.py"))
_PREFIXED = ("linalg", "special", "fft")
_KEPT = {"_to_copy", "_softmax", "_log_softmax", "_local_scalar_dense", "_fft_c2c", "_fft_c2r", "_fft_r2c"}
# PyTorch's names of operations that are called otherwise in the table.
_NAMES = {"_linear": "addmm", "_linear_rows": "addmm", "_linear_backward": "mm", "_new_like": "empty_like", "_new": "new_empty",
          "_attention": "_scaled_dot_product_flash_attention_for_cpu", "_nll": "nll_loss_forward", "_nll_back": "nll_loss_backward",
          "_softmax_back": "_softmax_backward_data", "_log_softmax_back": "_log_softmax_backward_data", "_matmul": "matmul", "cross_entropy": "cross_entropy_loss", "_gelu_erf": "gelu", "_gelu_tanh": "gelu", "_random_all_": "random_", "_random_range_": "random_"}


def name_of(op, entry):
    """What PyTorch calls an operation: with "_" where it writes in place, with its namespace but for nn.functional."""
    name = entry.name
    if name in _NAMES:
        return _NAMES[name]
    if name.startswith("_max_pool"):
        return name[1:] + "_with_indices"
    if name.startswith("_") and name not in _KEPT:
        name = name[1:].replace("_back", "_backward") if name.endswith("_back") else name[1:]
    if entry.namespace in _PREFIXED:
        name = f"{entry.namespace}_{name}"
    return name + "_" if op.in_place and not name.endswith("_") else name


class Event:
    """One timed call, node or block, in nanoseconds."""

    __slots__ = ("name", "start", "end", "thread", "parent", "children", "shapes", "types", "memory", "kind", "stack", "id", "flops", "values")

    def __init__(self, name, kind, parent, thread):
        self.name, self.kind, self.parent, self.thread = name, kind, parent, thread
        self.children: list[Event] = []
        self.shapes, self.types, self.stack, self.values = [], [], [], []
        self.memory = self.flops = 0
        self.id = next(_ids)
        self.start = time.perf_counter_ns()
        self.end = self.start

    @property
    def duration(self):
        """Nanoseconds from start to end."""
        return self.end - self.start


class Recorder:
    """Collects events from `start` to `stop`."""

    def __init__(self, shapes=False, memory=False, stack=False, flops=False):
        self.with_shapes, self.with_memory, self.with_stack, self.with_flops = shapes, memory, stack, flops
        self.events: list[Event] = []
        self._open = threading.local()

    def start(self):
        """Starts timing every call of the calling thread."""
        self.began, self.wall = time.perf_counter_ns(), time.time_ns()
        _dispatch._profiling.append(self)
        core.add_profile(1)

    def stop(self):
        """Ends timing."""
        core.add_profile(-1)
        _dispatch._profiling.remove(self)
        self.ended = time.perf_counter_ns()

    def _stack(self):
        found = getattr(self._open, "stack", None)
        if found is None:
            found = self._open.stack = []
        return found

    def push(self, name, kind):
        """Opens an event inside the one that is open."""
        stack = self._stack()
        event = Event(name, kind, stack[-1] if stack else None, threading.get_native_id())
        if stack:
            stack[-1].children.append(event)
        self.events.append(event)
        stack.append(event)
        if self.with_stack:
            event.stack = _stack_of(sys._getframe(1))
        if self.with_memory:
            event.memory = -_allocated()
        return event

    def pop(self):
        """Closes the open event."""
        stack = self._stack()
        if stack:
            event = stack.pop()
            event.end = time.perf_counter_ns()
            if self.with_memory:
                event.memory += _allocated()

    def call(self, op, entry, values):
        """The scope of one call of an operation; values by parameter of the entry."""
        name = name_of(op, entry)
        if self._is_open("aten::" + name):
            return _UNSEEN
        event = self.push("aten::" + name, "cpu_op")
        if self.with_shapes:
            self._note_inputs(event, values)
        if self.with_flops:
            event.flops = flops(name, {p[0]: v for p, v in zip(entry.params, values)})
        return _Block(self)

    def composite(self, op, args):
        """The scope of one call of an operation that is Python made of others."""
        namespace, name = home_of(op)
        name = _NAMES.get(name, name)
        name = f"aten::{namespace}_{name}" if namespace in _PREFIXED else f"aten::{name}"
        if op.__name__ == "backward" or self._is_open(name):
            return _UNSEEN
        event = self.push(name, "cpu_op")
        if self.with_shapes:
            self._note_inputs(event, args)
        return _Block(self)

    def _is_open(self, name):
        # An operation in Python that hands over to the core's of the same name is one event.
        stack = self._stack()
        return bool(stack) and stack[-1].name == name

    def block(self, name):
        """The scope of a named part of a program."""
        self.push(name, "user_annotation")
        return _Block(self)

    def _note_inputs(self, event, values):
        event.shapes = [_shape(v) for v in values]
        event.types = [_type(v) for v in values]
        event.values = ["" if v is None or isinstance(v, (Tensor, tuple)) else str(v) for v in values]


class _Block:
    """Open until the `with` ends; the event is made before."""

    __slots__ = ("recorder",)

    def __init__(self, recorder):
        self.recorder = recorder

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.recorder.pop()


_UNSEEN = nullcontext()


def _allocated():
    return core.memory_stats()["storage_bytes"]


def _stack_of(frame):
    """Python's frames from the innermost out, without those that stand between a call and the core."""
    found = []
    while frame is not None and len(found) < 64:
        code = frame.f_code
        if not code.co_filename.startswith(_MACHINERY):
            found.append(f"{code.co_filename}({frame.f_lineno}): {code.co_name}")
        frame = frame.f_back
    return found


def _shape(v):
    if isinstance(v, Tensor):
        return list(v.shape)
    return [list(t.shape) for t in v] if isinstance(v, (list, tuple)) and v and all(isinstance(t, Tensor) for t in v) else []


_TYPES = {"float32": "float", "float64": "double", "int64": "long int", "int32": "int", "int16": "short int", "int8": "signed char",
          "uint8": "unsigned char", "bool": "bool", "float16": "c10::Half", "bfloat16": "c10::BFloat16", "complex64": "c10::complex<float>",
          "complex128": "c10::complex<double>"}


def _type(v):
    if isinstance(v, Tensor):
        name = str(v.dtype).rpartition(".")[2]
        return _TYPES.get(name, name)
    if isinstance(v, (list, tuple)):
        return "TensorList" if v and isinstance(v[0], Tensor) else "ScalarList"
    return "" if v is None else "Scalar"


def flops(name, values):
    """Multiplications and additions of products and convolutions, one per element for the four basic operators; 0 where unknown."""
    tensors = [v for v in values.values() if isinstance(v, Tensor)]
    if "grad_output" in values and name == "mm":  # both products of our fused layer's backward pass
        return 4 * values["input"].numel() * values["weight"].shape[0]
    if name == "addmm" and "weight" in values:
        return 2 * values["input"].numel() * values["weight"].shape[0]
    if name in ("mm", "bmm", "matmul", "addmm", "baddbmm") and len(tensors) >= 2:
        return 2 * tensors[-2].numel() * tensors[-1].shape[-1]
    if name.startswith("conv") and "weight" in values and "stride" in values:
        return _convolution_flops(name, **values)
    if name in ("add", "mul", "sub", "div") and tensors:
        return max(t.numel() for t in tensors)
    return 0


def _convolution_flops(name, input, weight, stride, padding, dilation, transposed=False, **rest):
    n = weight.dim() - 2
    if transposed or "transpose" in name:
        return 2 * input.numel() * weight[0].numel()
    out = 2 * weight.numel() * (input.shape[0] if input.dim() == n + 2 else 1)
    stride, padding, dilation = ((v if isinstance(v, (list, tuple)) else [v]) * n for v in (stride, padding, dilation))
    for size, kernel, s, p, d in zip(input.shape[-n:], weight.shape[2:], stride, padding, dilation):
        out *= size if p == "same" else (size + (0 if p == "valid" else 2 * p) - d * (kernel - 1) - 1) // s + 1
    return out


def active():
    """The recorder that is running, or None."""
    return _dispatch._profiling[-1] if _dispatch._profiling else None


def enter_node(node):
    """Called by the engine before a node runs."""
    recorder = active()
    if recorder is not None:
        name = node.name()
        recorder.push(f"autograd::engine::evaluate_function: {name}", "cpu_op")
        recorder.push(name, "cpu_op")


def leave_node():
    """Called by the engine after a node ran."""
    recorder = active()
    if recorder is not None:
        recorder.pop()
        recorder.pop()
