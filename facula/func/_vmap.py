"""vmap: functions of one example run on a batch of them."""

from __future__ import annotations

import functools

import facula

from .._forward import map_tensors
from .._levels import BATCHED, Level, batched, level_of, outside
from .._native import core
from ..utils import _pytree as pytree
from . import _rules

Tensor = core.Tensor
# Operations whose results have different shapes for different examples, by PyTorch's names.
_DYNAMIC = {"_nonzero": "nonzero", "_unique_rows": "_unique2", "masked_select": "masked_select", "bincount": "bincount"}


# ---------------------------------------------------------------- behind the door

def batched_call(level, op, entry, values, out):
    """Runs a call whose innermost wrappers are examples of this level."""
    from .._dispatch import finish, record

    if out is not None:
        return finish(entry, batched_call(level, op, entry, values, None), out)
    if entry.name in _dispatch_random():
        return random_call(level, op, entry, values, out)
    parts = _rules.as_parts(level, values)
    in_place = op.in_place
    if in_place:
        _check_in_place(level, parts, entry)
    if not any(p.dim is not None for p in _rules.parts_of(parts)):  # all the same for every example
        result = _rules._run(op, entry, _rules.map_parts(parts, lambda p: p.value))
        wrapped = _wrap(level, result, None)
    else:
        wrapped = _wrap(level, _batched_result(level, op, entry, values, parts), 0)
    results = (values[0],) if in_place else tuple(wrapped) if isinstance(wrapped, (tuple, list)) else (wrapped,)
    record(level, op, entry, values, results)
    return values[0] if in_place else wrapped


def _dispatch_random():
    from .._dispatch import RANDOM

    return RANDOM


def _batched_result(level, op, entry, values, parts):
    if entry.name in _DYNAMIC:
        raise RuntimeError("vmap: We do not support batching operators that can output dynamic shape. Attempted to vmap over "
                           f"aten::{_DYNAMIC[entry.name]}. Please file an issue at https://github.com/pytorch/pytorch/issues if you need this feature.")
    rule = _rules.rule_of(entry)
    result = rule(level, op, entry, parts) if rule is not None else NotImplemented
    if result is not NotImplemented:
        return result
    in_parts = _rules.DECOMPOSED.get(entry.name) or entry.compute
    if in_parts is not None and not op.in_place:
        # Made of other operations: those have rules. Their own graph is not wanted, the call is one node.
        made = in_parts(*map_tensors(lambda t: _bare(level, t), values))
        return _unwrap_all(level, made)
    return _rules.one_by_one(level, op, entry, parts)


def _bare(level, t):
    return core.graphless(t) if level_of(t) is level else t


def _unwrap_all(level, result):
    if isinstance(result, Tensor):
        return unwrap(level, result, 0)
    if result is None:
        return None
    made = [_unwrap_all(level, r) for r in result]
    return type(result)(made) if type(result) in (tuple, list) else type(result)(tuple(made))


def _check_in_place(level, parts, entry):
    if parts[0].dim is None and any(p.dim is not None for p in _rules.parts_of(parts[1:])):
        raise RuntimeError(
            f"vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor `other` in extra_args that has more elements "
            f"than `self`. This happened due to `other` being vmapped over but `self` not being vmapped over in a vmap. Please try to use out-of-place "
            f"operators instead of inplace arithmetic. If said operator is being called inside the PyTorch framework, please file a bug report instead.")


def _wrap(level, result, dim):
    if isinstance(result, Tensor):
        return batched(level, result, dim)
    if result is None:
        return None
    made = [_wrap(level, r, dim) for r in result]
    return type(result)(made) if type(result) in (tuple, list) else type(result)(tuple(made))


def unwrap(level, x, dim=0):
    """The value over all examples, with the examples at `dim`."""
    if level_of(x) is not level:
        return x.unsqueeze(dim).expand(*x.shape[:dim], level.size, *x.shape[dim:]) if dim >= 0 else unwrap(level, x, dim + x.dim() + 1)
    _, value, at = x._wrapped
    if at is None:
        return unwrap(level, value, dim)
    return value if at == dim else value.movedim(at, dim)


def random_call(level, op, entry, values, out):
    """Random numbers inside vmap: an error, the same, or different ones for each example."""
    if level.randomness == "error":
        raise RuntimeError("vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' randomness flags on "
                           "vmap or perform the randomness operation out of vmap")
    with outside(level):
        return _random(level, op, entry, values, out)


def _random(level, op, entry, values, out):
    from .._dispatch import call

    parts = _rules.as_parts(level, values)
    has_examples = any(p.dim is not None for p in _rules.parts_of(parts))
    if level.randomness == "same":
        if has_examples and entry.name != "bernoulli_" and parts[0].dim is not None:
            draw = facula.empty(values[0].shape, dtype=values[0].dtype, device=values[0].device)
            outer = [p.value if isinstance(p, _rules.Part) else p for p in parts]
            call(op, entry, (draw, *outer[1:]), None)
            return values[0].copy_(draw)
        if has_examples:
            raise RuntimeError("vmap: bernoulli_ with different probabilities cannot draw the same numbers for each example: use randomness='different'")
        return call(op, entry, _rules.map_parts(parts, lambda p: p.value), out)
    if entry.name == "_randperm":
        return batched(level, facula.stack([call(op, entry, values, out) for _ in range(level.size)]))
    target = values[0]
    if level_of(target) is level and parts[0].dim is not None:
        _rules._run(op, entry, [parts[0].front(), *(p.padded(parts[0].rank) if isinstance(p, _rules.Part) else p for p in parts[1:])])
        return target
    # A tensor that is the same for all examples becomes one that differs.
    value = facula.empty((level.size, *target.shape), dtype=target.dtype, device=target.device)
    _rules._run(op, entry, [value, *(p.padded(target.dim()) if isinstance(p, _rules.Part) else p for p in parts[1:])])
    target._wrapped = (level, value, 0)
    target._flags |= BATCHED
    return target


# ---------------------------------------------------------------- the transform

def _name(func):
    return func.__name__ if hasattr(func, "__name__") else repr(func)


def _check_randomness(randomness):
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")


def _inputs(func, in_dims, args):
    """(batch size, flat dimensions, flat arguments, their shape), checked."""
    name = _name(func)
    if not isinstance(in_dims, (int, tuple)):
        raise ValueError(f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): expected `in_dims` to be int or a (potentially nested) tuple matching the "
                         f"structure of inputs, got: {type(in_dims)}.")
    if not args:
        raise ValueError(f"vmap({name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to vmap over a function with no "
                         "inputs. The latter is unsupported.")
    leaves, spec = pytree.tree_flatten(args)
    dims = pytree._broadcast_to_and_flatten(in_dims, spec)
    if dims is None:
        raise ValueError(f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): in_dims is not compatible with the structure of `inputs`. in_dims has structure "
                         f"{pytree.tree_structure(in_dims)} but inputs has structure {spec}.")
    for i, (x, d) in enumerate(zip(leaves, dims)):
        head = f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): Got in_dim={d} for "
        if d is None:
            continue
        if not isinstance(d, int):
            raise ValueError(head + f"an input but in_dim must be either an integer dimension or None.")
        if not isinstance(x, Tensor):
            raise ValueError(head + f"an input but the input is of type {type(x)}. We cannot vmap over non-Tensor arguments, please use None as the respective in_dim")
        if not -x.dim() <= d < x.dim():
            raise ValueError(head + f"some input, but that input is a Tensor of dimensionality {x.dim()} so expected in_dim to satisfy -{x.dim()} <= in_dim < {x.dim()}.")
        dims[i] = d % x.dim()
    sizes = [x.shape[d] for x, d in zip(leaves, dims) if d is not None]
    if not sizes:
        raise ValueError("vmap: Expected at least one Tensor to vmap over")
    if any(n != sizes[0] for n in sizes):
        raise ValueError(f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} for the mapped dimension")
    return sizes[0], dims, leaves, spec


def _output(level, name, x, dim):
    if dim is None:
        if isinstance(x, Tensor) and level_of(x) is level:
            if x._wrapped[2] is not None:
                raise ValueError(f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None")
            return x._wrapped[1]
        return x
    if not isinstance(x, Tensor):
        raise ValueError(f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(x)}. Did you mean to set out_dims= to None for output?")
    rank = x.dim() + 1
    if not -rank <= dim < rank:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-rank}, {rank - 1}], but got {dim})")
    return unwrap(level, x, dim % rank)


def _outputs(level, func, result, out_dims):
    name = _name(func)
    leaves, spec = pytree.tree_flatten(result)
    if spec.is_leaf() and isinstance(out_dims, tuple) and len(out_dims) == 1:
        dims = list(out_dims)
    else:
        dims = pytree._broadcast_to_and_flatten(out_dims, spec)
    if dims is None:
        raise ValueError(f"vmap({name}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with the structure of `outputs`. out_dims has "
                         f"structure {pytree.tree_structure(out_dims)} but outputs has structure {spec}.")
    return pytree.tree_unflatten([_output(level, name, x, d) for x, d in zip(leaves, dims)], spec)


def _check_out_dims(name, out_dims):
    if not all(d is None or isinstance(d, int) for d in pytree.tree_leaves(out_dims)):
        raise ValueError(f"vmap({name}, ..., out_dims={out_dims}): `out_dims` must be an int, None or a python collection of ints representing where in the "
                         "outputs the vmapped dimension should appear.")


def run(func, size, dims, leaves, spec, out_dims, randomness, kwargs):
    """One pass over a batch that has been checked."""
    level = Level("vmap", size, randomness)
    with level:
        examples = [x if d is None else batched(level, x, d) for x, d in zip(leaves, dims)]
        result = func(*pytree.tree_unflatten(examples, spec), **kwargs)
        return _outputs(level, func, result, out_dims)


def vmap(func, in_dims=0, out_dims=0, randomness="error", *, chunk_size=None):
    """A function that runs `func`, written for one example, on a batch.

    Args:
        func: Takes and returns (nested structures of) tensors.
        in_dims: Which dimension of each input counts the examples; None: the same for all. An int or a tuple shaped like the inputs.
        out_dims: Where the examples go in each output.
        randomness: 'error', 'same' or 'different' random numbers for the examples.
        chunk_size: So many examples at a time; None: all.

    Example:
        >>> vmap(facula.dot)(facula.ones(2, 3), facula.ones(2, 3))
        tensor([3., 3.])
    """
    _check_randomness(randomness)
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func) if hasattr(func, "__name__") else (lambda f: f)
    def call(*args, **kwargs):
        _check_out_dims(_name(func), out_dims)
        size, dims, leaves, spec = _inputs(func, in_dims, args)
        if chunk_size is None or size <= chunk_size:
            return run(func, size, dims, leaves, spec, out_dims, randomness, kwargs)
        return _chunked(func, size, chunk_size, dims, leaves, spec, out_dims, randomness, kwargs)

    return call


def _chunked(func, size, chunk, dims, leaves, spec, out_dims, randomness, kwargs):
    state = facula.get_rng_state() if randomness == "same" else None
    runs = []
    for start in range(0, size, chunk):
        if state is not None:
            facula.set_rng_state(state)
        n = min(chunk, size - start)
        part = [x if d is None else x.narrow(d, start, n) for x, d in zip(leaves, dims)]
        runs.append(run(func, n, dims, part, spec, out_dims, randomness, kwargs))
    flat, out_spec = zip(*(pytree.tree_flatten(r) for r in runs))
    where = pytree._broadcast_to_and_flatten(out_dims, out_spec[0])
    if where is None:
        where = list(out_dims)
    joined = [column[0] if d is None else facula.cat(column, d) for d, column in zip(where, zip(*flat))]
    return pytree.tree_unflatten(joined, out_spec[0])
