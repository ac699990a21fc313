"""Batches out of datasets."""

from __future__ import annotations

import facula

from ..dataset import Subset, TensorDataset
from .collate import default_collate, place_for


def _innermost(dataset):
    """The dataset below plain subsets."""
    while type(dataset) is Subset:
        dataset = dataset.dataset
    return dataset


def _batch_hook(dataset):
    """A dataset's own `_fetch_batch(indices)`, which gives the default batch or None, unless a subclass gives other samples."""
    for kind in type(dataset).__mro__:
        if "_fetch_batch" in vars(kind):
            return dataset._fetch_batch
        if "__getitem__" in vars(kind) or "__getitems__" in vars(kind):
            return None
    return None


def _row_batches(dataset):
    """A function that gives batches of a TensorDataset's rows, or None for indices that are no plain numbers or out of range."""
    tensors = dataset.tensors
    if any(t.requires_grad or type(t) is not facula.Tensor for t in tensors):
        return None
    size = len(dataset)

    def batch(indices):
        if not all(type(i) is int and -size <= i < size for i in indices):
            return None
        index = facula.tensor([i % size for i in indices] if min(indices) < 0 else indices)
        return [t.index_select(0, index, out=place_for((len(indices), *t.shape[1:]), t.dtype)) for t in tensors]
    return batch


class MapFetcher:
    """Fetches by index; a batch at once where the result is the same."""

    def __init__(self, dataset, auto_collation, collate_fn, drop_last):
        self.dataset, self.auto_collation, self.collate_fn = dataset, auto_collation, collate_fn
        self.batch = None
        if auto_collation and collate_fn is default_collate:
            inner = _innermost(dataset)
            self.batch = _row_batches(inner) if type(inner) is TensorDataset else _batch_hook(inner)

    def fetch(self, indices):
        if self.batch is not None and indices and (made := self._at_once(indices)) is not None:
            return made
        if not self.auto_collation:
            return self.collate_fn(self.dataset[indices])
        if callable(getattr(self.dataset, "__getitems__", None)):
            return self.collate_fn(self.dataset.__getitems__(indices))
        return self.collate_fn([self.dataset[i] for i in indices])

    def _at_once(self, indices):
        dataset = self.dataset
        while type(dataset) is Subset:
            indices, dataset = [dataset.indices[i] for i in indices], dataset.dataset
        return self.batch(indices)


class IterableFetcher:
    """Fetches the next samples of a stream."""

    def __init__(self, dataset, auto_collation, collate_fn, drop_last):
        self.auto_collation, self.collate_fn, self.drop_last = auto_collation, collate_fn, drop_last
        self.iterator, self.ended = iter(dataset), False

    def fetch(self, indices):
        if self.ended:
            raise StopIteration
        if not self.auto_collation:
            return self.collate_fn(next(self.iterator))
        samples = []
        for _ in indices:
            try:
                samples.append(next(self.iterator))
            except StopIteration:
                self.ended = True
                break
        if not samples or self.drop_last and len(samples) < len(indices):
            raise StopIteration
        return self.collate_fn(samples)
