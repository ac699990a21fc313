"""`Function`: operations with a derivative of the user's own."""

from __future__ import annotations

import functools
import warnings

from .._native import core
from . import anomaly_mode
from .graph import _local

Tensor = core.Tensor


class FunctionCtx:
    """What `forward` leaves for `backward`; it is the graph's node itself."""

    to_save = saved_for_forward = dirty_tensors = non_differentiable = ()
    materialize_grads = True
    needs_input_grad = ()

    def save_for_backward(self, *tensors):
        self.to_save = tensors

    def save_for_forward(self, *tensors):
        self.saved_for_forward = tensors

    def mark_dirty(self, *args):
        self.dirty_tensors = args

    def mark_non_differentiable(self, *args):
        self.non_differentiable = args

    def mark_shared_storage(self, *pairs):
        warnings.warn("mark_shared_storage is deprecated. Tensors with shared storages are automatically tracked. Note that calls to `set_()` are "
                      "not tracked", FutureWarning, 2)

    def set_materialize_grads(self, value):
        self.materialize_grads = value

    @property
    def saved_tensors(self):
        return self._unpack()

    saved_variables = saved_tensors


class _Saved:
    """A saved tensor with the version it had; outputs are kept without their history."""

    __slots__ = ("output", "tensor", "unpack", "packed", "version", "edge")

    def __init__(self, tensor, output_index, hooks):
        self.output = output_index
        self.tensor = None
        self.unpack = None
        if tensor is None:
            return
        if hooks:
            pack, self.unpack = hooks
            self.edge = tensor._gradient_edge() if tensor.requires_grad and output_index is None else None
            version = tensor._version
            with _no_grad():
                self.packed = pack(tensor)
            if tensor._version != version:
                raise RuntimeError("A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook cannot be modified by "
                                   "in-place operations as this can lead to unexpected side-effects. Please open an issue if you need to perform in-place "
                                   "operations on the input to a pack hook.")
            return
        self.tensor = tensor.detach() if output_index is not None else tensor
        self.version = tensor._version

    def get(self, node):
        if self.unpack is not None:
            edge = self.edge if self.output is None else (node, self.output)
            found = self.unpack(self.packed)
            if edge is not None:
                found = core.graphless(found)
                found._set_history(*edge)
            return found
        if self.tensor is None:
            return None
        if self.tensor._version != self.version:
            core.saved_was_changed(self.tensor, self.version, -1 if self.output is None else self.output, node)
        if self.output is not None:
            out = self.tensor.detach()
            out._set_history(node, self.output)
            return out
        return self.tensor


def _no_grad():
    from .grad_mode import no_grad

    return no_grad()


class BackwardCFunction(FunctionCtx, core.Node):
    """The node of a Function: calls the user's `backward`."""

    _saved = None
    _jvp_saved = ()

    @property
    def metadata(self):
        """Notes attached to the node."""
        return self.__dict__.setdefault("_metadata", {})

    def _unpack(self):
        if self._released:
            raise RuntimeError("Trying to backward through the graph a second time (or directly access saved tensors after they have already been "
                               "freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify "
                               "retain_graph=True if you need to backward through the graph a second time or if you need to access saved tensors "
                               "after calling backward.")
        if self._saved is None:
            return tuple(self._jvp_saved or self.to_save)
        return tuple(s.get(self) for s in self._saved)

    def _backward(self, *grads):
        result = _rule(self._forward_cls)(self, *(tuple(self._zero(i) if g is None else g for i, g in enumerate(grads)) if self.materialize_grads else grads))
        result = result if isinstance(result, tuple) else (result,)
        wanted = len(self.needs_input_grad)
        while len(result) > wanted and result[-1] is None:
            result = result[:-1]
        if len(result) != wanted:
            raise RuntimeError(f"function {type(self).__name__} returned an incorrect number of gradients (expected {wanted}, got {len(result)})")
        meta = self._input_meta
        for i, g in enumerate(result):
            if g is not None and i not in meta:
                raise RuntimeError(f"function {type(self).__name__} returned a gradient different than None at position {i + 1}, but the corresponding "
                                   "forward input was not a Variable")
        return tuple([None if result[i] is None else self._checked(i, result[i], *meta[i]) for i in meta])

    def _checked(self, i, g, shape, dtype):
        if not isinstance(g, Tensor):
            raise RuntimeError(f"expected Variable or None (got {type(g).__name__})")
        if g.shape != shape:
            from .._callbacks import sum_to_size

            try:
                g = sum_to_size(g, shape)
            except RuntimeError:
                raise RuntimeError(f"Function {type(self).__name__} returned an invalid gradient at index {i} - got {list(g.shape)} but expected shape "
                                   f"compatible with {list(shape)}") from None
        if g.dtype == dtype:
            return g
        if g.dtype.is_complex and not dtype.is_complex:
            raise RuntimeError("Expected isFloatingType(grad.scalar_type()) || (input_is_complex == grad_is_complex) to be true, but got false.  (Could "
                               "this error message be improved?  If so, please report an enhancement request to PyTorch.)")
        return g.to(dtype)

    def _zero(self, i):
        import facula

        meta = self._slot_meta(i)
        return None if meta is None else facula.zeros(meta[0], dtype=meta[1], device=meta[2])


def _rule(cls):
    """The user's `backward`, or `vjp`."""
    if cls.vjp is not Function.vjp:
        if cls.backward is not Function.backward:
            raise RuntimeError("Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should only implement one of them.")
        return cls.vjp
    return cls.backward


class FunctionMeta(type):
    """Gives every Function the class of its nodes."""

    def __init__(cls, name, bases, attrs):
        cls._backward_cls = type(name + "Backward", (BackwardCFunction,), {"_forward_cls": cls, "__module__": __name__})
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
        node, output, tracked = _call(cls, args, kwargs)
        return _record(node, args, output, tracked)


def note_anomaly(node):
    from .._callbacks import note_anomaly

    note_anomaly(node)


def _call(cls, args, kwargs):
    """Runs `forward` outside the graph: the node, what forward returned, and whether to record it."""
    node = cls._backward_cls()
    node.needs_input_grad = needs = tuple([isinstance(a, Tensor) and a.requires_grad for a in args])
    tracked = True in needs and core.is_grad_enabled()
    before = core.is_grad_enabled()
    core.set_grad_enabled(False)
    try:
        if cls.setup_context is not Function.setup_context:
            output = cls.forward(*args, **kwargs)
            cls.setup_context(node, args, output)
        else:
            output = cls.forward(node, *args, **kwargs)
    finally:
        core.set_grad_enabled(before)
    return node, output, tracked


def _record(node, args, output, tracked):
    """Makes the outputs those of `node`: their history, aliases of inputs, what was marked; saves what is to be saved."""
    outputs = output if isinstance(output, tuple) else (output,)
    inputs = {id(a) for a in args if isinstance(a, Tensor)}
    dirty, fixed = {id(t) for t in node.dirty_tensors}, {id(t) for t in node.non_differentiable}
    if tracked:
        if anomaly_mode.is_enabled():
            note_anomaly(node)
        node._input_meta = meta = {i: (a.shape, a.dtype) for i, a in enumerate(args) if isinstance(a, Tensor)}
        node._set_next([args[i] for i in meta])
        node._set_slots(outputs)
    count = 0
    made = []
    for i, o in enumerate(outputs):
        if isinstance(o, Tensor):
            given, changed = id(o) in inputs, id(o) in dirty
            if changed:
                o._bump()
                dirty.discard(id(o))
            if not tracked or id(o) in fixed or not (o.dtype.is_floating_point or o.dtype.is_complex):
                o = o.detach() if given and not changed or o.requires_grad else o
            else:
                o = _tracked(node, i, o, given, changed)
                count += 1
        made.append(o)
    if dirty:
        raise RuntimeError("Some elements marked as dirty during the forward method were not returned as output. The inputs that are modified "
                           "inplace must all be outputs of the Function.")
    if count > 1:
        for o in made:
            if isinstance(o, Tensor) and o._flags & CUSTOM_VIEW:
                o._flags |= MANY_VIEWS
    if tracked:
        _save(node, outputs, made, inputs)
    return tuple(made) if isinstance(output, tuple) else made[0]


CUSTOM_VIEW, MANY_VIEWS, FRAGILE_VIEW = 256, 512, 256 | 512 | 1024 | 2048  # as in native/tensor/tensor.h


def _tracked(node, i, o, given, changed):
    """One output with its history."""
    if changed:
        if o.is_leaf and o.requires_grad:
            raise RuntimeError("a leaf Variable that requires grad has been used in an in-place operation.")
        o._set_history(node, i, True)
        return o
    base = o if given and o._base is None else o._base
    o = core.alias(o) if given or o.requires_grad else o
    o._set_history(node, i)
    if base is not None:
        o._set_base(base)
        o._flags = o._flags & ~FRAGILE_VIEW | CUSTOM_VIEW  # writing into it would bypass `backward`
    return o


def _save(node, outputs, made, inputs):
    node._run_always()
    if not node.to_save:
        return
    for i, t in enumerate(node.to_save):
        if t is not None and not isinstance(t, Tensor):
            raise TypeError(f"save_for_backward can only save variables, but argument {i} is of type {type(t).__name__}")
    marked = {id(t) for t in node.dirty_tensors}
    positions = {id(o): i for i, o in enumerate(outputs) if isinstance(o, Tensor) and (id(o) not in inputs or id(o) in marked)}
    positions.update({id(o): i for i, o in enumerate(made) if isinstance(o, Tensor) and id(o) in marked})
    stack = getattr(_local, "stack", None)
    hooks = stack[-1] if stack else None
    node._saved = [_Saved(t, positions.get(id(t)), hooks) for t in node.to_save]
    node.to_save = ()


def dual_function(level, cls, args, kwargs):
    """`apply` on dual numbers: the Function's own `jvp` gives the tangents."""
    from .._levels import WRAPPED, dual, level_of
    from .forward_ad import _levels, strip

    duals = [isinstance(a, Tensor) and level_of(a) is level for a in args]
    primals = tuple([strip(a, level) if d else a for a, d in zip(args, duals)])
    new_style = cls.setup_context is not Function.setup_context
    if not new_style and level not in _levels:
        raise RuntimeError("In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, ...), it must override the "
                           "setup_context staticmethod. For more details, please see https://pytorch.org/docs/main/notes/extending.func.html")
    inner = new_style and any(isinstance(a, Tensor) and a._flags & WRAPPED for a in primals)
    if inner:  # the level around has its own way
        recorded = cls.apply(*primals, **kwargs)
        node = cls._backward_cls()
        node.needs_input_grad = (False,) * len(primals)
        cls.setup_context(node, primals, recorded)
    else:
        node, output, tracked = _call(cls, primals, kwargs)
    node._jvp_saved = node.saved_for_forward or node.to_save
    slopes = cls.jvp(node, *(a._wrapped[2] if d else None for a, d in zip(args, duals)))
    if not inner:
        recorded = _record(node, primals, output, tracked)
    results = recorded if isinstance(recorded, tuple) else (recorded,)
    slopes = slopes if isinstance(slopes, tuple) else (slopes,)
    if len(slopes) != len(results):
        raise RuntimeError(f"Function's jvp returned an invalid number of forward gradients (expected {len(results)} but got {len(slopes)})")
    for o, t in zip(results, slopes):
        if isinstance(o, Tensor) and t is not None and o.shape != t.shape:
            raise RuntimeError("Trying to set a forward gradient that has a different size than that of the original Tensor, this is not supported. "
                               f"Tensor is of size {list(o.shape)} while the given forward gradient is of size {list(t.shape)}.")
    made = tuple([o if t is None or not isinstance(o, Tensor) else dual(level, o, t) for o, t in zip(results, slopes)])
    return made if isinstance(recorded, tuple) else made[0]


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
                node = Error()
                node._set_next(())
                r = r.detach()
                r._set_history(node, 0)
            made.append(r)
        return tuple(made) if isinstance(result, tuple) else made[0]

    return call


class Error(core.Node):
    def _backward(self, *grads):
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")


class NestedIOFunction(Function):
    """Kept for its name; plain Functions take nested structures as they are."""


class InplaceFunction(Function):
    """A Function that may work in place."""

    def __init__(self, inplace=False):
        super().__init__()
        self.inplace = inplace
