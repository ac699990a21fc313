"""Hooks around the backward pass of a module: identity nodes at its inputs and outputs."""

from __future__ import annotations

import warnings

import facula

_FIRING = ("Full backward hook is firing when gradients are computed with respect to module outputs since no inputs require gradients. See "
           "https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module.register_full_backward_hook for more details.")


class BackwardHookFunction(facula.autograd.Function):
    """Passes tensors through; its node sees all their gradients together."""

    @staticmethod
    def forward(ctx, *tensors):
        ctx.mark_non_differentiable(*(t for t in tensors if not t.requires_grad))
        return tensors

    @staticmethod
    def backward(ctx, *grads):
        return grads


def _spread(places, values, count):
    full = [None] * count
    for i, v in zip(places, values, strict=True):
        full[i] = v
    return tuple(full)


class BackwardHook:
    """One call of a module with backward hooks."""

    def __init__(self, module, user_hooks, user_pre_hooks):
        self.module, self.user_hooks, self.user_pre_hooks = module, user_hooks, user_pre_hooks
        self.grad_outputs = None
        self.inputs = self.outputs = None  # where tensors with gradients stand among the arguments and results
        self.n_inputs = self.n_outputs = 0

    @staticmethod
    def _gate(values, register):
        """Sends the tensors through an identity node, on which `register` hooks; gives what is to be used and the tensors' places."""
        places = [i for i, v in enumerate(values) if isinstance(v, facula.Tensor)]
        if not facula.is_grad_enabled() or not any(values[i].requires_grad for i in places):
            return values, None
        made = BackwardHookFunction.apply(*(values[i] for i in places))
        register(next(t.grad_fn for t in made if t.grad_fn is not None))
        values = list(values)
        for i, t in zip(places, made, strict=True):
            values[i] = t
        return tuple(values), places

    def setup_input_hook(self, args):
        """The arguments, watched."""
        args, self.inputs = self._gate(args, lambda node: node.register_hook(self._input_hook()))
        self.n_inputs = len(args)
        return args

    def setup_output_hook(self, result):
        """The result, watched."""
        many = isinstance(result, tuple)
        result, self.outputs = self._gate(result if many else (result,), lambda node: node.register_prehook(self._output_hook()))
        self.n_outputs = len(result)
        return result if many else result[0]

    def _input_hook(self):
        def hook(grad_input, _):
            if self.grad_outputs is None:  # the gradient came past the module's outputs
                return None
            grads = _spread(self.inputs, grad_input, self.n_inputs)
            result = None
            for user_hook in self.user_hooks:
                changed = user_hook(self.module, grads, self.grad_outputs)
                if changed is None:
                    continue
                if len(changed) != len(grads):
                    raise RuntimeError(f"Backward hook returned an invalid number of grad_input, got {len(changed)}, but expected {len(grads)}")
                result = grads = changed
            self.grad_outputs = None
            return None if result is None else tuple(result[i] for i in self.inputs)

        return hook

    def _output_hook(self):
        def hook(grad_output):
            grads = _spread(self.outputs, grad_output, self.n_outputs)
            for user_hook in self.user_pre_hooks:
                changed = user_hook(self.module, grads)
                if changed is None:
                    continue
                if len(changed) != len(grads):
                    raise RuntimeError(f"Backward pre hook returned an invalid number of grad_output, got {len(changed)}, but expected {len(grads)}")
                grads = changed
            self.grad_outputs = grads
            if self.inputs is None:
                self._fire_without_inputs()
            return tuple(grads[i] for i in self.outputs)

        return hook

    def _fire_without_inputs(self):
        if self.user_hooks:
            warnings.warn(_FIRING, stacklevel=3)
        for user_hook in self.user_hooks:
            result = user_hook(self.module, (None,) * self.n_inputs, self.grad_outputs)
            if result is not None and not (isinstance(result, tuple) and all(r is None for r in result)):
                raise RuntimeError("Backward hook for Modules where no input requires gradient should always return None or None for all gradients.")
        self.grad_outputs = None
