"""Optimizers and learning-rate schedules."""

from . import lr_scheduler  # noqa: F401
from ._per_tensor import ASGD, Adadelta, Adafactor, Adagrad, Adamax, Muon, NAdam, RAdam, RMSprop, Rprop, SparseAdam  # noqa: F401
from .adam import Adam, AdamW  # noqa: F401
from .lbfgs import LBFGS  # noqa: F401
from .optimizer import Optimizer  # noqa: F401
from .sgd import SGD  # noqa: F401
from . import swa_utils  # noqa: F401, E402
