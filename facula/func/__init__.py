"""Functions that take functions: gradients, products with Jacobians, Jacobians, Hessians."""

from __future__ import annotations

import functools

import facula

from ..autograd import forward_ad
from .._native import core

__all__ = ["grad", "grad_and_value", "vjp", "jvp", "jacrev", "jacfwd", "hessian", "functional_call"]
Tensor = core.Tensor


def _map(function, tree):
    """Applies a function to every tensor of nested tuples, lists and dicts."""
    if isinstance(tree, Tensor):
        return function(tree)
    if isinstance(tree, dict):
        return type(tree)((k, _map(function, v)) for k, v in tree.items())
    if isinstance(tree, (tuple, list)):
        return type(tree)(_map(function, v) for v in tree)
    return tree


def _leaves(tree):
    found = []
    _map(lambda t: found.append(t), tree)
    return found


def _fill(tree, values):
    values = iter(values)
    return _map(lambda t: next(values), tree)


def _record(tree):
    """Fresh views that record, whatever surrounds the call."""
    return _map(lambda t: t.view_as(t) if t.requires_grad else t.detach().requires_grad_(), tree)


def _pick(args, argnums):
    return args[argnums] if isinstance(argnums, int) else tuple(args[i] for i in argnums)


def _put(args, argnums, value):
    args = list(args)
    for i, v in ((argnums, value),) if isinstance(argnums, int) else zip(argnums, value):
        args[i] = v
    return args


def _gradients(outputs, inputs, vectors, keep):
    live = [(o, v) for o, v in zip(outputs, vectors) if o.requires_grad]
    if not live:
        return [facula.zeros_like(x) for x in inputs]
    found = facula.autograd.grad([o for o, _ in live], inputs, [v for _, v in live], create_graph=keep, retain_graph=True, allow_unused=True)
    return [facula.zeros_like(x) if g is None else g for g, x in zip(found, inputs)]


def _nested(tree):
    """Whether an outer transform or the user still differentiates through the inputs."""
    return facula.is_grad_enabled() and any(t.requires_grad for t in _leaves(tree))


def grad_and_value(func, argnums=0, has_aux=False):
    """A function that gives (gradient, value) of a scalar function."""

    @functools.wraps(func)
    def call(*args, **kwargs):
        chosen = _pick(args, argnums)
        keep = _nested(chosen)
        with facula.enable_grad():
            own = _record(chosen)
            out = func(*_put(args, argnums, own), **kwargs)
            aux = None
            if has_aux:
                out, aux = out
            if not isinstance(out, Tensor):
                raise RuntimeError(f"Expected f to return a Tensor for grad, got type {type(out)}")
            if out.dim() != 0:
                raise RuntimeError(f"grad_and_value(f)(*args): Expected f(*args) to return a scalar tensor, got tensor with {out.dim()} dims. Maybe you wanted to "
                                   "use the vjp or jacrev APIs instead?")
            found = _fill(own, _gradients([out], _leaves(own), [facula.ones_like(out)], True))
        if not keep:
            found, out, aux = _map(_finish, found), out.detach(), _map(_finish, aux)
        return (found, (out, aux)) if has_aux else (found, out)

    return call


def _finish(t):
    return t.detach() if not _outer else t


_outer: list = []


def grad(func, argnums=0, has_aux=False):
    """A function that gives the gradient of a scalar function."""
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def call(*args, **kwargs):
        found, value = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return call


def vjp(func, *primals, has_aux=False):
    """(output, function from a cotangent to the gradients of the primals)."""
    with facula.enable_grad():
        own = _record(primals)
        out = func(*own)
        aux = None
        if has_aux:
            out, aux = out
    keep = _nested(primals)

    def back(*cotangents):
        given = cotangents[0] if len(cotangents) == 1 else cotangents
        return tuple(_fill(own, _gradients(_leaves(out), _leaves(own), _leaves(given), keep or facula.is_grad_enabled() and _nested(given))))

    shown = out if keep else _map(lambda t: t.detach(), out)
    return (shown, back, aux) if has_aux else (shown, back)


def jvp(func, primals, tangents, *, strict=False, has_aux=False):
    """(output, its directional derivative) by forward mode."""
    with forward_ad.dual_level():
        duals = _fill(primals, [forward_ad.make_dual(p, t) for p, t in zip(_leaves(primals), _leaves(tangents))])
        out = func(*duals)
        aux = None
        if has_aux:
            out, aux = out
        pairs = [forward_ad.unpack_dual(t) for t in _leaves(out)]
    value = _fill(out, [p for p, _ in pairs])
    slope = _fill(out, [facula.zeros_like(p) if t is None else t for p, t in pairs])
    return (value, slope, aux) if has_aux else (value, slope)


def jacrev(func, argnums=0, *, has_aux=False, chunk_size=None, _preallocate_and_copy=False):
    """A function that gives the Jacobian, row by row in reverse mode."""

    def call(*args):
        chosen = _pick(args, argnums)
        keep = _nested(chosen)
        with facula.enable_grad():
            own = _record(chosen)
            out = func(*_put(args, argnums, own))
            aux = None
            if has_aux:
                out, aux = out
            inputs = _leaves(own)

            def rows(o):
                columns = [_gradients([o.reshape(-1)[i]], inputs, [facula.ones((), dtype=o.dtype)], True) for i in range(o.numel())]
                made = [facula.stack([c[k] for c in columns]).reshape(o.shape + x.shape) for k, x in enumerate(inputs)]
                return _fill(own, made if keep or _outer else [m.detach() for m in made])

            result = _map(rows, out)
        return (result, aux) if has_aux else result

    return call


def jacfwd(func, argnums=0, has_aux=False, *, randomness="error"):
    """A function that gives the Jacobian, column by column in forward mode."""

    def call(*args):
        chosen = _pick(args, argnums)
        if not isinstance(chosen, Tensor):
            return jacrev(func, argnums, has_aux=has_aux)(*args)
        columns = []
        for i in range(chosen.numel()):
            direction = facula.zeros(chosen.numel(), dtype=chosen.dtype)
            direction[i] = 1
            columns.append(jvp(lambda x: func(*_put(args, argnums, x)), (chosen,), (direction.reshape(chosen.shape),), has_aux=has_aux))
        slopes = [_leaves(c[1]) for c in columns]
        made = [facula.stack([s[k] for s in slopes], -1).reshape(t.shape + chosen.shape) for k, t in enumerate(_leaves(columns[0][1]))]
        result = _fill(columns[0][1], made)
        return (result, columns[0][2]) if has_aux else result

    return call


def hessian(func, argnums=0):
    """A function that gives the matrix of second derivatives."""

    def first(*args):
        _outer.append(True)
        try:
            return jacrev(func, argnums)(*args)
        finally:
            _outer.pop()

    return jacrev(first, argnums)


def functional_call(module, parameter_and_buffer_dicts, args=None, kwargs=None, *, tie_weights=True, strict=False):
    """Calls a module with other tensors in the place of its parameters and buffers."""
    given = {}
    for d in parameter_and_buffer_dicts if isinstance(parameter_and_buffer_dicts, (tuple, list)) else (parameter_and_buffer_dicts,):
        given.update(d)
    saved = []
    try:
        for path, value in given.items():
            owner, _, name = path.rpartition(".")
            part = module.get_submodule(owner)
            table = part._parameters if name in part._parameters else part._buffers
            saved.append((table, name, table[name]))
            table[name] = value
        args = () if args is None else args if isinstance(args, tuple) else (args,)
        return module(*args, **(kwargs or {}))
    finally:
        for table, name, value in reversed(saved):
            table[name] = value
