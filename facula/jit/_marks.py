"""What a program's author says in Python of its functions: marks of methods, and questions that programs answer otherwise."""

from __future__ import annotations


def export(fn):
    """Marks a method that `script` compiles although forward does not call it."""
    fn._torchscript_modifier = "export"
    return fn


def ignore(drop=False, **kwargs):
    """Marks a method or function that stays Python; a module that calls one cannot be saved."""
    if callable(drop):
        drop._torchscript_modifier = "ignore"
        return drop

    def mark(fn):
        fn._torchscript_modifier = "unused" if drop else "ignore"
        return fn

    return mark


def unused(fn):
    """Marks a method or function that raises when the program calls it."""
    if isinstance(fn, property):
        fn.fget._torchscript_modifier = "unused"
        return fn
    fn._torchscript_modifier = "unused"
    return fn


def is_scripting():
    """False in Python; true where a program runs."""
    return False


def is_tracing():
    """Whether the calling code is being traced."""
    from .._capture import active

    return active() is not None


def annotate(the_type, the_value):
    """The value; the type is for readers."""
    return the_value


def _unwrap_optional(x):
    assert x is not None, "Unwrapping null optional"
    return x
