"""Decorators of pipes."""

from __future__ import annotations

import functools
import inspect
import typing
from contextlib import contextmanager

from .datapipe import IterDataPipe, MapDataPipe

_determinism = False
_validating = True


class functional_datapipe:  # noqa: N801  PyTorch's name
    """Makes a class of pipes a method of all pipes.

    Example:
        >>> @functional_datapipe("double")
        ... class Doubler(IterDataPipe):
        ...     def __init__(self, source): self.source = source
        ...     def __iter__(self): return (2 * x for x in self.source)
    """

    def __init__(self, name, enable_df_api_tracing=False):
        self.name, self.enable_df_api_tracing = name, enable_df_api_tracing

    def __call__(self, cls):
        for base in (IterDataPipe, MapDataPipe):
            if isinstance(cls, type) and issubclass(cls, base):
                base.register_datapipe_as_function(self.name, cls)
                return cls
        raise TypeError("`functional_datapipe` can only decorate IterDataPipe")


class guaranteed_datapipes_determinism:  # noqa: N801
    """Inside, pipes whose order may change from run to run are refused."""

    prev = False

    def __init__(self):
        global _determinism
        self.prev, _determinism = _determinism, True

    def __enter__(self):
        pass

    def __exit__(self, *exc):
        global _determinism
        _determinism = self.prev


class non_deterministic:  # noqa: N801
    """Marks a class of pipes whose order may change, always or where a function of its arguments says so."""

    def __init__(self, arg):
        self.cls = arg if isinstance(arg, type) else None
        if self.cls is not None and not issubclass(self.cls, IterDataPipe):
            raise TypeError(f"Only `IterDataPipe` can be decorated with `non_deterministic`, but {self.cls.__name__} is found")
        if self.cls is None and not callable(arg):
            raise TypeError(f"{arg} can not be decorated by non_deterministic")
        self.when = None if self.cls is not None else arg

    def __call__(self, *args, **kwargs):
        if self.cls is not None:
            self._refuse(self.cls)
            return self.cls(*args, **kwargs)
        kind = args[0]

        @functools.wraps(kind, updated=())
        def make(*arguments, **options):
            if self.when(*arguments, **options):
                self._refuse(kind)
            return kind(*arguments, **options)
        return make

    @staticmethod
    def _refuse(kind):
        if _determinism:
            raise TypeError(f"{kind.__name__} is non-deterministic, but you set 'guaranteed_datapipes_determinism'. You can turn off determinism "
                            "for this DataPipe if that is acceptable for your application")


def argument_validation(f):
    """Checks arguments that are annotated as pipes."""
    signature = inspect.signature(f)
    hints = typing.get_type_hints(f)

    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            hint = hints.get(name)
            kind = typing.get_origin(hint) or hint
            if isinstance(kind, type) and issubclass(kind, IterDataPipe) and not isinstance(value, IterDataPipe):
                raise TypeError(f"Expected argument '{name}' as a IterDataPipe, but found {type(value)}")
        return f(*args, **kwargs)
    return wrapper


@contextmanager
def runtime_validation_disabled():
    """Inside, `runtime_validation` checks nothing."""
    global _validating
    before, _validating = _validating, False
    try:
        yield
    finally:
        _validating = before


def runtime_validation(f):
    """Checks what an `__iter__` yields against the class's type: `class Ints(IterDataPipe[int])`."""

    @functools.wraps(f)
    def wrapper(self):
        kinds = [typing.get_args(base) for base in getattr(type(self), "__orig_bases__", ())]
        kind = next((k[0] for k in kinds if k and isinstance(k[0], type)), None)
        for item in f(self):
            if _validating and kind is not None and not isinstance(item, kind):
                raise RuntimeError(f"Expected an instance as subtype of {kind}, but found {item}({type(item)})")
            yield item
    return wrapper
