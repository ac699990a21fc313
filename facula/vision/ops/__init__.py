"""Operations on boxes and features, and blocks that models share."""

from .boxes import *  # noqa: F403
from .deform_conv import *  # noqa: F403
from .drop import *  # noqa: F403
from .feature_pyramid_network import *  # noqa: F403
from .losses import *  # noqa: F403
from .misc import *  # noqa: F403
from .poolers import *  # noqa: F403
from .roi import *  # noqa: F403
