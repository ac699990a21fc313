"""Device objects as context managers and decorators."""

from __future__ import annotations

import functools

from facula._native import core
from facula._tensor import _device_stack


def enter(device):
    _device_stack.append(device)
    core.set_default_device(device)
    return device


def leave(device, *exc):
    _device_stack.pop()
    core.set_default_device(_device_stack[-1] if _device_stack else "cpu")


def decorate(device, function):
    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        with device:
            return function(*args, **kwargs)

    return wrapped
