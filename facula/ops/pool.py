"""Pooling, in one, two and three dimensions by the same kernels."""

from __future__ import annotations

import facula

from .._levels import followed
from ._table import composite, op

_COUNTS = {1: "one int", 2: "two ints", 3: "three ints"}


def _define_kernels(n):
    """The operations of one number of dimensions: PyTorch names nodes by it."""
    maximum, average, adaptive_max, adaptive_avg = f"_max_pool{n}d", f"_avg_pool{n}d", f"_adaptive_max_pool{n}d", f"_adaptive_avg_pool{n}d"
    max_entry = op(f"{maximum}(Tensor input, int n, int[1] kernel_size, int[1]? stride=None, int[1] padding=0, int[1] dilation=1, bool ceil_mode=False) -> (_, _)",
       kernel="pool.max", method=False, node=f"MaxPool{n}DWithIndicesBackward0",
       vjp={"input": lambda grads, input_shape, others, n: _unpooled(grads[0], others[1], input_shape, n)})
    avg_entry = op(f"{average}(Tensor input, int n, int[1] kernel_size, int[1]? stride=None, int[1] padding=0, bool ceil_mode=False, bool count_include_pad=True, "
       "int? divisor=None)", kernel="pool.avg", method=False, node=f"AvgPool{n}DBackward0",
       vjp={"input": lambda grad, input, n, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor: getattr(facula, f"{average}_back")(
           grad, input, n, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor)})
    op(f"{average}_back(Tensor grad_, Tensor input, int n, int[1] kernel_size, int[1]? stride, int[1] padding, bool ceil_mode, bool count_include_pad, "
       "int? divisor)", kernel="pool.avg_back", method=False, node=f"AvgPool{n}DBackwardBackward0",
       vjp={"grad_": lambda grad, n, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor: getattr(facula, average)(
           grad, n, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor)})
    op(f"{adaptive_max}(Tensor input, int[] output_size) -> (_, _)", kernel="pool.adaptive_max", method=False, node=f"AdaptiveMaxPool{n}DBackward0",
       vjp={"input": lambda grads, input_shape, others, output_size: _unpooled(grads[0], others[1], input_shape, n)})
    op(f"{adaptive_avg}(Tensor input, int[] output_size)", kernel="pool.adaptive_avg", method=False, node=f"AdaptiveAvgPool{n}DBackward0",
       vjp={"input": lambda grad, input_shape: getattr(facula, f"{adaptive_avg}_back")(grad, list(input_shape), n)})
    op(f"{adaptive_avg}_back(Tensor grad_, int[] input_size, int n)", kernel="pool.adaptive_avg_back", method=False,
       node=f"AdaptiveAvgPool{n}DBackwardBackward0",
       vjp={"grad_": lambda grad, grad__shape: getattr(facula, adaptive_avg)(grad, list(grad__shape[-n:]))})
    op(f"_max_unpool{n}d(Tensor input, Tensor indices, int[] output_size)", kernel="pool.unpool", method=False, node=f"MaxUnpool{n}DBackward0",
       vjp={"input": lambda grad, input_shape, indices: grad.flatten(-n).gather(-1, indices.flatten(-n)).reshape(input_shape)})
    op(f"_fractional_max_pool{n}d(Tensor input, int[] kernel_size, int[] output_size, Tensor samples) -> (_, _)", kernel="pool.fractional_max",
       method=False, node=f"FractionalMaxPool{n}DBackward0",
       vjp={"input": lambda grads, input_shape, others, output_size: _unpooled(grads[0], others[1], input_shape, n)})
    return max_entry, avg_entry


op("_max_pool_back(Tensor grad_, Tensor indices, int[] input_size, int n)", kernel="pool.max_back", method=False, node="MaxPool2DWithIndicesBackwardBackward0",
   vjp={"grad_": lambda grad, grad__shape, indices, n: grad.flatten(-n).gather(-1, indices.flatten(-n)).reshape(grad__shape)})


def _unpooled(grad, indices, input_shape, n):
    return None if grad is None else facula._max_pool_back(grad, indices, list(input_shape), n)


def _list(x):
    return None if x is None else tuple(x) if isinstance(x, (tuple, list)) else (x,)


def _is_recorded(x):
    return followed(x)


def _flat(sizes, one):
    """Sizes of a sequence as those of an image of one row."""
    return None if sizes is None or sizes == () else (one, *_list(sizes))


def _define(n, max_entry, avg_entry):
    def max_pool_with_indices(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=True):
        """The largest element of each window, and where it stands in its plane."""
        if n == 1 and _is_recorded(input) and input.dim() in (2, 3):  # PyTorch records the pooling of an image with one row
            values, indices = facula._max_pool2d(input.unsqueeze(-2), 2, _flat(kernel_size, 1), _flat(stride, 1), _flat(padding, 0), _flat(dilation, 1),
                                                 ceil_mode)
            return values.squeeze(-2), indices.squeeze(-2)
        return tuple(max_entry.operation(input, n, kernel_size, stride, padding, dilation, ceil_mode))

    def max_pool(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
        """The largest element of each window."""
        found = max_pool_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
        return found if return_indices else found[0]

    def avg_pool(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
        """The mean of each window."""
        if n == 1 and input.dim() in (2, 3) and _is_recorded(input):
            return facula._avg_pool2d(input.unsqueeze(-2), 2, _flat(kernel_size, 1), _flat(stride, 1), _flat(padding, 0), ceil_mode,
                                      count_include_pad, None).squeeze(-2)
        return avg_entry.operation(input, n, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override if n > 1 else None)

    def adaptive_avg_pool(input, output_size):
        """The mean of each of `output_size` windows that cover the input: from floor(i in / out) to ceil((i + 1) in / out)."""
        sizes = _adaptive_sizes("avg", input, output_size, n)
        if n > 1 and all(s == 1 for s in sizes):
            return input.mean(list(range(-n, 0)), keepdim=True)
        if n == 1:
            return adaptive(2, "avg")(input.unsqueeze(-2), (1, *sizes)).squeeze(-2)
        return getattr(facula, f"_adaptive_avg_pool{n}d")(input, sizes)

    def adaptive_max_pool_with_indices(input, output_size, return_indices=True):
        """The largest element of each of `output_size` windows that cover the input, and where it stands in its plane."""
        sizes = _adaptive_sizes("max", input, output_size, n)
        if n == 1:
            values, indices = adaptive(2, "max")(input.unsqueeze(-2), (1, *sizes))
            return values.squeeze(-2), indices.squeeze(-2)
        return tuple(getattr(facula, f"_adaptive_max_pool{n}d")(input, sizes))

    def adaptive_max_pool(input, output_size, return_indices=False):
        """The largest element of each of `output_size` windows that cover the input."""
        found = adaptive_max_pool_with_indices(input, output_size)
        return found if return_indices else found[0]

    _publish(f"max_pool{n}d", max_pool, top=True)
    _publish(f"max_pool{n}d_with_indices", max_pool_with_indices, top=n == 1)
    _publish(f"avg_pool{n}d", avg_pool, top=n == 1)
    _publish(f"adaptive_avg_pool{n}d", adaptive_avg_pool, top=n == 1)
    _publish(f"adaptive_max_pool{n}d", adaptive_max_pool)
    _publish(f"adaptive_max_pool{n}d_with_indices", adaptive_max_pool_with_indices)
    if n == 1:
        composite("adaptive_max_pool1d", method=False)(lambda input, output_size: adaptive_max_pool_with_indices(input, output_size))


def adaptive(n, kind):
    return facula.ops.functions["nn.functional"][f"adaptive_{kind}_pool{n}d" + ("_with_indices" if kind == "max" else "")]


def _publish(name, function, top=False):
    function.__name__ = function.__qualname__ = name
    composite(f"nn.functional.{name}")(function)
    if top:
        composite(name, method=False)(function)


def _adaptive_sizes(kind, input, output_size, n):
    """The sizes of the result; None in `output_size` keeps the input's."""
    name = f"adaptive_{kind}_pool{n}d"
    if n == 1:
        sizes = _list(output_size)
        if len(sizes) != 1:
            raise RuntimeError(f"{name}() argument 'output_size' should contain one int (got {len(sizes)})")
        if input.dim() not in (2, 3):
            raise RuntimeError(f"Expected 2 to 3 dimensions, but got {input.dim()}-dimensional tensor for argument #1 'self' "
                               f"(while checking arguments for {name})")
    else:
        sizes = (output_size,) * n if output_size is None or not isinstance(output_size, (tuple, list)) else tuple(output_size)
        if input.dim() <= len(sizes):
            raise ValueError(f"Input dimension should be at least {len(sizes) + 1}")
        if len(sizes) != n:
            raise RuntimeError(f"{name}: output_size must be {n}" if kind == "avg" else f"{name}(): internal error: output_size.size() must be {n}")
        if input.dim() not in (n + 1, n + 2):
            raise RuntimeError(f"{name}(): Expected {n + 1}D or {n + 2}D tensor, but got {list(input.shape)}")
        sizes = tuple(w if s is None else s for s, w in zip(sizes, input.shape[-n:], strict=True))
    if min(sizes) < 0:
        if kind == "avg":
            raise RuntimeError(f"adaptive_avg_pool{max(n, 2)}d: elements of output_size must be greater than or equal to 0 but received "
                               f"{{{', '.join(map(str, (1,) * (n == 1) + sizes))}}}")
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(sizes)}: {[*input.shape[:-n], *(1,) * (n == 1), *sizes]}")
    return sizes


for _n in (1, 2, 3):
    _define(_n, *_define_kernels(_n))
