"""Models of videos (batch, channels, time, height, width)."""

from .._api import weights_attribute, weights_names
from .mvit import *  # noqa: F403
from .resnet import *  # noqa: F403
from .s3d import *  # noqa: F403
from .swin_transformer import *  # noqa: F403

__getattr__ = weights_attribute(__name__)


def __dir__():
    return sorted({*globals(), *weights_names(__name__)})
