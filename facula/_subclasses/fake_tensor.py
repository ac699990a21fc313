"""PyTorch's tensors without data, for `isinstance`: Facula uses the device "meta" instead."""

from __future__ import annotations

from .._native import core


class FakeTensor(core.Tensor):
    """No tensor is one."""

    def __new__(cls, *args, **kwargs):
        raise NotImplementedError('FakeTensor: Facula does not have it; make tensors on device="meta" to compute shapes alone')


class FakeTensorMode:
    """Not there: tensors on device="meta" compute shapes alone."""

    def __init__(self, *args, **kwargs):
        raise NotImplementedError('FakeTensorMode: Facula does not have it; make tensors on device="meta" to compute shapes alone')


def is_fake(x):
    return False
