"""Gradients of convolutions with respect to one argument, without the other."""

from __future__ import annotations

import facula

__all__ = [f"conv{n}d_{what}" for n in (1, 2, 3) for what in ("input", "weight")]


def _gradient(dims, wanted, input, weight, grad_output, options):
    with facula.enable_grad():
        input, weight = (t.detach().requires_grad_() if t is wanted else t.detach() for t in (input, weight))
        output = getattr(facula.nn.functional, f"conv{dims}d")(input, weight, None, *options)
        return facula.autograd.grad(output, input if input.requires_grad else weight, grad_output)[0]


def _pair(dims):
    def of_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1):
        input = grad_output.new_empty(1).expand(input_size)
        return _gradient(dims, input, input, weight, grad_output, (stride, padding, dilation, groups))

    def of_weight(input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1):
        weight = grad_output.new_empty(1).expand(weight_size)
        return _gradient(dims, weight, input, weight, grad_output, (stride, padding, dilation, groups))

    of_input.__doc__ = f"The gradient of conv{dims}d with respect to its input, which has size `input_size`."
    of_weight.__doc__ = f"The gradient of conv{dims}d with respect to its weight, which has size `weight_size`."
    for function, what in ((of_input, "input"), (of_weight, "weight")):
        function.__name__ = function.__qualname__ = f"conv{dims}d_{what}"
        globals()[function.__name__] = function


for _dims in (1, 2, 3):
    _pair(_dims)
