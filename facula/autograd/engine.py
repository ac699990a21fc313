"""`backward` and `grad`: checks and defaults around the core's engine."""

from __future__ import annotations

import warnings

import facula

from .._native import core
from .graph import GradientEdge

Tensor = core.Tensor
_warned: list[bool] = []  # of reference cycles, once


def _as_tuple(x):
    return (x,) if isinstance(x, (Tensor, GradientEdge)) else tuple(x)


def _wants_grad(x):
    return x.requires_grad if isinstance(x, Tensor) else True


def _first_gradients(outputs, gradients, batched=False):
    """One gradient per output; ones for scalars where none was given."""
    made = []
    for out, g in zip(outputs, gradients):
        if isinstance(out, GradientEdge):
            if g is None:
                raise RuntimeError("Passing a GradientEdge as output requires its gradient")
        elif g is None:
            if not out.requires_grad:
                raise RuntimeError("element 0 of tensors does not require grad and does not have a grad_fn")
            if out.numel() != 1:
                raise RuntimeError("grad can be implicitly created only for scalar outputs")
            if not (out.dtype.is_floating_point or out.dtype.is_complex):
                raise RuntimeError("grad can be implicitly created only for real scalar outputs")
            if out.dtype.is_complex:
                raise RuntimeError(f"grad can be implicitly created only for real scalar outputs but got {out.dtype}")
            g = facula.ones_like(out, memory_format=facula.preserve_format)
        elif not isinstance(g, Tensor):
            raise TypeError(f"gradients can be either Tensors or None, but got {type(g).__name__}")
        elif batched and g.shape[1:] != out.shape:
            raise RuntimeError("If `is_grads_batched=True`, we interpret the first dimension of each grad_output as the batch dimension. The sizes of the "
                               "remaining dimensions are expected to match the shape of corresponding output, but a mismatch was detected: "
                               f"grad_output[{len(made)}] has a shape of {g.shape[1:]} and output[{len(made)}] has a shape of {out.shape}. If you only want "
                               "some tensors in `grad_output` to be considered batched, consider using vmap.")
        elif g.shape != out.shape and not batched:
            raise RuntimeError(f"Mismatch in shape: grad_output[{len(made)}] has a shape of {g.shape} and output[{len(made)}] has a shape of {out.shape}.")
        elif g.dtype.is_complex != out.dtype.is_complex:
            raise RuntimeError(f"For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in dtype: "
                               f"grad_output[{len(made)}] has a dtype of {g.dtype} and output[{len(made)}] has a dtype of {out.dtype}.")
        made.append(g)
    return tuple(made)


def _gradients_for(outputs, gradients):
    if gradients is None:
        return (None,) * len(outputs)
    return _as_tuple(gradients) if not isinstance(gradients, Tensor) else (gradients,)


def backward(tensors, grad_tensors=None, retain_graph=None, create_graph=False, grad_variables=None, inputs=None):
    """Adds the gradients of `tensors` to `.grad` of the leaves.

    Args:
        tensors: Tensor or sequence of tensors to differentiate.
        grad_tensors: Gradient of each; None stands for 1 where the tensor has one element.
        retain_graph: Keep what was saved, for another backward. Default: `create_graph`.
        create_graph: Record the backward pass too, for higher derivatives.
        inputs: Only add to these tensors' `.grad`.

    Raises:
        RuntimeError: A tensor has no history, or its saved values are gone or changed.
    """
    tensors = _as_tuple(tensors)
    if inputs is not None:
        inputs = _as_tuple(inputs)
        if not inputs:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
        for x in inputs:
            if not _wants_grad(x):
                raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    gradients = _first_gradients(tensors, _gradients_for(tensors, grad_tensors))
    keep = create_graph if retain_graph is None else retain_graph
    for i, t in enumerate(tensors):
        if not _wants_grad(t):
            raise RuntimeError(f"element {i} of tensors does not require grad and does not have a grad_fn")
    if create_graph and not _warned:
        _warned.append(True)
        warnings.warn("Using backward() with create_graph=True will create a reference cycle between the parameter and its gradient which can cause a memory "
                      "leak. We recommend using autograd.grad when creating the graph to avoid this. If you have to use this function, make sure to reset "
                      "the .grad fields of your parameters to None after use to break the cycle and avoid the leak.", stacklevel=2)
    if inputs is None:
        run(tensors, gradients, keep, create_graph, None, True)
        return
    found = run(tensors, gradients, keep, create_graph, inputs, False)
    with core_grad(create_graph):
        for x, g in zip(inputs, found):
            if g is not None and isinstance(x, Tensor):
                x.retain_grad()
                x.grad = g if create_graph and x.grad is None else (g.detach().clone() if x.grad is None else x.grad + g)


def core_grad(mode):
    from .grad_mode import enable_grad, no_grad

    return enable_grad() if mode else no_grad()


def run(tensors, gradients, keep, create_graph, inputs, accumulate):
    """The engine, with anomaly reports where they are on."""
    from . import anomaly_mode

    if not anomaly_mode.is_enabled():
        return core.backward(tensors, gradients, bool(keep), bool(create_graph), inputs, accumulate)
    return anomaly_mode.checked_backward(tensors, gradients, bool(keep), bool(create_graph), inputs, accumulate)


def grad(outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False, only_inputs=True, allow_unused=None,
         is_grads_batched=False, materialize_grads=False):
    """The gradients of `outputs` with respect to `inputs`, as a tuple; `.grad` stays as it is.

    Args:
        outputs, inputs: Tensor or sequence of tensors.
        grad_outputs: Gradient of each output (the vector of the vector-Jacobian product).
        retain_graph, create_graph: As for `backward`.
        allow_unused: Give None for inputs that the outputs do not depend on, instead of raising.
        is_grads_batched: The first dimension of `grad_outputs` counts separate vectors.
        materialize_grads: Zeros instead of None.
    """
    if isinstance(inputs, dict):
        found = grad(outputs, tuple(inputs.values()), grad_outputs, retain_graph, create_graph, only_inputs, allow_unused, is_grads_batched, materialize_grads)
        return dict(zip(inputs, found))
    outputs, inputs = _as_tuple(outputs), _as_tuple(inputs)
    if not only_inputs:
        warnings.warn("only_inputs argument is deprecated and is ignored now (defaults to True). To accumulate gradient for other parts of the graph, please "
                      "use torch.autograd.backward.", FutureWarning, stacklevel=2)
    if not inputs:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    if allow_unused is None:
        allow_unused = materialize_grads
    elif materialize_grads and not allow_unused:
        raise ValueError("Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False.")
    if is_grads_batched:
        _first_gradients(outputs, _gradients_for(outputs, grad_outputs), True)
        return _batched(outputs, inputs, _gradients_for(outputs, grad_outputs), create_graph, retain_graph, allow_unused)
    gradients = _first_gradients(outputs, _gradients_for(outputs, grad_outputs))
    for x in inputs:
        if not _wants_grad(x):
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    for i, t in enumerate(outputs):
        if not _wants_grad(t):
            raise RuntimeError(f"element {i} of tensors does not require grad and does not have a grad_fn")
    keep = create_graph if retain_graph is None else retain_graph
    found = run(outputs, gradients, keep, create_graph, inputs, False)
    if not allow_unused and any(g is None for g in found):
        first = next(i for i, g in enumerate(found) if g is None)
        raise RuntimeError(f"The differentiated Tensor at index {first} appears to not have been used in the graph. Set allow_unused=True if this is the "
                           "desired behavior.")
    if materialize_grads:
        found = tuple(facula.zeros_like(x) if g is None else g for g, x in zip(found, inputs))
    return found


def _batched(outputs, inputs, gradients, create_graph, retain_graph, allow_unused):
    count = next(g for g in gradients if g is not None).shape[0]
    rows = [grad(outputs, inputs, tuple(None if g is None else g[i] for g in gradients), True if i + 1 < count else retain_graph,
                 create_graph, allow_unused=allow_unused) for i in range(count)]
    return tuple(None if column[0] is None else facula.stack(column) for column in zip(*rows))


# ---------------------------------------------------------------- methods of tensors

def _tensor_backward(self, gradient=None, retain_graph=None, create_graph=False, inputs=None):
    """Adds this tensor's gradients to `.grad` of the leaves (see `autograd.backward`)."""
    backward(self, gradient, retain_graph, create_graph, inputs=inputs)


def register_hook(self, hook):
    """Calls `hook(grad)` whenever a gradient of this tensor is computed; what it returns replaces it."""
    from .graph import RemovableHandle

    if not self.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if self.is_leaf:
        if self._backward_hooks is None:
            self._backward_hooks = {}
        hooks = self._backward_hooks
    else:
        hooks = self.grad_fn._slot_hooks(self.output_nr)
    handle = RemovableHandle.add(hooks, hook)
    if ("retain_grad",) in hooks:  # sees what all the other hooks leave
        hooks[("retain_grad",)] = hooks.pop(("retain_grad",))
    return handle


def register_post_accumulate_grad_hook(self, hook):
    """Calls `hook(tensor)` after a gradient was added to this leaf's `.grad`."""
    from .graph import RemovableHandle

    if not self.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if not self.is_leaf:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    if self._post_accumulate_grad_hooks is None:
        self._post_accumulate_grad_hooks = {}
    return RemovableHandle.add(self._post_accumulate_grad_hooks, hook)


def retain_grad(self):
    """Keeps the gradient of this non-leaf tensor in `.grad`."""
    import weakref

    if not self.requires_grad:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if self.is_leaf or self.retains_grad:
        return
    self._retains_grad = True
    reference = weakref.ref(self)

    def keep(gradient):
        tensor = reference()
        if tensor is not None and gradient is not None:
            before = tensor.grad
            tensor.grad = gradient.detach().clone() if before is None and not core.is_grad_enabled() else (gradient if before is None else before + gradient)

    self.grad_fn._slot_hooks(self.output_nr)[("retain_grad",)] = keep


for _f, _name in ((_tensor_backward, "backward"), (register_hook, "register_hook"), (retain_grad, "retain_grad"),
                  (register_post_accumulate_grad_hook, "register_post_accumulate_grad_hook")):
    _f.__name__ = _name
    core.attach(_name, _f)
