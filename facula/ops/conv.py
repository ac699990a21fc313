"""Convolutions, and columns of patches."""

from __future__ import annotations

import facula

from ._table import composite, op


def _both_sides(padding, weight, dilation):
    """Padding as numbers: a rule's name becomes [before..., after...]."""
    if not isinstance(padding, str):
        return list(padding) if isinstance(padding, (tuple, list)) else [padding]
    spatial = weight.dim() - 2
    if padding == "valid":
        return [0] * spatial
    dilation = list(dilation) if isinstance(dilation, (tuple, list)) else [dilation]
    dilation = dilation * spatial if len(dilation) == 1 else dilation
    total = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
    return [t // 2 for t in total] + [t - t // 2 for t in total]


def _gradients(grad, input, weight, stride, padding, dilation, transposed, output_padding, groups, needs):
    return facula._convolution_backward(grad, input, weight, stride, _both_sides(padding, weight, dilation), dilation, transposed,
                                        output_padding, groups, needs[0] + 2 * needs[1] + 4 * needs[2])


_FORWARD = {"input, weight, bias": lambda grad, input, weight, stride, padding, dilation, groups, needs: _gradients(
    grad, input, weight, stride, padding, dilation, False, [0], groups, needs)}
_TRANSPOSED = {"input, weight, bias": lambda grad, input, weight, stride, padding, output_padding, groups, dilation, needs: _gradients(
    grad, input, weight, stride, padding, dilation, True, output_padding, groups, needs)}
_GENERAL = {"input, weight, bias": lambda grad, input, weight, stride, padding, dilation, transposed, output_padding, groups, needs: _gradients(
    grad, input, weight, stride, padding, dilation, transposed, output_padding, groups, needs)}

for _n in (1, 2, 3):
    for _space in ("", "nn.functional."):
        for _padding in ("int[1] padding=0", "str padding='valid'"):
            op(f"{_space}conv{_n}d(Tensor input, Tensor weight, Tensor? bias=None, int[1] stride=1, {_padding}, int[1] dilation=1, "
               "int groups=1)", kernel=f"conv.conv{_n}d", node="ConvolutionBackward0", vjp=_FORWARD, method=False)
        op(f"{_space}conv_transpose{_n}d(Tensor input, Tensor weight, Tensor? bias=None, int[1] stride=1, int[1] padding=0, "
           "int[1] output_padding=0, int groups=1, int[1] dilation=1)", kernel=f"conv.conv_transpose{_n}d",
           node="ConvolutionBackward0", vjp=_TRANSPOSED, method=False)
op("convolution(Tensor input, Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] dilation, bool transposed, "
   "int[] output_padding, int groups)", kernel="conv.convolution", node="ConvolutionBackward0", vjp=_GENERAL, method=False)
op("_convolution_backward(Tensor grad_output, Tensor input, Tensor weight, int[1] stride, int[1] padding, int[1] dilation, bool transposed, "
   "int[1] output_padding, int groups, int needs) -> (_, _, _)", kernel="conv.backward", method=False,
   node="ConvolutionBackwardBackward0",
   vjp={"grad_output, input, weight": lambda grads, grad_output, input, weight, stride, padding, dilation, transposed, output_padding, groups, needs:
        _twice(grads, grad_output, input, weight, (stride, padding, dilation, transposed, output_padding, groups), needs)})


def _twice(grads, grad, input, weight, options, needs):
    """The backward pass is linear in the gradient and in input or weight each."""
    of_input, of_weight, of_bias = grads
    to_grad, to_input, to_weight = [], None, None
    stride, padding, dilation, transposed, output_padding, groups = ([x] if isinstance(x, int) and not isinstance(x, bool) else x
                                                                     for x in options)
    groups = groups[0] if isinstance(groups, list) else groups

    def forward(x, w):
        return facula.convolution(x, w, None, stride, padding, dilation, transposed, output_padding, groups)

    if of_input is not None:
        to_grad.append(forward(of_input, weight))
        if needs[2]:
            to_weight = facula._convolution_backward(grad, of_input, weight, *options, 2)[1]
    if of_weight is not None:
        to_grad.append(forward(input, of_weight))
        if needs[1]:
            to_input = facula._convolution_backward(grad, input, of_weight, *options, 1)[0]
    if of_bias is not None:
        to_grad.append(of_bias.reshape([-1] + [1] * (weight.dim() - 2)).expand(grad.shape))
    return sum(to_grad[1:], to_grad[0]) if to_grad and needs[0] else None, to_input, to_weight


@composite("conv_tbc", method=False)
def conv_tbc(input, weight, bias, pad=0):
    """A 1d convolution of (time, batch, channel) with a weight (kernel, in, out)."""
    if input.dim() != 3 or weight.dim() != 3:
        raise RuntimeError("Input must have 3 dims: time, batch, in_channel" if input.dim() != 3 else
                           "Weight tensor must have 3 dims: kernel_width, in_channels, out_channels.")
    if input.shape[2] != weight.shape[1]:
        raise RuntimeError("Input dim 2 (input channels) is not == dim 1 in the weight tensor")
    if bias.dim() != 1:
        raise RuntimeError("Bias must be 1-D")
    if bias.shape[0] != weight.shape[2]:
        raise RuntimeError("Bias size must equal dim 2 in the weight tensor (output channels).")
    return facula.conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, padding=pad).permute(2, 0, 1)


composite("nn.functional.conv_tbc")(conv_tbc)

op("nn.functional.unfold(Tensor input, int[1] kernel_size, int[1] dilation=1, int[1] padding=0, int[1] stride=1)",
   kernel="conv.unfold", node="Im2ColBackward0",
   vjp={"input": lambda grad, input, kernel_size, dilation, padding, stride: facula.nn.functional.fold(
       grad, input.shape[-2:], kernel_size, dilation, padding, stride)})
op("nn.functional.fold(Tensor input, int[1] output_size, int[1] kernel_size, int[1] dilation=1, int[1] padding=0, int[1] stride=1)",
   kernel="conv.fold", node="Col2ImBackward0",
   vjp={"input": lambda grad, kernel_size, dilation, padding, stride: facula.nn.functional.unfold(
       grad, kernel_size, dilation, padding, stride)})
