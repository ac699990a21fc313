"""`__torch_function__`: classes and modes that see calls before they run, and questions about what can be overridden."""

from __future__ import annotations

import functools
import inspect
import threading
import types
import warnings
from contextlib import contextmanager

from . import _dispatch, _names
from ._levels import SUBCLASS
from ._native import core

__all__ = ["get_ignored_functions", "get_overridable_functions", "get_testing_overrides", "handle_torch_function", "has_torch_function",
           "resolve_name", "is_tensor_like", "is_tensor_method_or_property", "wrap_torch_function", "enable_reentrant_dispatch"]

Tensor = core.Tensor
Operation = core.Operation


class _State(threading.local):
    def __init__(self):
        self.modes: list = []
        self.subclasses_off = self.modes_off = False


_state = _State()


def disable_subclasses(off):
    """Whether subclasses count as plain tensors from now on; gives what was before."""
    before, _state.subclasses_off = _state.subclasses_off, off
    core.set_no_overrides(off)
    return before


def wanted(subclass):
    """Whether a call has to be offered to a mode or (subclass: one of its tensors is one) to a class."""
    return bool(_state.modes and not _state.modes_off or subclass and not _state.subclasses_off)


# ---------------------------------------------------------------- calling

def call_overrides(func, owners, args, kwargs):
    """Offers a call to the modes, innermost first, then to the classes of `owners`, subclasses first.

    Raises:
        TypeError: All of them returned NotImplemented.
    """
    kinds = _ordered(owners) if not _state.subclasses_off else []
    kwargs = kwargs or None
    if _state.modes and not _state.modes_off:
        mode = _state.modes[-1]
        with _without_top():
            result = mode.__torch_function__(func, tuple(kinds), args, kwargs)
        if result is not NotImplemented:
            return result
        if not kinds:
            raise TypeError(_failed(func, [f"mode object {mode}"]))
    for kind in kinds:
        result = _handler(kind, owners)(func, tuple(kinds), args, kwargs)
        if result is not NotImplemented:
            return result
    raise TypeError(_failed(func, [f"tensor subclass {k}" for k in kinds]))


def _handler(kind, owners):
    """A class's `__torch_function__`; one that is a plain method belongs to the first of the owners."""
    found = kind.__torch_function__
    if not isinstance(found, types.FunctionType) or isinstance(inspect.getattr_static(kind, "__torch_function__"), staticmethod) \
            or found is _disabled_torch_function_impl:
        return found
    warnings.warn("Defining your `__torch_function__` as a plain method is deprecated and will be an error in future, please define it as a classmethod.",
                  UserWarning, 4)
    return next(o for o in owners if type(o) is kind).__torch_function__


def _failed(func, who):
    return (f"Multiple dispatch failed for '{resolve_name(func) or func}'; all __torch_function__ handlers returned NotImplemented:\n\n"
            + "".join(f"  - {w}\n" for w in who) + "\nFor more information, try re-running with TORCH_LOGS=not_implemented")


def _ordered(owners):
    """Classes that override, a subclass before what it derives from, otherwise in the order of the arguments."""
    kinds: list = []
    for o in owners:
        kind = type(o)
        if kind in kinds or not _overrides(o):
            continue
        at = next((i for i, k in enumerate(kinds) if issubclass(kind, k)), len(kinds))
        kinds.insert(at, kind)
    return kinds


def _overrides(x):
    if isinstance(x, Tensor):
        return bool(x._flags & SUBCLASS)
    own = getattr(type(x), "__torch_function__", None)
    return own is not None and own is not _disabled_torch_function_impl and not isinstance(x, type)


def _disabled_torch_function_impl(func, types, args=(), kwargs=None):
    """As a class's `__torch_function__`: results are plain tensors."""
    from ._dispatch import DisableTorchFunctionSubclass

    with DisableTorchFunctionSubclass():
        return func(*args, **(kwargs or {}))


def _owners(args, kwargs):
    for a in (*args, *kwargs.values()):
        if isinstance(a, (tuple, list)):
            yield from (x for x in a if _overrides(x))
        elif _overrides(a):
            yield a


def composite_call(op, function, args, kwargs):
    """A call of an operation in Python, or of a method, that something may want to see."""
    owners = list(_owners(args, kwargs))
    if wanted(any(isinstance(o, Tensor) for o in owners)) or any(not isinstance(o, Tensor) for o in owners):
        return call_overrides(op, owners, args, kwargs)
    if core.autocast_active():
        from .amp import autocast_mode

        args, kwargs = autocast_mode.cast_call(op.__name__, args, kwargs)
    recorder = _dispatch._profiling[-1] if _dispatch._profiling else None
    if recorder is None:
        return function(*args, **kwargs)
    with recorder.composite(op, args):
        return function(*args, **kwargs)


def attribute_call(name, x):
    """Reading an attribute of a subclass."""
    return call_overrides(getattr(Tensor.__dict__[name], "__get__"), [x], (x,), {})


def has_torch_function(relevant_args):
    """Whether one of the arguments has a `__torch_function__` of its own (or a mode is active)."""
    if _state.modes and not _state.modes_off:
        return True
    return any(_overrides(a) and not (isinstance(a, Tensor) and _state.subclasses_off) for a in relevant_args)


def has_torch_function_unary(obj):
    return has_torch_function((obj,))


def has_torch_function_variadic(*args):
    return has_torch_function(args)


def handle_torch_function(public_api, relevant_args, *args, **kwargs):
    """Offers a call of a function in Python to the modes and classes that override."""
    owners = [a for a in relevant_args if _overrides(a)]
    try:
        return call_overrides(public_api, owners, args, kwargs)
    except TypeError as error:
        if not str(error).startswith("Multiple dispatch failed"):
            raise
    name = f"{public_api.__module__}.{public_api.__name__}" if getattr(public_api, "__module__", None) else resolve_name(public_api)
    text = f"no implementation found for '{resolve_name(public_api) or name}' on types that implement __torch_function__: {_ordered(owners)}"
    if _state.modes:
        text += f" nor in mode {_state.modes[-1]}"
    raise TypeError(text)


def wrap_torch_function(dispatcher):
    """Makes a function overridable; the dispatcher gives its relevant arguments."""

    def decorate(func):
        @functools.wraps(func)
        def call(*args, **kwargs):
            relevant = dispatcher(*args, **kwargs)
            if has_torch_function(relevant):
                return handle_torch_function(call, relevant, *args, **kwargs)
            return func(*args, **kwargs)

        return call

    return decorate


def _get_overloaded_args(relevant_args, get_type_fn=type):
    kinds = _ordered(relevant_args)
    return [next(a for a in relevant_args if type(a) is k) for k in kinds]


@contextmanager
def enable_reentrant_dispatch():
    yield


def redispatch_function(func, types, args, kwargs):
    return func(*args, **(kwargs or {}))


# ---------------------------------------------------------------- modes

class TorchFunctionMode:
    """Inside `with mode:`, every call of the public API goes to `mode.__torch_function__(func, types, args, kwargs)` first."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        raise NotImplementedError

    def __enter__(self):
        _state.modes.append(self)
        core.add_function_mode(1)
        return self

    def __exit__(self, *exc):
        _state.modes.pop()
        core.add_function_mode(-1)

    @classmethod
    def push(cls, *args, **kwargs):
        warnings.warn("`Mode.push()` is no longer necessary and can be replaced with just `with Mode()`", stacklevel=2)
        return cls(*args, **kwargs)


class BaseTorchFunctionMode(TorchFunctionMode):
    """A mode that changes nothing."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


@contextmanager
def _without_top():
    mode = _state.modes.pop()
    core.add_function_mode(-1)
    try:
        yield
    finally:
        _state.modes.append(mode)
        core.add_function_mode(1)


class DisableTorchFunction:
    """Inside, neither classes nor modes see calls."""

    def __enter__(self):
        self.before = disable_subclasses(True), _state.modes_off
        _state.modes_off = True

    def __exit__(self, *exc):
        disable_subclasses(self.before[0])
        _state.modes_off = self.before[1]


def _get_current_function_mode():
    return _state.modes[-1] if _state.modes else None


def _get_current_function_mode_stack():
    return list(_state.modes)


# ---------------------------------------------------------------- what can be overridden

def is_tensor_like(inp):
    """Whether an object is a tensor or has a `__torch_function__`."""
    return type(inp) is Tensor or hasattr(inp, "__torch_function__")


_NAMESPACES = ("", "nn.functional", "nn.init", "linalg", "fft", "special", "masked")


@functools.cache
def _index():
    """(functions by namespace name, names by function)."""
    import importlib

    found: dict = {}
    names: dict = {}
    for namespace in _NAMESPACES:
        module = importlib.import_module(f"facula.{namespace}".rstrip("."))
        for name, value in sorted(vars(module).items()):
            if name.startswith("_") or name == "unique_dim" or isinstance(value, type) or not callable(value):
                continue
            if not isinstance(value, Operation) and not (isinstance(value, types.FunctionType) and value.__module__.partition(".")[0] in ("facula", "torch")):
                continue
            found.setdefault(namespace, []).append((name, value))
            names.setdefault(value, f"{_names.prefix}.{namespace + '.' if namespace else ''}{name}")
    for name, value in sorted(vars(Tensor).items()):
        if callable(value):
            found.setdefault("Tensor", []).append((name, value))
            names.setdefault(value, f"{_names.prefix}.Tensor.{name}")
        elif hasattr(value, "__get__"):
            found.setdefault("Tensor", []).append((name, value.__get__))
            names.setdefault(value.__get__, f"{_names.prefix}.Tensor.{name}.__get__")
    return found, names


@functools.cache
def get_ignored_functions():
    """Functions of the public API that are never offered to `__torch_function__`."""
    import facula

    found = [v for n, v in _index()[0][""] if not isinstance(v, Operation)]
    found += [getattr(facula, n) for n in ("arange", "empty", "eye", "full", "linspace", "logspace", "ones", "zeros", "rand", "randn", "randint",
                                           "randperm", "normal", "tensor", "range", "as_tensor", "asarray", "from_numpy") if hasattr(facula, n)]
    found += [Tensor.__dict__[n] for n in ("as_subclass", "stride", "new_empty", "new_full", "new_ones", "new_zeros", "new_tensor", "new") if n in vars(Tensor)]
    return set(found)


@functools.cache
def get_overridable_functions():
    """The functions that are offered to `__torch_function__`, by the object they belong to."""
    import importlib

    ignored, found = get_ignored_functions(), {}
    for namespace, pairs in _index()[0].items():
        owner = Tensor if namespace == "Tensor" else importlib.import_module(f"facula.{namespace}".rstrip("."))
        found[owner] = [v for n, v in pairs if v not in ignored and not (n.startswith("__") and n in vars(object)) and n != "__torch_function__"]
    return found


@functools.cache
def get_testing_overrides():
    """For each overridable function a function of the same signature that does nothing (returns -1)."""
    found = {}
    for functions in get_overridable_functions().values():
        for f in functions:
            try:
                signature = inspect.signature(f)
            except (TypeError, ValueError):
                signature = inspect.Signature([inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)])
            found[f] = _stand_in(signature)
    return found


def _stand_in(signature):
    def answer(*args, **kwargs):
        signature.bind(*args, **kwargs)
        return -1

    answer.__signature__ = signature
    return answer


def get_default_nowrap_functions():
    """Attributes whose values a subclass's default `__torch_function__` leaves as they are."""
    return {Tensor.__dict__[n].__get__ for n in ("_base", "grad") if n in vars(Tensor)}


def resolve_name(f):
    """The public name of a function, such as "torch.Tensor.add"; None if it has none."""
    return _index()[1].get(f)


def is_tensor_method_or_property(func):
    """Whether a function is a method of tensors, or reads one of their attributes."""
    return getattr(func, "__name__", "") == "__get__" or any(v is func for v in vars(Tensor).values()) and not _is_function(func)


def _is_function(func):
    name = _index()[1].get(func, "")
    return bool(name) and ".Tensor." not in name


# ---------------------------------------------------------------- Tensor's methods in Python

_UNSEEN = {"__torch_function__", "_make_subclass", "as_subclass", "__class_getitem__", "__array_priority__", "__deepcopy__", "__reduce_ex__",
           "__repr__", "__setstate__", "__dir__", "__new__", "__init_subclass__", "__torch_dispatch__", "_make_wrapper_subclass"}


class _Property(property):
    """A property that subclasses see being read."""

    def __get__(self, x, owner=None):
        if x is not None and wanted(x._flags & SUBCLASS):
            return call_overrides(self.__get__, [x], (x,), {})
        return super().__get__(x, owner)


def guard_methods():
    """Lets subclasses and modes see the methods and properties of Tensor that are written in Python."""
    for name, value in list(vars(Tensor).items()):
        if name in _UNSEEN:
            continue
        if isinstance(value, types.FunctionType):
            core.attach(name, core.guard(name, value))
        elif type(value) is property:
            core.attach(name, _Property(value.fget, value.fset, value.fdel, value.__doc__))
