"""Models that give every pixel a class."""

from .._api import weights_attribute, weights_names
from .deeplabv3 import *  # noqa: F403
from .fcn import *  # noqa: F403
from .lraspp import *  # noqa: F403

__getattr__ = weights_attribute(__name__)


def __dir__():
    return sorted({*globals(), *weights_names(__name__)})
