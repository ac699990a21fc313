"""Models that find objects."""

from .._api import weights_attribute, weights_names
from .faster_rcnn import *  # noqa: F403
from .fcos import *  # noqa: F403
from .keypoint_rcnn import *  # noqa: F403
from .mask_rcnn import *  # noqa: F403
from .retinanet import *  # noqa: F403
from .ssd import *  # noqa: F403
from .ssdlite import *  # noqa: F403

__getattr__ = weights_attribute(__name__)


def __dir__():
    return sorted({*globals(), *weights_names(__name__)})
