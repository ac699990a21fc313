"""Joining, repeating and rearranging."""

import facula

from ._table import op


def _pieces(grad, tensors_shape, dim):
    grads, at = [], 0
    dim %= grad.dim()
    for shape in tensors_shape:
        if len(shape) == 1 and shape[0] == 0 and (grad.dim() != 1):
            grads.append(grad.new_zeros(shape))
            continue
        grads.append(grad.narrow(dim, at, shape[dim]))
        at += shape[dim]
    return grads


for _name in ("cat", "concat", "concatenate"):
    op(f"{_name}(Tensor[] tensors, int dim=0)", kernel="join.cat", method=False, node="CatBackward0",
       vjp={"tensors": _pieces})
op("stack(Tensor[] tensors, int dim=0)", kernel="join.stack", method=False, vjp={"tensors": lambda grad, dim: grad.unbind(dim)})


def _inverse_roll(grad, shifts, dims):
    return grad.roll([-s for s in ([shifts] if isinstance(shifts, int) else shifts)], dims)


def _repeat_back(grad, input_shape, repeats):
    lead = len(repeats) - len(input_shape)
    sizes = (1,) * lead + tuple(input_shape)
    split = [n for pair in zip(repeats, sizes) for n in pair]
    if 0 in split:
        return grad.new_zeros(input_shape)
    return (grad.reshape(split).sum(list(range(0, len(split), 2))) if repeats else grad).reshape(input_shape)


op("flip(Tensor input, int[] dims)", kernel="rearrange.flip", vjp={"input": lambda grad, dims: grad.flip(dims)})
op("roll(Tensor input, int[1] shifts, int[1] dims=())", kernel="rearrange.roll", vjp={"input": _inverse_roll})
op("repeat(Tensor input, int[] repeats)", kernel="rearrange.repeat", function=False, vjp={"input": _repeat_back})
for _name, _rule in (("tril", lambda grad, diagonal: grad.tril(diagonal)), ("triu", lambda grad, diagonal: grad.triu(diagonal))):
    op(f"{_name}(Tensor input, int diagonal=0)", kernel=f"rearrange.{_name}", vjp={"input": _rule})
    op(f"{_name}_(Tensor input, int diagonal=0)", kernel=f"rearrange.{_name}", function=False, vjp={"input": _rule},
       node=f"{_name.capitalize()}Backward0")
op("constant_pad_nd(Tensor input, int[] pad, Scalar value=0)", kernel="rearrange.constant_pad", method=False,
   vjp={"input": lambda grad, pad: facula.constant_pad_nd(grad, [-p for p in pad])})
op("_repeat_positions(Tensor input)", kernel="rearrange.repeat_positions", method=False, differentiable=False)
