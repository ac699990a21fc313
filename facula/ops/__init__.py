"""The operations: importing this package reads the table and makes every function and method."""

import importlib

from .._native import core
from . import _table


def _import_families():
    import pkgutil

    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("_"):
            importlib.import_module(f"{__name__}.{module.name}")


def display_name():
    """What the package is called in messages."""
    from .. import _names

    return _names.prefix


_import_families()
functions, methods, missing = _table.build(core)
for _name, _method in methods.items():
    core.attach(_name, _method)

_SLOTS = {"bitwise_not": "bitwise_not", "lshift": "bitwise_left_shift", "rshift": "bitwise_right_shift", "div": "true_divide",
          "rdiv": "__rtruediv__", "rpow": "__rpow__"}


def _operator(slot):
    in_place = slot.startswith("i") and slot[1:] in core.operator_slots
    name = _SLOTS.get(slot.removeprefix("i") if in_place else slot, slot[1:] if in_place else slot)
    found = methods.get(name + "_" if in_place else name)
    return found or (lambda *a: NotImplemented)


core.set_operators([_operator(slot) for slot, _ in sorted(core.operator_slots.items(), key=lambda i: i[1])])


def __getattr__(name):
    """Namespaces of operations that programs define, and PyTorch's own as `aten`."""
    if name.startswith("__"):
        raise AttributeError(name)
    from .. import library

    return library.namespace(name)
