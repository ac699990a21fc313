"""Batches out of datasets."""

from __future__ import annotations

import facula

from ..dataset import Subset, TensorDataset
from .collate import default_collate


def _rows(dataset, indices):
    """The tensors whose rows a dataset gives, and the rows wanted; None if it is no such dataset."""
    while type(dataset) is Subset:
        indices, dataset = [dataset.indices[i] for i in indices], dataset.dataset
    if type(dataset) is not TensorDataset or not all(type(i) is int for i in indices):
        return None
    return dataset.tensors, indices


class MapFetcher:
    """Fetches by index; whole tensors at once where the result is the same."""

    def __init__(self, dataset, auto_collation, collate_fn, drop_last):
        self.dataset, self.auto_collation, self.collate_fn = dataset, auto_collation, collate_fn
        inner = dataset
        while type(inner) is Subset:
            inner = inner.dataset
        self.by_rows = (type(inner) is TensorDataset and auto_collation and collate_fn is default_collate
                        and not any(t.requires_grad for t in inner.tensors) and all(type(t) is facula.Tensor for t in inner.tensors))

    def fetch(self, indices):
        if self.by_rows:
            rows = _rows(self.dataset, indices)
            size = len(rows[0][0]) if rows else 0
            if rows and all(-size <= i < size for i in rows[1]):
                index = facula.tensor([i % size for i in rows[1]] if min(rows[1]) < 0 else rows[1])
                return [t.index_select(0, index) for t in rows[0]]
        if not self.auto_collation:
            return self.collate_fn(self.dataset[indices])
        if callable(getattr(self.dataset, "__getitems__", None)):
            return self.collate_fn(self.dataset.__getitems__(indices))
        return self.collate_fn([self.dataset[i] for i in indices])


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
