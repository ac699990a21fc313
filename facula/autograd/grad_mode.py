"""Scopes that turn recording on and off; each is a context manager and a decorator."""

from __future__ import annotations

import functools
import inspect

from .._native import core


class _Scope:
    """A context manager that also decorates functions, generators and classes' methods."""

    def __call__(self, function):
        if inspect.isclass(function):
            function.__init__ = self(function.__init__)
            return function
        if inspect.isgeneratorfunction(function):
            return self._generator(function)

        @functools.wraps(function)
        def call(*args, **kwargs):
            with self.clone():
                return function(*args, **kwargs)

        return call

    def _generator(self, function):
        @functools.wraps(function)
        def call(*args, **kwargs):
            generator = function(*args, **kwargs)
            sent = None
            while True:
                with self.clone():
                    try:
                        value = generator.send(sent)
                    except StopIteration as stop:
                        return stop.value
                sent = yield value

        return call

    def clone(self):
        return type(self)()


class _Fixed(_Scope):
    mode = False

    def __new__(cls, function=None):
        self = object.__new__(cls)
        return self if function is None else self(function)

    def __init__(self, function=None):
        pass

    def __enter__(self):
        self.previous = core.set_grad_enabled(self.mode)

    def __exit__(self, *exc):
        core.set_grad_enabled(self.previous)


class no_grad(_Fixed):
    """Inside, nothing is recorded: results never require gradients."""


class enable_grad(_Fixed):
    """Inside, operations are recorded again."""

    mode = True


class set_grad_enabled(_Scope):
    """Turns recording on or off, at once and until the end of the `with` block, if it opens one."""

    def __init__(self, mode):
        if not isinstance(mode, bool):
            raise TypeError(f"set_grad_enabled(): argument 'enabled' (position 1) must be bool, not {type(mode).__name__}")
        self.mode = mode
        self.previous = core.set_grad_enabled(self.mode)

    def __call__(self, function):
        core.set_grad_enabled(self.previous)
        return super().__call__(function)

    def __enter__(self):
        core.set_grad_enabled(self.mode)

    def __exit__(self, *exc):
        core.set_grad_enabled(self.previous)

    def clone(self):
        return type(self)(self.mode)


class set_multithreading_enabled(_Scope):
    """Accepted: backward runs on the thread that calls it, whatever is asked for."""

    on = True

    def __init__(self, mode):
        self.mode = mode
        self.previous, set_multithreading_enabled.on = set_multithreading_enabled.on, bool(mode)

    def __enter__(self):
        pass

    def __exit__(self, *exc):
        set_multithreading_enabled.on = self.previous

    def clone(self):
        return type(self)(self.mode)


def is_multithreading_enabled():
    """What `set_multithreading_enabled` last said."""
    return set_multithreading_enabled.on


class inference_mode(_Scope):
    """Like no_grad, and results can never be used for gradients."""

    def __new__(cls, mode=True):
        self = object.__new__(cls)
        if callable(mode):
            self.__init__()
            return self(mode)
        return self

    def __init__(self, mode=True):
        self.mode = mode

    def __enter__(self):
        self.previous = core.set_grad_enabled(not self.mode and core.is_grad_enabled()), core.set_inference_mode(self.mode)

    def __exit__(self, *exc):
        core.set_grad_enabled(self.previous[0])
        core.set_inference_mode(self.previous[1])

    def clone(self):
        return type(self)(self.mode)
