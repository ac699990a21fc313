"""Padding of the last dimensions."""

from __future__ import annotations

import facula

from ._table import composite, op

_NAMES = {"reflect": "reflection", "replicate": "replication"}


def _define(mode, n):
    name, camel = f"{_NAMES[mode]}_pad{n}d", f"{_NAMES[mode].capitalize()}Pad{n}D"
    op(f"_{name}(Tensor input, int[] padding)", kernel=f"pad.{mode}", method=False, node=f"{camel}Backward0",
       vjp={"input": lambda grad, input_shape, padding: getattr(facula, f"_{name}_back")(grad, list(input_shape), padding)})
    op(f"_{name}_back(Tensor grad_, int[] input_size, int[] padding)", kernel=f"pad.{mode}_back", method=False, node=f"{camel}BackwardBackward0",
       vjp={"grad_": lambda grad, padding: getattr(facula, "_" + name)(grad, padding)})


for _mode in _NAMES:
    for _n in (1, 2, 3):
        _define(_mode, _n)


def _check_pad(x, pad, mode):
    count, n = len(pad) // 2, x.dim()
    if count not in (1, 2, 3) or n not in (count + 1, count + 2):
        cases = "\n".join(f"  - {k + 1}D or {k + 2}D input: padding size = {2 * k} (pads last {'dimension' if k == 1 else f'{k} dimensions'})" for k in (1, 2, 3))
        raise NotImplementedError(f"Padding size {len(pad)} is not supported for {n}D input tensor.\nSupported combinations for non-constant padding:\n{cases}")
    if mode != "circular" and 0 in x.shape[n == count + 2:]:
        raise RuntimeError(f"Expected {count + 1}D or {count + 2}D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for "
                           f"input, but got: {list(x.shape)}")
    for i in range(count):
        low, high, size = pad[2 * i], pad[2 * i + 1], x.shape[-1 - i]
        if mode == "reflect" and (low >= size or high >= size):
            raise RuntimeError(f"Argument #4: Padding size should be less than the corresponding input dimension, but got: padding "
                               f"({low}, {high}) at dimension {n - 1 - i} of input {list(x.shape)}")
        if mode == "circular" and (low > size or high > size):
            raise RuntimeError("Padding value causes wrapping around more than once.")
        if mode == "circular" and (low < -size or high < -size or size + low + high < 0):
            raise RuntimeError("Negative padding value is resulting in an empty dimension.")
        if size + low + high < 0:
            raise RuntimeError(f"input ({'WHD'[i]}: {size}) is too small. Calculated output {'WHD'[i]}: {size + low + high}")


def _wrapped(input, pad):
    """Every padded dimension goes round."""
    out = input
    for i in range(len(pad) // 2):
        low, high, n = pad[2 * i], pad[2 * i + 1], input.shape[-1 - i]
        if low or high:
            first, last = max(-low, 0), n - max(-high, 0)  # negative amounts cut before the rest repeats
            at = facula.arange(-max(low, 0), last - first + max(high, 0), device=input.device) % (last - first) + first
            out = out.index_select(-1 - i, at)
    return out if out is not input else input.clone()


@composite("nn.functional.pad")
def pad(input, pad, mode="constant", value=None):
    """Pads the last dimensions; `pad` lists (before, after) from the last dimension backwards."""
    pad = [int(p) for p in pad]
    if len(pad) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(pad) // 2 > input.dim():
        raise RuntimeError("Padding length should be less than or equal to two times the input dimension but got padding length "
                           f"{len(pad)} and input of dimension {input.dim()}")
    if mode == "constant":
        return facula.constant_pad_nd(input, pad, 0 if value is None else value)
    if value is not None and value != 0:
        raise ValueError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if mode not in (*_NAMES, "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    _check_pad(input, pad, mode)
    if mode == "circular":
        return _wrapped(input, pad)
    return getattr(facula, f"_{_NAMES[mode]}_pad{len(pad) // 2}d")(input, pad)
