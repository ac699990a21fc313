"""`Function`: operations with a derivative of the user's own."""

from __future__ import annotations

import functools
import warnings

from .._native import core

Tensor = core.Tensor


class FunctionCtx:
    """What `forward` leaves for `backward`; it is the graph's node itself."""

    def save_for_backward(self, *tensors):
        self._to_save = tensors

    def save_for_forward(self, *tensors):
        self._saved_forward = tensors

    def mark_dirty(self, *args):
        self._dirty = args

    def mark_non_differentiable(self, *args):
        self._non_differentiable = args

    def set_materialize_grads(self, value):
        self._materialize = bool(value)

    @property
    def needs_input_grad(self):
        return self._needs_input_grad

    @property
    def saved_tensors(self):
        return self._unpack()

    saved_variables = saved_tensors


class _Saved:
    """A saved tensor with the version it had; outputs are kept without their history."""

    def __init__(self, tensor, output_index):
        self.output = output_index
        self.tensor = None
        from .graph import _local

        stack = getattr(_local, "stack", None)
        self.unpack = None
        if tensor is None:
            return
        if stack:
            pack, self.unpack = stack[-1]
            with _no_grad():
                self.packed = pack(tensor)
            return
        self.tensor = tensor.detach() if output_index is not None else tensor
        self.version = tensor._version

    def get(self, node):
        if self.unpack is not None:
            return self.unpack(self.packed)
        if self.tensor is None:
            return None
        if self.tensor._version != self.version:
            kind = self.tensor.type()
            raise RuntimeError(f"one of the variables needed for gradient computation has been modified by an inplace operation: [{kind} "
                               f"{list(self.tensor.shape)}] is at version {self.tensor._version}; expected version {self.version} instead. Hint: "
                               "enable anomaly detection to find the operation that failed to compute its gradient, with "
                               "torch.autograd.set_detect_anomaly(True).")
        if self.output is not None and node.slots_used:
            out = self.tensor.detach()
            out._set_history(node, self.output)
            return out
        return self.tensor


def _no_grad():
    from .grad_mode import no_grad

    return no_grad()


class BackwardCFunction(FunctionCtx, core.Node):
    """The node of a Function: calls the user's `backward`."""

    _to_save = ()
    _saved = None
    _saved_forward = _jvp_saved = ()
    _dirty = ()
    _non_differentiable = ()
    _materialize = True
    _needs_input_grad = ()
    slots_used = False

    def _unpack(self):
        if self._saved is None:
            return tuple(self._jvp_saved or self._to_save)
        if self._saved == "freed":
            raise RuntimeError("Trying to backward through the graph a second time (or directly access saved tensors after they have already been "
                               "freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify "
                               "retain_graph=True if you need to backward through the graph a second time or if you need to access saved tensors "
                               "after calling backward.")
        return tuple(s.get(self) for s in self._saved)

    def _backward(self, *grads):
        cls = self._forward_cls
        if cls.backward is Function.backward and cls.vjp is Function.vjp:
            cls.backward(self)
        if self._materialize:
            grads = tuple(self._zero(i) if g is None else g for i, g in enumerate(grads))
        function = cls.backward if cls.backward is not Function.backward else cls.vjp
        result = function(self, *grads)
        result = result if isinstance(result, tuple) else (result,)
        while len(result) > len(self._needs_input_grad) and result[-1] is None:
            result = result[:-1]
        if len(result) != len(self._needs_input_grad):
            raise RuntimeError(f"function {type(self).__name__} returned an incorrect number of gradients (expected {len(self._needs_input_grad)}, got {len(result)})")
        return tuple(self._checked(i, g) for i, g in zip(self._edge_inputs, (result[i] for i in self._edge_inputs)))

    def _checked(self, i, g):
        if g is None or not isinstance(g, Tensor):
            return None
        shape, dtype = self._input_meta[i]
        if g.shape != shape:
            from .._callbacks import sum_to_size

            try:
                g = sum_to_size(g, shape)
            except RuntimeError:
                raise RuntimeError(f"Function {type(self).__name__} returned an invalid gradient at index {i} - got {list(g.shape)} but expected shape "
                                   f"compatible with {list(shape)}") from None
        return g.to(dtype) if g.dtype != dtype else g

    def _zero(self, i):
        import facula

        meta = self._slot_meta(i)
        return None if meta is None else facula.zeros(meta[0], dtype=meta[1], device=meta[2])


class FunctionMeta(type):
    """Gives every Function the class of its nodes."""

    def __init__(cls, name, bases, attrs):
        cls._backward_cls = type(name + "Backward", (BackwardCFunction,), {"_forward_cls": cls, "__module__": cls.__module__})
        super().__init__(name, bases, attrs)


class Function(metaclass=FunctionMeta):
    """Subclass with static `forward(ctx, ...)` and `backward(ctx, *grads)`; call `apply`.

    With a static `setup_context(ctx, inputs, output)`, `forward` takes no ctx.
    """

    generate_vmap_rule = False

    def __init__(self, *args, **kwargs):
        warnings.warn(f"{self.__class__} should not be instantiated. Methods on autograd functions are all static, so you should invoke them on the "
                      "class itself. Instantiating an autograd function will raise an error in a future version of PyTorch.", DeprecationWarning, 2)

    def __call__(self, *args, **kwargs):
        raise RuntimeError("Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd function with static "
                           "forward method. (Example: https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)")

    @staticmethod
    def forward(*args, **kwargs):
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx, inputs, output):
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx, *grad_outputs):
        raise NotImplementedError("You must implement either the backward or vjp method for your custom autograd.Function to use it with backward mode AD.")

    @staticmethod
    def vjp(ctx, *grad_outputs):
        raise NotImplementedError("vjp")

    @staticmethod
    def jvp(ctx, *grad_inputs):
        raise NotImplementedError("You must implement the jvp function for custom autograd.Function to use it with forward mode AD.")

    @staticmethod
    def vmap(info, in_dims, *args):
        raise NotImplementedError("To use autograd.Function with vmap, you must either override the vmap staticmethod or set generate_vmap_rule=True.")

    @classmethod
    def apply(cls, *args, **kwargs):
        """Runs `forward` and records `backward`."""
        if any(isinstance(a, Tensor) and a._flags & 12 for a in args):
            from .._dispatch import custom_function

            return custom_function(cls, args, kwargs)
        node = cls._backward_cls()
        node._needs_input_grad = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
        tracked = core.is_grad_enabled() and any(node._needs_input_grad)
        with _no_grad():
            if cls.setup_context is not Function.setup_context:
                output = cls.forward(*args, **kwargs)
                cls.setup_context(node, args, output)
            else:
                output = cls.forward(node, *args, **kwargs)
        return _record(node, args, output, tracked)


def _record(node, args, output, tracked):
    outputs = output if isinstance(output, tuple) else (output,)
    inputs = {id(a) for a in args if isinstance(a, Tensor)}
    dirty, fixed = {id(t) for t in node._dirty}, {id(t) for t in node._non_differentiable}
    if not tracked:
        for t in node._dirty:
            t._bump()
        return output
    node._edge_inputs = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
    node._input_meta = {i: (args[i].shape, args[i].dtype) for i in node._edge_inputs}
    node._set_next([args[i] for i in node._edge_inputs])
    node._set_slots(outputs)
    made = []
    for i, o in enumerate(outputs):
        if not isinstance(o, Tensor):
            made.append(o)
            continue
        if id(o) in dirty:
            o._bump()
            if o.is_leaf and o.requires_grad:
                raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
            o._set_history(node, i, True)
        elif id(o) in fixed or not (o.dtype.is_floating_point or o.dtype.is_complex):
            o = o.detach() if id(o) in inputs else o
        else:
            is_view = id(o) in inputs or o._base is not None
            o = core.alias(o) if id(o) in inputs or o.requires_grad else o
            o._set_history(node, i)
            if is_view:
                o._flags |= 256  # writing into it would bypass `backward`
        made.append(o)
    positions = {id(o): i for i, o in enumerate(outputs) if isinstance(o, Tensor) and id(o) not in inputs}
    positions.update({id(o): i for i, o in enumerate(made) if isinstance(o, Tensor) and id(o) in dirty})
    node._saved = [_Saved(t, positions.get(id(t))) for t in node._to_save]
    node._to_save = ()
    node.slots_used = True
    return tuple(made) if isinstance(output, tuple) else made[0]


def dual_function(level, cls, args, kwargs):
    """`apply` on dual numbers: the Function's own `jvp` gives the tangents."""
    from .._levels import dual, level_of
    from .forward_ad import strip

    duals = [isinstance(a, Tensor) and level_of(a) is level for a in args]
    primals = [strip(a, level) if d else a for a, d in zip(args, duals)]
    node = cls._backward_cls()
    node._needs_input_grad = tuple(isinstance(a, Tensor) and a.requires_grad for a in primals)
    tracked = core.is_grad_enabled() and any(node._needs_input_grad)
    with _no_grad():
        if cls.setup_context is not Function.setup_context:
            output = cls.forward(*primals, **kwargs)
            cls.setup_context(node, tuple(primals), output)
        else:
            output = cls.forward(node, *primals, **kwargs)
    node._jvp_saved = node._saved_forward or node._to_save
    slopes = cls.jvp(node, *(a._wrapped[2] if d else None for a, d in zip(args, duals)))
    recorded = _record(node, primals, output, tracked)
    if not isinstance(recorded, tuple):
        slopes = slopes[0] if isinstance(slopes, tuple) else slopes
        return recorded if slopes is None else dual(level, recorded, slopes)
    return tuple(o if t is None or not isinstance(o, Tensor) else dual(level, o, t) for o, t in zip(recorded, slopes))


def once_differentiable(backward):
    """Marks a `backward` whose own result cannot be differentiated."""

    @functools.wraps(backward)
    def call(ctx, *grads):
        with _no_grad():
            result = backward(ctx, *grads)
        if not core.is_grad_enabled() or not any(isinstance(g, Tensor) and g.requires_grad for g in grads):
            return result
        results = result if isinstance(result, tuple) else (result,)
        made = []
        for r in results:
            if isinstance(r, Tensor):
                node = _Once()
                node._set_next(())
                r = r.detach()
                r._set_history(node, 0)
            made.append(r)
        return tuple(made) if isinstance(result, tuple) else made[0]

    return call


class _Once(core.Node):
    def _backward(self, *grads):
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")


class NestedIOFunction(Function):
    """Kept for its name; plain Functions take nested structures as they are."""


class InplaceFunction(Function):
    """A Function that may work in place."""

    def __init__(self, inplace=False):
        super().__init__()
        self.inplace = inplace
