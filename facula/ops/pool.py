"""Pooling, in one, two and three dimensions by the same operations."""

from __future__ import annotations

import facula

from ._table import composite, op

op("_max_pool(Tensor input, int n, int[1] kernel_size, int[1]? stride=None, int[1] padding=0, int[1] dilation=1, bool ceil_mode=False) -> (_, _)",
   kernel="pool.max", method=False, node="MaxPool2DWithIndicesBackward0",
   vjp={"input": lambda grads, input, others, n: None if grads[0] is None else facula._max_pool_back(grads[0], others[1], input, n)})
op("_max_pool_back(Tensor grad_, Tensor indices, Tensor input, int n)", kernel="pool.max_back", method=False,
   vjp={"grad_": lambda grad, grad_, indices, n: grad.flatten(-n).gather(-1, indices.flatten(-n)).reshape(grad_.shape)})
op("_avg_pool(Tensor input, int n, int[1] kernel_size, int[1]? stride=None, int[1] padding=0, bool ceil_mode=False, bool count_include_pad=True, "
   "int? divisor=None)", kernel="pool.avg", method=False, node="AvgPool2DBackward0",
   vjp={"input": lambda grad, input, n, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor:
        facula._avg_pool_back(grad, input, n, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor)})
op("_avg_pool_back(Tensor grad_, Tensor input, int n, int[1] kernel_size, int[1]? stride, int[1] padding, bool ceil_mode, bool count_include_pad, "
   "int? divisor)", kernel="pool.avg_back", method=False,
   vjp={"grad_": lambda grad, n, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor:
        facula._avg_pool(grad, n, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor)})


def _list(x):
    return None if x is None else (x,) if isinstance(x, int) else tuple(x)


def _define(n):
    def max_pool(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
        """The largest element of each window."""
        values, indices = facula._max_pool(input, n, _list(kernel_size), _list(stride) or None, _list(padding), _list(dilation), ceil_mode)
        return (values, indices) if return_indices else values

    def avg_pool(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
        """The mean of each window."""
        return facula._avg_pool(input, n, _list(kernel_size), _list(stride) or None, _list(padding), ceil_mode, count_include_pad,
                                divisor_override if n > 1 else None)

    def adaptive(name, reduce):
        def pool(input, output_size, return_indices=False):
            sizes = _list(output_size) * (n if isinstance(output_size, int) else 1)
            return _adaptive(input, n, sizes, reduce, return_indices)

        pool.__name__ = pool.__qualname__ = name
        return pool

    for kind, f in (("max", max_pool), ("avg", avg_pool)):
        f.__name__ = f.__qualname__ = f"{kind}_pool{n}d"
        composite(f"nn.functional.{kind}_pool{n}d")(f)
        if n == 1 or kind == "max":
            composite(f"{kind}_pool{n}d", method=False)(f)
        composite(f"nn.functional.adaptive_{kind}_pool{n}d")(adaptive(f"adaptive_{kind}_pool{n}d", kind))

    def with_indices(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=True):
        return max_pool(input, kernel_size, stride, padding, dilation, ceil_mode, True)

    with_indices.__name__ = f"max_pool{n}d_with_indices"
    composite(f"nn.functional.max_pool{n}d_with_indices")(with_indices)


def _adaptive(input, n, sizes, kind, return_indices):
    """Windows from floor(i * in / out) to ceil((i + 1) * in / out)."""
    if input.dim() not in (n + 1, n + 2):
        raise RuntimeError(f"adaptive_{kind}_pool{n}d(): Expected {n + 1}D or {n + 2}D tensor, but got {list(input.shape)}")
    whole = input.shape[-n:]
    sizes = tuple(w if s is None else s for s, w in zip(sizes, whole))
    if all(w % s == 0 for w, s in zip(whole, sizes)):
        kernel = tuple(w // s for w, s in zip(whole, sizes))
        if kind == "max":
            out = facula._max_pool(input, n, kernel)
            return tuple(out) if return_indices else out[0]
        return facula._avg_pool(input, n, kernel)
    x = input
    if kind == "avg":
        for d, (w, s) in enumerate(zip(whole, sizes)):
            axis = x.dim() - n + d
            x = facula.cat([x.narrow(axis, i * w // s, -(-(i + 1) * w // s) - i * w // s).mean(axis, keepdim=True) for i in range(s)], axis)
        return x
    flat = facula.arange(input[(0,) * (input.dim() - n)].numel()).reshape(whole)
    cells, places = [], []
    import itertools

    for at in itertools.product(*(range(s) for s in sizes)):
        part, index = input, flat
        for d, (i, w, s) in enumerate(zip(at, whole, sizes)):
            start, end = i * w // s, -(-(i + 1) * w // s)
            part = part.narrow(input.dim() - n + d, start, end - start)
            index = index.narrow(d, start, end - start)
        value, place = part.flatten(-n).max(-1)
        cells.append(value)
        places.append(index.reshape(-1)[place])
    values = facula.stack(cells, -1).reshape(input.shape[:-n] + sizes)
    return (values, facula.stack(places, -1).reshape(values.shape)) if return_indices else values


for _n in (1, 2, 3):
    _define(_n)
