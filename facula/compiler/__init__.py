"""Questions to and marks for a compiler. There is none: functions run as they are written."""

from __future__ import annotations

from contextlib import contextmanager

__all__ = ["compile", "is_compiling", "is_dynamo_compiling", "is_exporting", "disable", "reset", "allow_in_graph", "assume_constant_result",
           "list_backends", "cudagraph_mark_step_begin", "wrap_numpy", "substitute_in_graph", "set_stance"]


def compile(*args, **kwargs):
    """The same as `facula.compile`: gives the function as it is."""
    import facula

    return facula.compile(*args, **kwargs)


def is_compiling():
    """False: nothing is ever being compiled."""
    return False


def is_dynamo_compiling():
    return False


def is_exporting():
    return False


def disable(fn=None, recursive=True, *, reason=None):
    """Marks a function as not to be compiled, which none is."""
    return fn if fn is not None else lambda f: f


def reset():
    """Nothing is cached."""


def allow_in_graph(fn):
    return fn


def assume_constant_result(fn):
    return fn


def list_backends(exclude_tags=("debug", "experimental")):
    """Names that `compile` takes, those registered included."""
    from . import _backend

    named = _backend.BACKENDS if not exclude_tags else ("cudagraphs", "inductor", "openxla", "tvm")
    return sorted({*named, *_backend.registered})


def cudagraph_mark_step_begin():
    """There are no CUDA graphs."""


def wrap_numpy(fn):
    """A function of NumPy arrays as a function of tensors."""
    import functools

    import facula

    @functools.wraps(fn)
    def call(*args, **kwargs):
        plain = [a.numpy() if isinstance(a, facula.Tensor) else a for a in args]
        result = fn(*plain, **kwargs)
        return facula.as_tensor(result) if hasattr(result, "__array__") else result

    return call


def substitute_in_graph(original_fn, *, can_constant_fold_through=False, skip_signature_check=False):
    return lambda fn: fn


@contextmanager
def set_stance(stance="default", *, skip_guard_eval_unsafe=False, force_backend=None):
    yield
