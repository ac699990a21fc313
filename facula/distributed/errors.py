"""What can go wrong between processes."""

from __future__ import annotations


class DistError(RuntimeError):
    """An error of distributed work."""


class DistBackendError(DistError):
    """A process of a group failed, left or did not answer in time."""


class DistNetworkError(DistError):
    """A connection could not be made, or broke."""


class DistStoreError(DistError):
    """A key did not come in time."""


class QueueEmptyError(DistStoreError):
    """A store's queue has nothing to give."""


for _error in (DistError, DistBackendError, DistNetworkError, DistStoreError, QueueEmptyError):
    _error.__module__ = "torch.distributed"
