"""Activations computed again in backward instead of being kept. Source: Chen et al., arXiv 1604.06174."""

from __future__ import annotations

import contextlib
import warnings

import facula

__all__ = ["checkpoint", "checkpoint_sequential", "CheckpointError", "noop_context_fn", "detach_variable"]


class CheckpointError(RuntimeError):
    """The second run did not save the same tensors as the first."""


def noop_context_fn():
    return contextlib.nullcontext(), contextlib.nullcontext()


def detach_variable(inputs):
    """The inputs without history; tensors keep `requires_grad`."""
    return tuple(x.detach().requires_grad_(x.requires_grad) if isinstance(x, facula.Tensor) else x for x in inputs)


class _Place:
    """Stands for one saved tensor."""


@contextlib.contextmanager
def _random_state(state):
    if state is None:
        yield
        return
    now = facula.get_rng_state()
    facula.set_rng_state(state)
    try:
        yield
    finally:
        facula.set_rng_state(now)


class _Stop(Exception):
    pass


def _run_again(function, args, kwargs, state, places, context):
    """Runs the function once more and gives its saved tensors, by place."""
    found = {}

    def pack(x):
        if len(found) >= len(places):
            raise _Stop
        place = places[len(found)]
        found[len(found)] = x.detach()
        return place

    with facula.enable_grad(), _random_state(state), context, \
            facula.autograd.graph.saved_tensors_hooks(pack, lambda p: p):
        try:
            function(*detach_variable(args), **kwargs)
        except _Stop:
            pass
    if len(found) != len(places):
        raise CheckpointError(f"torch.utils.checkpoint: A different number of tensors was saved during the original forward and "
                              f"recomputation.\nNumber of tensors saved during forward: {len(places)}\nNumber of tensors saved during "
                              f"recomputation: {len(found)}.")
    return [found[i] for i in range(len(places))]


class _Reentrant(facula.autograd.Function):
    @staticmethod
    def forward(ctx, function, preserve, *args):
        ctx.function = function
        ctx.state = facula.get_rng_state() if preserve else None
        ctx.tensors = [i for i, a in enumerate(args) if isinstance(a, facula.Tensor)]
        ctx.inputs = [None if i in ctx.tensors else a for i, a in enumerate(args)]
        ctx.save_for_backward(*(args[i] for i in ctx.tensors))
        with facula.no_grad():
            return function(*args)

    @staticmethod
    def backward(ctx, *grads):
        inputs = list(ctx.inputs)
        for i, x in zip(ctx.tensors, ctx.saved_tensors):
            inputs[i] = x
        inputs = detach_variable(inputs)
        with facula.enable_grad(), _random_state(ctx.state):
            outputs = ctx.function(*inputs)
        outputs = (outputs,) if isinstance(outputs, facula.Tensor) else outputs
        wanted = [(o, g) for o, g in zip(outputs, grads) if isinstance(o, facula.Tensor) and o.requires_grad]
        if not wanted:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        facula.autograd.backward([o for o, _ in wanted], [g for _, g in wanted])
        return (None, None, *(x.grad if isinstance(x, facula.Tensor) else None for x in inputs))


def checkpoint(function, *args, use_reentrant=None, context_fn=noop_context_fn, determinism_check="default", debug=False,
               early_stop=True, **kwargs):
    """Calls a function without keeping what its backward needs; backward runs it again.

    Args:
        function: What to call with `args` and `kwargs`.
        use_reentrant: True runs a backward within backward, as old programs expect; False, the better
            choice, only recomputes.
        context_fn: Gives two contexts: for the first run and for the second.
        preserve_rng_state: Keyword; draw the same random numbers again. True by default.
    """
    preserve = kwargs.pop("preserve_rng_state", True)
    if use_reentrant is None:
        warnings.warn("torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. use_reentrant=False is recommended.",
                      stacklevel=2)
        use_reentrant = True
    if use_reentrant:
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        return _Reentrant.apply(function, preserve, *args)
    state = facula.get_rng_state() if preserve else None
    first, second = context_fn()
    places, computed = [], {}

    def pack(x):
        places.append(_Place())
        return len(places) - 1

    def unpack(place):
        if not computed:
            computed.update(enumerate(_run_again(function, args, kwargs, state, places, second)))
        return computed.pop(place) if place in computed else _run_again(function, args, kwargs, state, places, second)[place]

    with first, facula.autograd.graph.saved_tensors_hooks(pack, unpack):
        return function(*args, **kwargs)


def checkpoint_sequential(functions, segments, input, use_reentrant=None, **kwargs):
    """Runs modules one after the other, in segments that are checkpointed, all but the last."""
    functions = list(functions.children()) if isinstance(functions, facula.nn.Sequential) else list(functions)
    size = len(functions) // segments

    def run(start, end):
        def forward(x):
            for function in functions[start:end]:
                x = function(x)
            return x

        return forward

    at = 0
    for at in range(0, size * (segments - 1), size):
        input = checkpoint(run(at, at + size), input, use_reentrant=use_reentrant, **kwargs)
    return run(size * (segments - 1), len(functions))(input)
