"""What all pipes share: steps as methods, one valid iterator at a time."""

from __future__ import annotations

import functools
import inspect
import warnings
from typing import TypeVar

from ..dataset import Dataset, IterableDataset

__all__ = ["DataChunk", "DFIterDataPipe", "IterDataPipe", "MapDataPipe"]
_T_co = TypeVar("_T_co", covariant=True)


class DataChunk(list):
    """A batch: a list that remembers what it was made of."""

    def __init__(self, items):
        items = list(items)
        super().__init__(items)
        self.items = items

    def as_str(self, indent=""):
        return indent + "[" + ", ".join(str(i) for i in self) + "]"

    def raw_iterator(self):
        yield from self.items


class _Steps:
    """Steps registered with `functional_datapipe` are methods: `pipe.map(f)`."""

    functions: dict = {}

    def __getattr__(self, name):
        if name in type(self).functions:
            return functools.partial(type(self).functions[name], self)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}")

    @classmethod
    def register_function(cls, function_name, function):
        cls.functions[function_name] = function

    @classmethod
    def register_datapipe_as_function(cls, function_name, cls_to_register, enable_df_api_tracing=False):
        if function_name in cls.functions:
            raise Exception(f"Unable to add DataPipe function name {function_name} as it is already taken")  # noqa: TRY002  PyTorch's type
        function = functools.partial(_make, cls_to_register)
        function.__doc__ = cls_to_register.__doc__
        cls.functions[function_name] = function

    def __getstate__(self):
        return self.__dict__

    def __repr__(self):
        return str(type(self).__qualname__)

    __str__ = __repr__

    def __dir__(self):
        return [*super().__dir__(), *type(self).functions]


def _make(kind, source, *args, **kwargs):
    return kind(source, *args, **kwargs)


class IterDataPipe(_Steps, IterableDataset[_T_co]):
    """A stream made of others. Only its newest iterator is valid; each starts with `reset()`."""

    functions: dict = {}
    _valid_iterator_id = 0

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "__iter__" in vars(cls):
            cls.__iter__ = _single(cls.__iter__)

    def reset(self):
        """Called before each new pass."""


def _single(iterate):
    explains = inspect.isgeneratorfunction(iterate)

    @functools.wraps(iterate)
    def __iter__(self):
        if type(self).__iter__ is not __iter__:  # a subclass's method calls this one
            return iterate(self)
        self._valid_iterator_id += 1
        self.reset()
        return _Pass(self, iterate(self), explains)
    return __iter__


def _described(pipe):
    """A pipe with its settings."""
    settings = (f"{k}={getattr(v, '__name__', v)}" for k, v in sorted(vars(pipe).items()) if not k.startswith("_"))
    return f"{type(pipe).__name__}({', '.join(settings)})"


class _Pass:
    def __init__(self, pipe, iterator, explains):
        self.pipe, self.iterator, self.number, self.explains = pipe, iterator, pipe._valid_iterator_id, explains

    def __iter__(self):
        return self

    def __next__(self):
        if self.number != self.pipe._valid_iterator_id:
            raise RuntimeError("This iterator has been invalidated because another iterator has been created from the same IterDataPipe: "
                               f"{_described(self.pipe)}\nThis may be caused by multiple references to the same IterDataPipe. We recommend using "
                               "`.fork()` if that is necessary.")
        try:
            return next(self.iterator)
        except StopIteration:
            raise
        except Exception as error:
            where = "This exception is thrown by __iter__ of "
            if self.explains and not (error.args and where in str(error.args[0])):
                error.args = (f"{error.args[0] if error.args else ''}\n{where}{_described(self.pipe)}", *error.args[1:])
            raise

    def __getattr__(self, name):
        return getattr(self.iterator, name)


class MapDataPipe(_Steps, Dataset[_T_co]):
    """A map from indices to samples made of others."""

    functions: dict = {}


class DFIterDataPipe(IterDataPipe):
    """A stream of data frames."""


def warn_unless_picklable(function):
    """Pipes go to worker processes by pickling; lambdas and inner functions do not."""
    function = function.func if isinstance(function, functools.partial) else function
    kind = "Local" if "<locals>" in getattr(function, "__qualname__", "") else "Lambda" if getattr(function, "__name__", "") == "<lambda>" else None
    if kind is not None:
        warnings.warn(f"{kind} function is not supported by pickle, please use regular python function or functools.partial instead.", stacklevel=4)


class Shared:
    """What several pipes hold together; `connected` looks into it."""


def connected(value, seen=None):
    """The pipes that an object holds, at any depth, itself first."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return
    if isinstance(value, (_Steps, Shared)):
        seen.add(id(value))
        if isinstance(value, _Steps):
            yield value
        value = vars(value)
    if isinstance(value, dict):
        value = value.values()
    if isinstance(value, (list, tuple, set, type({}.values()))):
        for inner in list(value):
            yield from connected(inner, seen)
