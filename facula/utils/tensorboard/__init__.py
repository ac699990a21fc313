"""Writing event files for TensorBoard, through the `tensorboard` package, which is imported when a writer is made."""

from ._graph import graph as _graph  # noqa: F401
from .writer import FileWriter, SummaryWriter

__all__ = ["FileWriter", "SummaryWriter"]
