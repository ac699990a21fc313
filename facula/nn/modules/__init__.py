"""Every layer, by family."""

from .module import Module  # noqa: I001
from .linear import Bilinear, Identity, LazyLinear, Linear
from .container import *  # noqa: F403
from .conv import *  # noqa: F403
from .activation import *  # noqa: F403
from .adaptive import AdaptiveLogSoftmaxWithLoss
from .batchnorm import *  # noqa: F403
from .dropout import *  # noqa: F403
from .instancenorm import *  # noqa: F403
from .loss import *  # noqa: F403
from .misc import *  # noqa: F403
from .normalization import *  # noqa: F403
from .padding import *  # noqa: F403
from .pooling import *  # noqa: F403
from .rnn import *  # noqa: F403
from .sparse import Embedding, EmbeddingBag
from .transformer import *  # noqa: F403
from .loss import LinearCrossEntropyOptions
from . import channelshuffle, distance, flatten, fold, lazy, pixelshuffle, upsampling  # noqa: F401

__all__ = [name for name, value in dict(globals()).items() if isinstance(value, type) and not name.startswith("_") and
           (issubclass(value, Module) or value is LinearCrossEntropyOptions)]
