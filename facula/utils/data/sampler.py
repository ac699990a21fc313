"""Orders in which a loader visits a dataset."""

from __future__ import annotations

import itertools
from typing import Generic, TypeVar

import facula

__all__ = ["Sampler", "SequentialSampler", "RandomSampler", "SubsetRandomSampler", "WeightedRandomSampler", "BatchSampler"]
_T_co = TypeVar("_T_co", covariant=True)


class Sampler(Generic[_T_co]):
    """An iterable of indices; subclasses give `__iter__`."""

    def __iter__(self):
        raise NotImplementedError


class SequentialSampler(Sampler[int]):
    """0, 1, 2, ...

    Args:
        data_source: Anything with a length: how many indices.

    Example:
        >>> list(facula.utils.data.SequentialSampler('abc'))
        [0, 1, 2]
    """

    def __init__(self, data_source):
        self.data_source = data_source

    def __iter__(self):
        return iter(range(len(self.data_source)))

    def __len__(self):
        return len(self.data_source)


def _checked_count(num_samples, but=()):
    if not isinstance(num_samples, int) or isinstance(num_samples, but) or num_samples <= 0:
        raise ValueError(f"num_samples should be a positive integer value, but got num_samples={num_samples}")


def fresh_seed(generator=None):
    """A seed drawn from the default or the given generator."""
    return int(facula.empty((), dtype=facula.int64).random_(generator=generator).item())


class RandomSampler(Sampler[int]):
    """A random order: a permutation, or independent draws with `replacement`.

    Args:
        data_source: Anything with a length: how many indices to draw from.
        replacement: Whether an index may come more than once.
        num_samples: How many indices; None for the length.
        generator: Draws the order; None for the default generator.

    Raises:
        ValueError: num_samples is no positive int.

    Example:
        >>> sorted(facula.utils.data.RandomSampler('abc'))
        [0, 1, 2]
    """

    def __init__(self, data_source, replacement=False, num_samples=None, generator=None):
        self.data_source, self.replacement = data_source, replacement
        self._num_samples, self.generator = num_samples, generator
        if not isinstance(replacement, bool):
            raise TypeError(f"replacement should be a boolean value, but got replacement={replacement}")
        _checked_count(self.num_samples)

    @property
    def num_samples(self):
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self):
        n, generator = len(self.data_source), self.generator
        if generator is None:
            generator = facula.Generator()
            generator.manual_seed(fresh_seed())
        if self.replacement:
            draw = lambda count: facula.randint(high=n, size=(count,), dtype=facula.int64, generator=generator).tolist()  # noqa: E731
            for _ in range(self.num_samples // 32):
                yield from draw(32)
            yield from draw(self.num_samples % 32)
        else:
            for _ in range(self.num_samples // n):
                yield from facula.randperm(n, generator=generator).tolist()
            yield from facula.randperm(n, generator=generator).tolist()[:self.num_samples % n]

    def __len__(self):
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """Given indices in random order.

    Args:
        indices: A sequence of indices.
        generator: Draws the order; None for the default generator.

    Example:
        >>> sorted(facula.utils.data.SubsetRandomSampler([4, 2]))
        [2, 4]
    """

    def __init__(self, indices, generator=None):
        self.indices, self.generator = indices, generator

    def __iter__(self):
        for i in facula.randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[i]

    def __len__(self):
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Indices drawn with given weights, which need not add up to 1.

    Args:
        weights: A weight, at least 0, for each index.
        num_samples: How many indices.
        replacement: Whether an index may come more than once.
        generator: Draws the order; None for the default generator.

    Raises:
        ValueError: num_samples is no positive int, or weights are not one-dimensional.

    Example:
        >>> list(facula.utils.data.WeightedRandomSampler([0.0, 1.0], 3))
        [1, 1, 1]
    """

    def __init__(self, weights, num_samples, replacement=True, generator=None):
        _checked_count(num_samples, bool)
        if not isinstance(replacement, bool):
            raise ValueError(f"replacement should be a boolean value, but got replacement={replacement}")
        weights = facula.as_tensor(weights, dtype=facula.double)
        if weights.dim() != 1:
            raise ValueError(f"weights should be a 1d sequence but given weights have shape {tuple(weights.shape)}")
        self.weights, self.num_samples, self.replacement, self.generator = weights, num_samples, replacement, generator

    def __iter__(self):
        yield from facula.multinomial(self.weights, self.num_samples, self.replacement, generator=self.generator).tolist()

    def __len__(self):
        return self.num_samples


class BatchSampler(Sampler[list]):
    """Lists of `batch_size` indices of another sampler.

    Args:
        sampler: An iterable of indices.
        batch_size: Indices of a list, at least 1.
        drop_last: Whether to leave out a last list that is shorter.

    Raises:
        ValueError: batch_size is no positive int, or drop_last is no bool.

    Example:
        >>> list(facula.utils.data.BatchSampler(range(5), 2, False))
        [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler, batch_size, drop_last):
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(f"batch_size should be a positive integer value, but got batch_size={batch_size}")
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self):
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if self.drop_last and len(batch) < self.batch_size:
                return
            yield batch

    def __len__(self):
        if self.drop_last:
            return len(self.sampler) // self.batch_size
        return (len(self.sampler) + self.batch_size - 1) // self.batch_size
