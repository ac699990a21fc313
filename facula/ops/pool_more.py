"""Fractional, power-average and inverse pooling."""

from __future__ import annotations

import facula

from ._table import composite

_AXES = {2: ("height", "width"), 3: ("time", "height", "width")}


def _tuple(value, n):
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * n


def _define_lp_pool(n):
    def lp_pool(input, norm_type, kernel_size, stride=None, ceil_mode=False):
        """The p-norm of each window."""
        F = facula.nn.functional
        kernel = _tuple(kernel_size, n)
        count = 1
        for k in kernel:
            count *= k
        mean = getattr(F, f"avg_pool{n}d")(input.pow(norm_type), kernel_size if n > 1 else kernel, stride, 0, ceil_mode)
        return (facula.sign(mean) * facula.relu(facula.abs(mean))).mul(count).pow(1.0 / norm_type)

    lp_pool.__name__ = lp_pool.__qualname__ = f"lp_pool{n}d"
    composite(f"nn.functional.lp_pool{n}d")(lp_pool)


def _check_fractional(name, n, input, output, kernel, samples):
    if input.dim() not in (n + 1, n + 2):
        raise RuntimeError(f"{name}(): Expected {n + 1}D or {n + 2}D tensor, but got: {list(input.shape)}")
    batch = input.shape[0] if input.dim() == n + 2 else 1
    for axis, o, k, size in zip(_AXES[n], output, kernel, input.shape[-n:], strict=True):
        if o + k - 1 > size:
            raise RuntimeError(f"{name}(): pool {axis} {k} too large relative to input {axis} {size}")
    if samples.dim() != 3:
        raise RuntimeError(f"Expect _random_samples to have 3 dimensions, got {samples.dim()}")
    channels = input.shape[-n - 1]
    for d, (wanted, relation) in enumerate(((batch, "at least "), (channels, "at least "), (n, ""))):
        got = samples.shape[d]
        if got < wanted or d == 2 and got != wanted:
            raise RuntimeError(f"Expect _random_samples.size({d}) equals to {wanted}; got {got}." if d == 2 else
                               f"Expect _random_samples.size({d}) no less than input {'batch size' if d == 0 else 'channel size'}; got {got}.")


def _define_fractional(n):
    name = f"fractional_max_pool{n}d"

    def with_indices(input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None):
        """Maxima of windows at pseudo-random places, and where they stand.

        Source: Graham, "Fractional max-pooling", arXiv 1412.6071.
        """
        if output_size is None and output_ratio is None:
            raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
        if output_size is None:
            if not isinstance(output_ratio, (tuple, list)):
                raise TypeError(f"object of type '{type(output_ratio).__name__}' has no len()")
            if len(output_ratio) > n:
                raise ValueError(f"{name} requires output_ratio to either be a single Int or tuple of Ints.")
            output_size = [int(size * ratio) for size, ratio in zip(input.shape[-n:], _tuple(output_ratio, n), strict=True)]
        output, kernel = list(_tuple(output_size, n)), list(_tuple(kernel_size, n))
        if _random_samples is None:
            batch = 1 if input.dim() == n + 1 else input.size(0)
            _random_samples = facula.rand(batch, input.size(-n - 1), n, dtype=input.dtype, device=input.device)
        _check_fractional(name, n, input, output, kernel, _random_samples)
        batch, channels = (1 if input.dim() == n + 1 else input.shape[0]), input.shape[-n - 1]
        return tuple(getattr(facula, "_" + name)(input, kernel, output, _random_samples[:batch, :channels]))

    def plain(input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None):
        """Maxima of windows at pseudo-random places."""
        found = with_indices(input, kernel_size, output_size, output_ratio, return_indices, _random_samples)
        return found if return_indices else found[0]

    for function, suffix in ((with_indices, "_with_indices"), (plain, "")):
        function.__name__ = function.__qualname__ = name + suffix
        composite(f"nn.functional.{name}{suffix}")(function)


def _unpooled_sizes(input, kernel, stride, padding, output_size):
    n = len(kernel)
    plain = [(size - 1) * s + k - 2 * p for size, s, k, p in zip(input.shape[-n:], stride, kernel, padding, strict=True)]
    if output_size is None:
        return plain
    sizes = output_size[2:] if len(output_size) == n + 2 else output_size
    if len(sizes) != n:
        raise ValueError(f"output_size should be a sequence containing {n} or {n + 2} elements, but it has a length of '{len(sizes)}'")
    for d, (size, usual, s) in enumerate(zip(sizes, plain, stride, strict=True)):
        if abs(size - usual) >= s:
            raise ValueError(f'invalid output_size "{sizes}" (dim {d} must be between {usual - s} and {usual + s})')
    return list(sizes)


def _check_unpool(n, input, indices, stride):
    if n == 3 and min(stride) <= 0:
        raise RuntimeError(f"strides should be greater than zero, but got stride: {list(stride)}")
    if indices.dtype != facula.int64:
        from .stats import _dtype_name

        raise RuntimeError(f"elements in indices should be type int64 but got: {_dtype_name(indices)}")
    if input.dim() not in (n + 1, n + 2):
        raise RuntimeError(f"Input to max_unpooling{n}d should be a {n + 1}d or {n + 2}d Tensor, but got a tensor with {input.dim()} dimensions.")
    if input.shape != indices.shape:
        raise RuntimeError(f"Expected shape of indices to be same as that of the input tensor ({list(input.shape)}) but got indices tensor with "
                           f"shape: {list(indices.shape)}")
    for d in range(1, input.dim()):
        if input.shape[d] == 0:
            raise RuntimeError(f"max_unpooling{n}d_forward_out_cpu(): Expected input to have non-zero size for non-batch dimensions, but got "
                               f"{list(input.shape)} with dimension {d} being empty.")


def _define_unpool(n):
    def max_unpool(input, indices, kernel_size, stride=None, padding=0, output_size=None):
        """Puts maxima back where they stood; the rest is zero."""
        kernel, padding = _tuple(kernel_size, n), _tuple(padding, n)
        stride = kernel if stride is None else _tuple(stride, n)
        sizes = _unpooled_sizes(input, kernel, stride, padding, output_size)
        if min(sizes) < 0:
            d = next(i for i, s in enumerate(sizes) if s < 0)
            raise ValueError(f"max_unpooling: output_size must contain non-negative spatial dimensions, but got output_size[{d}]={sizes[d]}")
        if n == 1:
            _check_unpool(2, input.unsqueeze(-1), indices.unsqueeze(-1), stride)
            return facula._max_unpool2d(input.unsqueeze(-1), indices.unsqueeze(-1), [*sizes, 1]).squeeze(-1)
        _check_unpool(n, input, indices, stride)
        return getattr(facula, f"_max_unpool{n}d")(input, indices, sizes)

    max_unpool.__name__ = max_unpool.__qualname__ = f"max_unpool{n}d"
    composite(f"nn.functional.max_unpool{n}d")(max_unpool)


for _n in (1, 2, 3):
    _define_lp_pool(_n)
    _define_unpool(_n)
    if _n > 1:
        _define_fractional(_n)
