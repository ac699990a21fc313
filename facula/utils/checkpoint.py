"""Activations computed again in backward instead of being kept. Source: Chen et al., arXiv 1604.06174."""

from __future__ import annotations

import contextlib
import warnings

import facula

from .._native import core

__all__ = ["checkpoint", "checkpoint_sequential", "CheckpointError", "noop_context_fn", "detach_variable", "CheckpointFunction",
           "set_checkpoint_early_stop", "set_checkpoint_debug_enabled"]


class CheckpointError(RuntimeError):
    """The second run did not save the same tensors as the first."""


def noop_context_fn():
    return contextlib.nullcontext(), contextlib.nullcontext()


def detach_variable(inputs):
    """The inputs without history; tensors keep `requires_grad`."""
    return tuple(x.detach().requires_grad_(x.requires_grad) if isinstance(x, facula.Tensor) else x for x in inputs)


class _Place:
    """Stands for one saved tensor."""

    def __init__(self, x):
        self.meta = {"shape": x.shape, "dtype": x.dtype, "device": x.device}


class _Early:
    stop = True


class set_checkpoint_early_stop:
    """Inside, whether the second run ends as soon as it has what is needed (the default) or goes to its end."""

    def __init__(self, enable):
        self.enable = enable

    def __enter__(self):
        self.before, _Early.stop = _Early.stop, self.enable

    def __exit__(self, *exc):
        _Early.stop = self.before


@contextlib.contextmanager
def set_checkpoint_debug_enabled(enabled):
    """Accepted: errors name what differs in any case."""
    yield


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


def _run_again(function, args, kwargs, state, places, context, early_stop):
    """Runs the function once more and gives its saved tensors, by place."""
    found = []

    def pack(x):
        found.append(x.detach())
        if early_stop and len(found) == len(places):
            raise _Stop
        return len(found) - 1

    with facula.enable_grad(), _random_state(state), context, \
            facula.autograd.graph.saved_tensors_hooks(pack, lambda p: found[p]):
        try:
            function(*detach_variable(args), **kwargs)
        except _Stop:
            pass
    if len(found) != len(places):
        raise CheckpointError(f"torch.utils.checkpoint: A different number of tensors was saved during the original forward and "
                              f"recomputation.\nNumber of tensors saved during forward: {len(places)}\nNumber of tensors saved during "
                              f"recomputation: {len(found)}.")
    return found


def _check(places, found):
    """That the second run saved what the first did."""
    differing = ""
    for i, (place, x) in enumerate(zip(places, found)):
        if place.meta != (again := _Place(x).meta):
            differing += f"tensor at position {i}:\nsaved metadata: {place.meta}\nrecomputed metadata: {again}\n"
    if differing:
        raise CheckpointError("torch.utils.checkpoint: Recomputed values for the following tensors have different metadata than during the "
                              f"forward pass.\n{differing}")


class CheckpointFunction(facula.autograd.Function):
    """A function that runs without a graph, and once more, with one, in backward."""

    @staticmethod
    def forward(ctx, function, preserve, *args):
        if not any(isinstance(a, facula.Tensor) and a.requires_grad for a in args):
            warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=4)
        ctx.function = function
        ctx.state = facula.get_rng_state() if preserve else None
        ctx.tensors = [i for i, a in enumerate(args) if isinstance(a, facula.Tensor)]
        ctx.inputs = [None if i in ctx.tensors else a for i, a in enumerate(args)]
        ctx.save_for_backward(*(args[i] for i in ctx.tensors))
        with facula.no_grad():
            return function(*args)

    @staticmethod
    def backward(ctx, *grads):
        if not core.backward_accumulates():
            raise RuntimeError("When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or passing an `inputs` parameter to "
                               ".backward(). To resolve this error, you can either set use_reentrant=False, or call .backward() without passing the "
                               "`inputs` argument.")
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
        determinism_check: "default": the second run must save tensors of the same sizes and dtypes; "none": not checked.
        early_stop: Whether the second run ends as soon as everything needed is there.
        use_reentrant: True runs a backward within backward, as old programs expect; False, the better
            choice, only recomputes.
        context_fn: Gives two contexts: for the first run and for the second.
        preserve_rng_state: Keyword; draw the same random numbers again. True by default.
    """
    preserve = kwargs.pop("preserve_rng_state", True)
    if use_reentrant is None:
        warnings.warn("torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. Starting in PyTorch 2.9, calling checkpoint "
                      "without use_reentrant will raise an exception. use_reentrant=False is recommended, but if you need to preserve the current default "
                      "behavior, you can pass use_reentrant=True. Refer to docs for more details on the differences between the two variants.",
                      stacklevel=2)
        use_reentrant = True
    if use_reentrant:
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if context_fn is not noop_context_fn or debug:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
        return CheckpointFunction.apply(function, preserve, *args)
    state = facula.get_rng_state() if preserve else None
    first, second = context_fn()
    places, computed = [], {}
    early_stop = early_stop and _Early.stop

    def pack(x):
        places.append(_Place(x))
        return len(places) - 1

    def unpack(place):
        if place not in computed:
            found = _run_again(function, args, kwargs, state, places, second, early_stop)
            if determinism_check == "default":
                _check(places, found)
            computed.update(enumerate(found))
        return computed.pop(place)

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
