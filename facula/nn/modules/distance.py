"""PyTorch's path of distance."""

from .misc import PairwiseDistance, CosineSimilarity  # noqa: F401
