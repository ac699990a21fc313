"""Forward mode behind the door: an operation on dual numbers gives the value and its tangent."""

from __future__ import annotations

from ._levels import DUAL, depth_of, dual, fresh, level_of, lift
from ._native import core

Tensor = core.Tensor
# Linear in all their tensors together: the tangent is the operation of the tangents.
LINEAR = frozenset(
    "sum mean clone contiguous alias _to_copy view transpose t permute squeeze unsqueeze expand select _slice split split_with_sizes unbind "
    "diagonal unfold reshape flatten swapaxes swapdims broadcast_to narrow chunk movedim moveaxis view_as_real view_as_complex flip roll "
    "repeat tril triu cumsum cat concat concatenate stack gather index_select take trace "
    "_max_unpool1d _max_unpool2d _max_unpool3d".split())
# Linear in each of two tensors: the product rule.
PRODUCTS = frozenset("mm bmm mv dot _matmul vdot".split())


def tensors_of(values):
    for v in values:
        if isinstance(v, Tensor):
            yield v
        elif isinstance(v, (list, tuple)):
            for t in v:
                if isinstance(t, Tensor):
                    yield t


def map_tensors(function, values):
    """The values of a call with every tensor, also those in lists, replaced."""
    return tuple(function(v) if isinstance(v, Tensor) else
                 [function(t) if isinstance(t, Tensor) else t for t in v] if type(v) in (list, tuple) else v for v in values)


def dual_call(level, op, entry, values, out):
    """Runs a call whose innermost wrappers are duals of this level."""
    from ._dispatch import call, finish, record

    def is_dual(t):
        return level_of(t) is level

    tangents = map_tensors(lambda t: t._wrapped[2] if is_dual(t) else None, values)
    bare = map_tensors(lambda t: t._wrapped[1] if is_dual(t) else t, values)
    if out is not None:
        return finish(entry, call(op, entry, values, None), out)
    if op.in_place:
        return _in_place(level, op, entry, values, bare, tangents)
    result = call(op, entry, bare, None)
    many = isinstance(result, (tuple, list))
    results = tuple(result) if many else (result,)
    record(level, op, entry, values, results)  # for the tangents, which depend on the results
    with_history = map_tensors(lambda t: _strip(t, level) if is_dual(t) else t, values)
    found = tangent_of(level, op, entry, with_history, tangents, results)
    made = [dual(level, r, t) if isinstance(r, Tensor) and t is not None else r for r, t in zip(results, found)]
    record(level, op, entry, values, tuple(made))  # what backward reads are the duals: gradients carry tangents too
    if not many:
        return made[0]
    return type(result)(made) if type(result) in (tuple, list) else type(result)(tuple(made))


def _strip(x, level):
    from .autograd.forward_ad import strip

    return strip(x, level)


def _in_place(level, op, entry, values, bare, tangents):
    from ._dispatch import call, record

    target = values[0]
    if entry.in_place:  # copy_, fill_, index_add_ ...: on a copy, which keeps the old value for the rule
        found = _tangents_of_writing(level, op, entry, bare, tangents)
    else:
        found = tangent_of(level, entry.operation, entry, bare, tangents, (call(entry.operation, entry, bare, None),))
    call(op, entry, bare, None)
    tangent = found[0]
    if tangent is not None and level_of(target) is level:
        tangent = tangent.clone() if tangent is target._wrapped[2] else tangent
        old = target._wrapped[2]
        if old.dtype == tangent.dtype and old.shape == tangent.shape:
            old.copy_(tangent)  # views of the dual see it too
        else:
            target._wrapped = (level, target._wrapped[1], tangent)
    elif tangent is not None:
        primal = core.graphless(target)
        target._wrapped = (level, primal, tangent)
        target._flags |= DUAL
    record(level, op, entry, values, (target,))
    return target


def _tangents_of_writing(level, op, entry, bare, tangents):
    name = entry.name
    if name == "zero_" or name == "fill_" and not isinstance(tangents[1], Tensor):
        return (None if tangents[0] is None else tangents[0] * 0,)
    if name in ("copy_", "fill_"):
        source = tangents[1]
        shape = bare[0].shape
        return (None if source is None and tangents[0] is None else
                bare[0].new_zeros(shape) if source is None else source.to(bare[0].dtype).expand(shape),)
    return tangent_of(level, op, entry, bare, tangents, None)


def tangent_of(level, op, entry, primals, tangents, results):
    """Tangents of the results, None where there is none.

    By the entry's own rule, by linearity, or by transposing the gradient rule, which is linear in the incoming gradient.
    """
    from ._dispatch import call

    if entry.jvp is not None:
        t = entry.jvp(primals, tangents, results)
        return t if isinstance(t, tuple) else (t,)
    if not entry.rules:
        return (None,) * (1 if results is None else len(results))
    if entry.name in LINEAR:
        t = call(op, entry, _directions(primals, tangents), None)
        t = tuple(t) if isinstance(t, (tuple, list)) else (t,)
        return tuple(x.to(r.dtype) if x.dtype != r.dtype else x for x, r in zip(t, results))
    if entry.name in PRODUCTS:
        a, b = tangents[:2]
        parts = ([call(op, entry, (a, primals[1]), None)] if a is not None else []) + ([call(op, entry, (primals[0], b), None)] if b is not None else [])
        return (sum(parts[1:], parts[0]),)
    if entry.is_pointwise and not _reduces(entry, primals) and not any(t.dtype.is_complex for t in (*tensors_of(primals), *tensors_of(results))) and \
            not any(joint for _, joint, *_ in entry.rules):
        return (_pointwise_tangent(entry, primals, tangents, results[0]),)
    return _transposed(level, op, entry, primals, tangents)


def _reduces(entry, primals):
    """Whether an elementwise operation takes the mean or sum in the same pass."""
    return entry.reduction >= 0 and primals[entry.reduction] != 0


def _directions(primals, tangents):
    """Tangents in the place of the primals; zeros where there is none, the value itself where there can be none."""
    import facula

    def one(p, t):
        if t is not None or not isinstance(p, Tensor) or not (p.dtype.is_floating_point or p.dtype.is_complex):
            return p if t is None else t
        return facula.zeros_like(p)

    return tuple([one(a, b) for a, b in zip(p, t)] if isinstance(p, (list, tuple)) and isinstance(t, (list, tuple)) and len(p) == len(t) and
                 any(isinstance(a, Tensor) for a in p) else one(p, t if isinstance(t, Tensor) else None) for p, t in zip(primals, tangents))


def _pointwise_tangent(entry, primals, tangents, result):
    # A diagonal Jacobian is its own transpose: the rule of the gradient is the rule of the tangent.
    total = None
    for inputs, _, rule, arguments, _ in entry.rules:
        tangent = tangents[inputs[0]]
        if not isinstance(tangent, Tensor):
            continue
        given = [tangent if a == -1 else result if a == -3 else tuple(primals[-100 - a].shape) if a <= -100 else primals[a] for a in arguments]
        part = rule(*given)
        if part is not None:
            total = part if total is None else total + part
    if total is None:
        return result * 0
    total = total.to(result.dtype) if total.dtype != result.dtype else total
    return total if total.shape == result.shape else total.expand(result.shape)


def _transposed(level, op, entry, primals, tangents):
    import facula

    from ._dispatch import call

    inputs, directions = [], []
    with facula.enable_grad():
        def leaf(p, t):
            if not isinstance(p, Tensor) or t is None:
                return p
            inputs.append(fresh(p, level.vmap))
            directions.append(t)
            return inputs[-1]

        again = [[leaf(a, b) for a, b in zip(p, t)] if isinstance(p, (list, tuple)) and isinstance(t, (list, tuple)) else leaf(p, t)
                 for p, t in zip(primals, tangents)]
        if op.in_place:
            again[0] = again[0].clone()
        outputs = call(op, entry, tuple(again), None)
        outputs = tuple(outputs) if isinstance(outputs, (tuple, list)) else (outputs,)
        return tuple(_transposed_output(o, inputs, directions, level) for o in outputs)


def _transposed_output(out, inputs, directions, level):
    import facula

    if not isinstance(out, Tensor) or not out.requires_grad or depth_of(out) < level.depth:
        return None
    probe = fresh(facula.zeros_like(out), level.vmap)
    back = facula.autograd.grad((out,), inputs, (probe,), create_graph=True, retain_graph=True, allow_unused=True)
    pairs = [(g, lift(d.to(g.dtype), level.vmap)) for g, d in zip(back, directions) if g is not None and g.requires_grad]
    found = facula.autograd.grad([g for g, _ in pairs], (probe,), [d for _, d in pairs], create_graph=True, allow_unused=True)[0] if pairs else None
    if found is None:
        return facula.zeros_like(out)
    return found if found.requires_grad and core.depends_on_others((found,), (probe, *(x for x in inputs if x.is_leaf))) else core.graphless(found)
