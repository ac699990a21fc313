"""`make_tensor`: tensors of random values for tests."""

from __future__ import annotations

import math

import facula

_FLOATS = (facula.float16, facula.bfloat16, facula.float32, facula.float64)
_COMPLEX = (facula.complex32, facula.complex64, facula.complex128)
_FLOAT_RANGE, _INTEGER_RANGE = (-9, 9), (-9, 10)


def make_tensor(*shape, dtype, device, low=None, high=None, requires_grad=False, noncontiguous=False, exclude_zero=False, memory_format=None):
    """A tensor of values drawn evenly from [low, high).

    Args:
        shape: Sizes, as one sequence or separately.
        dtype, device: What kind of tensor.
        low, high: The interval; by default -9 to 9 for floats, -9 to 9 for integers, and what the dtype allows.
        noncontiguous: With gaps between the elements.
        exclude_zero: The smallest positive value (1 for integers) in the place of zeros.
    """
    shape = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else tuple(shape)
    if noncontiguous and memory_format is not None:
        raise ValueError(f"The parameters `noncontiguous` and `memory_format` are mutually exclusive, but got {noncontiguous=} and {memory_format=}")
    inexact = dtype in _FLOATS or dtype in _COMPLEX
    if requires_grad and not inexact:
        raise ValueError(f"`requires_grad=True` is not supported for boolean and integral dtypes, but got {dtype=}".replace("facula.", "torch."))
    spread = noncontiguous and math.prod(shape) >= 2
    full = (*shape[:-1], 2 * shape[-1]) if spread and shape else shape
    made = _draw(full, dtype, device, low, high)
    if spread:
        made = made[..., ::2]
    elif memory_format is not None:
        made = made.clone(memory_format=memory_format)
    if exclude_zero:
        made[made == 0] = facula.finfo(dtype).tiny if inexact else 1
    return made.requires_grad_() if requires_grad else made


def _bounds(dtype, low, high, default, smallest, largest):
    """The interval, cut to what the dtype holds."""
    low, high = (d if v is None else v for v, d in zip((low, high), (max(default[0], smallest), min(default[1], largest + 1))))
    if any(isinstance(v, float) and math.isnan(v) for v in (low, high)):
        raise ValueError(f"`low` and `high` cannot be NaN, but got {low=} and {high=}")
    if low >= high:
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    if high < smallest or low > largest:
        holds = f"[{smallest}, {largest + 1})" if isinstance(largest, int) else f"[{smallest}, {largest}]"
        raise ValueError(f"The value interval specified by `low` and `high` is [{low}, {high}), but {str(dtype).replace('facula', 'torch')} only supports "
                         f"{holds}")
    return low, high


def _draw(shape, dtype, device, low, high):
    if dtype == facula.bool:
        low, high = _bounds(dtype, low, high, (0, 2), 0, 1)
        return facula.randint(math.ceil(low), math.ceil(min(high, 2)), shape, device=device).to(dtype)
    if dtype in _COMPLEX:
        real = dtype.to_real()
        limit = facula.finfo(real).max
        low, high = _bounds(dtype, low, high, _FLOAT_RANGE, -limit, limit)
        return facula.view_as_complex(facula.empty((*shape, 2), dtype=real, device=device).uniform_(max(low, -limit), min(high, limit)))
    if dtype in _FLOATS:
        limit = facula.finfo(dtype).max
        low, high = _bounds(dtype, low, high, _FLOAT_RANGE, -limit, limit)
        return facula.empty(shape, dtype=dtype, device=device).uniform_(max(low, -limit), min(high, limit))
    info = facula.iinfo(dtype)
    low, high = _bounds(dtype, low, high, _INTEGER_RANGE, info.min, info.max)
    return facula.randint(max(math.ceil(low), info.min), min(math.ceil(high), info.max + 1 if info.max < 2**63 - 1 else info.max), shape, dtype=dtype, device=device)
