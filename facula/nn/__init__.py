"""Building blocks of models: layers, losses, initialisation."""

from . import functional, init, parameter  # noqa: F401
from .modules import *  # noqa: F403
from .modules import Module  # noqa: F401
from .parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter  # noqa: F401
from . import modules, utils  # noqa: F401, E402
