"""Searching, sorting, sets and indices."""

from collections import namedtuple

import facula

from ._statistics import sum

__all__ = ["argmax", "argmin", "argsort", "count_nonzero", "isin", "nonzero", "searchsorted", "sort", "take", "take_along_axis", "unique_all",
           "unique_counts", "unique_inverse", "unique_values"]
_All = namedtuple("unique_all_result", "values indices inverse_indices counts")
_Counts = namedtuple("unique_counts_result", "values counts")
_Inverse = namedtuple("unique_inverse_result", "values inverse_indices")


def argmax(x, /, *, axis=None, keepdims=False):
    """Where the largest element is."""
    return facula.argmax(x, axis, keepdims)


def argmin(x, /, *, axis=None, keepdims=False):
    """Where the smallest element is."""
    return facula.argmin(x, axis, keepdims)


def argsort(x, /, *, axis=-1, descending=False, stable=True):
    """The order that sorts the array."""
    return facula.sort(x, dim=axis, descending=descending, stable=stable)[1]


def sort(x, /, *, axis=-1, descending=False, stable=True):
    """Elements in order along an axis."""
    return facula.sort(x, dim=axis, descending=descending, stable=stable)[0]


def count_nonzero(x, /, *, axis=None, keepdims=False):
    """How many elements are not 0."""
    return sum(x != 0, axis=axis, keepdims=keepdims)


def isin(x1, x2, /, *, invert=False):
    """Whether each element of x1 is among those of x2."""
    return facula.isin(x1, x2, invert=invert)


def nonzero(x, /):
    """Indices of elements that are not 0, one array per axis."""
    if x.ndim == 0:
        raise ValueError("nonzero(): an array without dimensions has no indices")
    return tuple(facula.nonzero(x, as_tuple=True))


def searchsorted(x1, x2, /, *, side="left", sorter=None):
    """Where elements of x2 would stand in the sorted x1."""
    return facula.searchsorted(x1, facula.as_tensor(x2, dtype=None), side=side, sorter=sorter)


def take(x, indices, /, *, axis=None):
    """Slices at the indices along an axis."""
    if axis is None:
        if x.ndim != 1:
            raise ValueError("take(): an axis is needed for an array of more than one dimension")
        axis = 0
    return x.index_select(axis, indices.reshape(-1) % x.shape[axis] if x.shape[axis] else indices)


def take_along_axis(x, indices, /, *, axis=-1):
    """Elements at the indices of each row along an axis."""
    return facula.take_along_dim(x, indices, axis)


def unique_all(x, /):
    """Distinct elements, where each stands first, which one each element is, and how often each occurs."""
    values, inverse, counts = facula.unique(x, return_inverse=True, return_counts=True)
    order = facula.arange(inverse.numel() - 1, -1, -1)
    first = facula.empty(values.numel(), dtype=facula.int64).scatter_(0, inverse.reshape(-1)[order], order) if inverse.numel() else inverse.reshape(-1)
    return _All(values, first, inverse, counts)


def unique_counts(x, /):
    """Distinct elements and how often each occurs."""
    return _Counts(*facula.unique(x, return_counts=True))


def unique_inverse(x, /):
    """Distinct elements, and which one each element is."""
    return _Inverse(*facula.unique(x, return_inverse=True))


def unique_values(x, /):
    """Distinct elements."""
    return facula.unique(x)
