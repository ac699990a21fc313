"""Hooks around the backward pass of a module: identity nodes at its inputs and outputs."""

from __future__ import annotations

import facula


class BackwardHookFunction(facula.autograd.Function):
    """Passes tensors through; its node sees all their gradients together."""

    @staticmethod
    def forward(ctx, *tensors):
        ctx.set_materialize_grads(False)
        return tensors

    @staticmethod
    def backward(ctx, *grads):
        return ctx.run(grads)


def _meta(values):
    return [(v.shape, v.dtype) for v in values if isinstance(v, facula.Tensor) and v.requires_grad]


def _with_zeros(grads, meta):
    return tuple(facula.zeros(shape, dtype=dtype) if g is None else g for g, (shape, dtype) in zip(grads, meta))


class BackwardHook:
    """One call of a module with backward hooks."""

    def __init__(self, module, hooks, pre_hooks):
        self.module, self.hooks, self.pre_hooks = module, hooks, pre_hooks
        self.grad_outputs = None
        self.has_inputs = False

    def _gate(self, values, run):
        places = [i for i, v in enumerate(values) if isinstance(v, facula.Tensor) and v.requires_grad]
        if not places or not facula.is_grad_enabled():
            return values, False
        made = BackwardHookFunction.apply(*(values[i] for i in places))
        made[0].grad_fn.run = lambda grads: run(grads, places, len(values))
        values = list(values)
        for i, t in zip(places, made):
            values[i] = t
        return values, True

    @staticmethod
    def _spread(grads, places, count):
        full = [None] * count
        for i, g in zip(places, grads):
            full[i] = g
        return tuple(full)

    def inputs(self, args):
        self.input_meta = _meta(args)
        # Tensors that need no gradient: hooks are shown zeros.
        self.fixed = {i: (a.shape,) for i, a in enumerate(args) if isinstance(a, facula.Tensor) and not a.requires_grad}
        args, self.has_inputs = self._gate(args, self._at_inputs)
        return tuple(args)

    def _at_inputs(self, grads, places, count):
        full = list(self._spread(_with_zeros(grads, self.input_meta), places, count))
        for i, x in self.fixed.items():
            full[i] = facula.zeros(*x)
        full = self._call_hooks(tuple(full))
        return tuple(full[i] for i in places)

    def _call_hooks(self, grad_inputs):
        count = len(grad_inputs)
        for hook in self.hooks:
            result = hook(self.module, grad_inputs, self.grad_outputs)
            if result is None:
                continue
            result = result if isinstance(result, facula.Tensor) else tuple(result) if hasattr(result, "__len__") else len(result)
            result = (result,) if isinstance(result, facula.Tensor) else result
            if len(result) != count:
                raise RuntimeError(f"Backward hook returned an invalid number of grad_input, got {len(result)}, but expected {count}")
            grad_inputs = result
        return grad_inputs

    def outputs(self, result):
        many = isinstance(result, (tuple, list))
        self.output_meta = _meta(result if many else [result])
        values, _ = self._gate(list(result) if many else [result], self._at_outputs)
        return type(result)(values) if many else values[0]

    def _at_outputs(self, grads, places, count):
        full = self._spread(grads, places, count)
        for hook in self.pre_hooks:
            new = hook(self.module, full)
            if new is not None:
                full = new if isinstance(new, tuple) else (new,)
        self.grad_outputs = full
        if not self.has_inputs:
            self._call_hooks((None,))
        return _with_zeros((full[i] for i in places), self.output_meta)
