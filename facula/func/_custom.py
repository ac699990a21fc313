"""autograd.Function under vmap: by its own `vmap`, or (generate_vmap_rule) by running its parts on all examples."""

from __future__ import annotations

from collections import namedtuple

from .._levels import Level, batched, depth_of, level_of, lift
from .._native import core
from ..utils import _pytree as pytree
from ._vmap import unwrap

Tensor = core.Tensor
_MORE = "For more details, please see https://pytorch.org/docs/main/notes/extending.func.html"
VmapInfo = namedtuple("VmapInfo", ["batch_size", "randomness"])


def batched_function(level, cls, args, kwargs):
    """`cls.apply` where some arguments are examples of this level."""
    from ..autograd.function import Function, _no_grad, _record

    if cls.setup_context is Function.setup_context:
        raise RuntimeError("In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, ...), it must override the "
                           f"setup_context staticmethod. {_MORE}")

    values, dims = [], []
    for a in args:
        mine = isinstance(a, Tensor) and level_of(a) is level
        values.append(a._wrapped[1] if mine else a)
        dims.append(a._wrapped[2] if mine else None)
    own_rule = cls.vmap is not Function.vmap
    if own_rule and cls.generate_vmap_rule:
        raise RuntimeError("You tried to vmap over " + cls.__name__ + ", but it has both generate_vmap_rule=True and an overridden vmap staticmethod. Please "
                           f"set generate_vmap_rule=False or delete the overridden vmap staticmethod to avoid ambiguity. {_MORE}")
    if not own_rule and not cls.generate_vmap_rule:
        raise RuntimeError("You tried to vmap over " + cls.__name__ + ", but it does not have vmap support. Please override and implement the vmap "
                           f"staticmethod or set generate_vmap_rule=True. {_MORE}")
    recorded = core.is_grad_enabled() and any(isinstance(a, Tensor) and a.requires_grad and depth_of(a) == level.depth for a in args)
    if not recorded and all(d is None for d in dims):  # the same for all examples
        return cls.apply(*values, **kwargs)
    if own_rule:
        found = cls.vmap(VmapInfo(level.size, level.randomness), tuple(dims), *values)
        if not (isinstance(found, tuple) and len(found) == 2):
            raise RuntimeError("Expected the vmap staticmethod to have two returns, an output and out_dims with pytree structure compatible with the "
                               f"output. Got a {type(found)} instead")
        output, out_dims = found
        flat, spec = pytree.tree_flatten(output)
        where = pytree._broadcast_to_and_flatten(out_dims, spec)
    else:
        flat, spec = pytree.tree_flatten(_generated(cls, level, dims).apply(*values, **kwargs))
        where = [0] * len(flat)
    output = pytree.tree_unflatten([batched(level, x, d) if isinstance(x, Tensor) else x for x, d in zip(flat, where)], spec)
    if not recorded:
        return output
    lifted = [lift(a, level) if isinstance(a, Tensor) else a for a in args]
    node = cls._backward_cls()
    node.needs_input_grad = tuple(isinstance(a, Tensor) and a.requires_grad for a in lifted)
    with _no_grad():
        cls.setup_context(node, tuple(lifted), output)
    return _record(node, lifted, output, True)


def _generated(cls, level, dims):
    """A Function of the values over all examples that runs the parts of `cls` under vmap."""
    from ..autograd.function import Function

    size, randomness = level.size, level.randomness

    def examples(level, values, dims):
        return [batched(level, v, d) if isinstance(v, Tensor) and d is not None else v for v, d in zip(values, dims)]

    def together(level, results):
        if not isinstance(results, tuple):
            return unwrap(level, results) if isinstance(results, Tensor) else results
        return tuple(unwrap(level, r) if isinstance(r, Tensor) else r for r in results)

    class Batched(Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(*values):
            with Level("vmap", size, randomness) as inner:
                return together(inner, cls.forward(*examples(inner, values, dims)))

        @staticmethod
        def setup_context(ctx, values, output):
            outputs = output if isinstance(output, tuple) else (output,)
            ctx.count = len(values)
            ctx.values = list(values)
            ctx.save_for_backward(*(v for v in values if isinstance(v, Tensor)), *(o for o in outputs if isinstance(o, Tensor)))
            ctx.is_tuple = isinstance(output, tuple)
            ctx.outputs = [None if isinstance(o, Tensor) else o for o in outputs]
            ctx.values = [None if isinstance(v, Tensor) else v for v in values]
            ctx.is_tensor = [isinstance(v, Tensor) for v in values], [isinstance(o, Tensor) for o in outputs]

        @staticmethod
        def _context(ctx, inner):
            """The context of `cls` as its own `setup_context` leaves it, for examples of a new level."""
            saved = iter(ctx.saved_tensors)
            values = [next(saved) if t else v for t, v in zip(ctx.is_tensor[0], ctx.values)]
            outputs = [next(saved) if t else o for t, o in zip(ctx.is_tensor[1], ctx.outputs)]
            shown = examples(inner, values, dims)
            results = [batched(inner, o) if isinstance(o, Tensor) else o for o in outputs]
            own = cls._backward_cls()
            own.needs_input_grad = ctx.needs_input_grad
            cls.setup_context(own, tuple(shown), tuple(results) if ctx.is_tuple else results[0])
            return own, values

        @staticmethod
        def backward(ctx, *grads):
            with Level("vmap", size, randomness) as inner:
                own, values = Batched._context(ctx, inner)
                found = cls.backward(own, *(None if g is None else batched(inner, g) for g in grads))
                found = found if isinstance(found, tuple) else (found,)
                return tuple(None if g is None else _gradient(inner, g, v, d) for g, v, d in zip(found, values, dims))

        @staticmethod
        def jvp(ctx, *tangents):
            with Level("vmap", size, randomness) as inner:
                own, values = Batched._context(ctx, inner)
                given = [None if t is None else batched(inner, t, d) if d is not None else t for t, d in zip(tangents, dims)]
                return together(inner, cls.jvp(own, *given))

    Batched.__name__ = Batched._backward_cls.__name__ = cls.__name__
    return Batched


def _gradient(level, g, value, dim):
    full = unwrap(level, g, 0 if dim is None else dim)
    return full.sum(0) if dim is None else full


