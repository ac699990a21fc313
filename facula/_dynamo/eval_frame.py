"""The wrapper of compiled modules: libraries ask whether a module is one."""

from ..compiler._backend import OptimizedModule  # noqa: F401
from . import optimize  # noqa: F401


def is_dynamo_supported():
    return False


def is_inductor_supported():
    return False
