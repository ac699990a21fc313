"""Building blocks of models: layers, losses, initialisation."""

from . import functional, init, parameter  # noqa: F401
from .modules import *  # noqa: F403
from .modules import Module  # noqa: F401
from .parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter  # noqa: F401
from . import grad, modules, utils  # noqa: F401, E402
from .modules.module import (  # noqa: F401, E402
    register_module_backward_hook, register_module_forward_hook, register_module_forward_pre_hook, register_module_full_backward_hook,
    register_module_full_backward_pre_hook)
from .parallel import DataParallel  # noqa: F401, E402
