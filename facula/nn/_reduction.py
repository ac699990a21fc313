"""The names of reductions, and the flags that came before them."""

from __future__ import annotations

import warnings

from ..ops.loss import reduction_code as get_enum
from ..ops.loss import reduction_of_flags

__all__ = ["get_enum", "legacy_get_enum", "legacy_get_string"]


def legacy_get_string(size_average, reduce, emit_warning=True):
    """The reduction that the old flags mean."""
    found = reduction_of_flags(size_average, reduce)
    if emit_warning:
        warnings.warn(f"size_average and reduce args will be deprecated, please use reduction='{found}' instead.", stacklevel=2)
    return found


def legacy_get_enum(size_average, reduce, emit_warning=True):
    """`get_enum` of `legacy_get_string`."""
    return get_enum(legacy_get_string(size_average, reduce, emit_warning))
