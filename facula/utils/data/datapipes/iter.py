"""Pipes over streams: steps on single samples and batches. `_join` has those that split and join streams, `_files` those that read."""

from __future__ import annotations

import copy
import warnings
from collections import defaultdict

from .._utils.collate import default_collate
from ..sampler import SequentialSampler
from ._decorator import functional_datapipe
from ._shuffling import Shuffling
from .datapipe import DataChunk, IterDataPipe, warn_unless_picklable

__all__ = ["Batcher", "Collator", "Concater", "Demultiplexer", "FileLister", "FileOpener", "Filter", "Forker", "Grouper", "IterableWrapper",
           "Mapper", "Multiplexer", "RoutedDecoder", "Sampler", "ShardingFilter", "Shuffler", "StreamReader", "UnBatcher", "Zipper"]


def _length(datapipe, of):
    if hasattr(datapipe, "__len__"):
        return len(datapipe)
    raise TypeError(f"{type(of).__name__} instance doesn't have valid length")


def _pick(data, column):
    """Columns of a sample: all for None, one, or a tuple of several."""
    if column is None:
        return (data,)
    return tuple(data[c] for c in column) if isinstance(column, (list, tuple)) else (data[column],)


class IterableWrapperIterDataPipe(IterDataPipe):
    """An iterable as a pipe, copied for each pass if it can be."""

    def __init__(self, iterable, deepcopy=True):
        self.iterable, self.deepcopy = iterable, deepcopy

    def __iter__(self):
        source = self.iterable
        if self.deepcopy:
            try:
                source = copy.deepcopy(source)
            except TypeError:  # generators
                warnings.warn("The input iterable can not be deepcopied, please be aware of in-place modification would affect source data.",
                              stacklevel=2)
        yield from source

    def __len__(self):
        return len(self.iterable)


@functional_datapipe("map")
class MapperIterDataPipe(IterDataPipe):
    """A function of each sample, or of some of its columns."""

    def __init__(self, datapipe, fn, input_col=None, output_col=None):
        if input_col is None and output_col is not None:
            raise ValueError("`output_col` must be None when `input_col` is None.")
        if isinstance(output_col, (list, tuple)):
            if len(output_col) > 1:
                raise ValueError("`output_col` must be a single-element list or tuple")
            output_col = output_col[0]
        warn_unless_picklable(fn)
        self.datapipe, self.fn, self.input_col, self.output_col = datapipe, fn, input_col, output_col

    def _apply(self, data):
        made = self.fn(*_pick(data, self.input_col))
        if self.input_col is None:
            return made
        several = isinstance(self.input_col, (list, tuple))
        columns = list(data) if isinstance(data, tuple) else copy.copy(data)
        if self.output_col == -1:
            columns.append(made)
        elif self.output_col is not None:
            columns[self.output_col] = made
        else:
            columns[self.input_col[0] if several else self.input_col] = made
            for column in sorted(self.input_col[1:], reverse=True) if several else ():
                del columns[column]
        return tuple(columns) if isinstance(data, tuple) else columns

    def __iter__(self):
        for data in self.datapipe:
            yield self._apply(data)

    def __len__(self):
        return _length(self.datapipe, self)


@functional_datapipe("collate")
class CollatorIterDataPipe(MapperIterDataPipe):
    """Batches as tensors."""

    def __init__(self, datapipe, conversion=default_collate, collate_fn=None):
        super().__init__(datapipe, fn=collate_fn or conversion)


@functional_datapipe("filter")
class FilterIterDataPipe(IterDataPipe):
    """The samples of which a function is true."""

    def __init__(self, datapipe, filter_fn, input_col=None):
        warn_unless_picklable(filter_fn)
        self.datapipe, self.filter_fn, self.input_col = datapipe, filter_fn, input_col

    def __iter__(self):
        for data in self.datapipe:
            keep = self.filter_fn(*_pick(data, self.input_col))
            if not isinstance(keep, bool):
                raise ValueError("Boolean output is required for `filter_fn` of FilterIterDataPipe, got", type(keep))
            if keep:
                yield data


@functional_datapipe("batch")
class BatcherIterDataPipe(IterDataPipe):
    """Neighbouring samples in batches."""

    def __init__(self, datapipe, batch_size, drop_last=False, wrapper_class=DataChunk):
        if batch_size <= 0:
            raise AssertionError("Batch size is required to be larger than 0!")
        self.datapipe, self.batch_size, self.drop_last, self.wrapper_class = datapipe, batch_size, drop_last, wrapper_class

    def __iter__(self):
        batch = []
        for data in self.datapipe:
            batch.append(data)
            if len(batch) == self.batch_size:
                yield self.wrapper_class(batch)
                batch = []
        if batch and not self.drop_last:
            yield self.wrapper_class(batch)

    def __len__(self):
        size = _length(self.datapipe, self)
        return size // self.batch_size if self.drop_last else -(-size // self.batch_size)


@functional_datapipe("unbatch")
class UnBatcherIterDataPipe(IterDataPipe):
    """What so many levels of batches contain; -1 for all."""

    def __init__(self, datapipe, unbatch_level=1):
        self.datapipe, self.unbatch_level = datapipe, unbatch_level

    def __iter__(self):
        if self.unbatch_level < -1:
            raise ValueError("unbatch_level must be -1 or >= 0")
        for data in self.datapipe:
            yield from self._opened(data, self.unbatch_level)

    def _opened(self, data, level):
        if level == 0 or level == -1 and not isinstance(data, (list, DataChunk)):
            yield data
        elif isinstance(data, (list, DataChunk)):
            for inner in data:
                yield from self._opened(inner, level if level == -1 else level - 1)
        else:
            raise IndexError(f"unbatch_level {self.unbatch_level} exceeds the depth of the DataPipe")


@functional_datapipe("shuffle")
class ShufflerIterDataPipe(Shuffling):
    """Samples in random order, out of a buffer."""

    def __init__(self, datapipe, *, buffer_size=10000, unbatch_level=0):
        if buffer_size <= 0:
            raise AssertionError("buffer_size should be larger than 0")
        super().__init__()
        self.datapipe = datapipe if unbatch_level == 0 else datapipe.unbatch(unbatch_level=unbatch_level)
        self.buffer_size = buffer_size

    def __iter__(self):
        if not self._enabled:
            yield from self.datapipe
            return
        buffer, place = [], self._rng.randint
        for data in self.datapipe:
            if len(buffer) < self.buffer_size:
                buffer.append(data)
                continue
            at = place(0, len(buffer) - 1)
            buffer[at], chosen = data, buffer[at]
            yield chosen
        while buffer:
            yield buffer.pop(place(0, len(buffer) - 1))

    def __len__(self):
        return _length(self.datapipe, self)


class SamplerIterDataPipe(IterDataPipe):
    """What a sampler gives for a pipe."""

    def __init__(self, datapipe, sampler=SequentialSampler, sampler_args=None, sampler_kwargs=None):
        self.datapipe, self.sampler_args, self.sampler_kwargs = datapipe, sampler_args or (), dict(sampler_kwargs or {})
        self.sampler_kwargs["data_source"] = datapipe
        self.sampler = sampler(*self.sampler_args, **self.sampler_kwargs)

    def __iter__(self):
        return iter(self.sampler)

    def __len__(self):
        return _length(self.sampler, self)


@functional_datapipe("sharding_filter")
class ShardingFilterIterDataPipe(IterDataPipe):
    """Every n-th sample: the loader tells each worker which."""

    def __init__(self, source_datapipe, sharding_group_filter=None):
        self.source_datapipe, self.sharding_group_filter = source_datapipe, sharding_group_filter
        self.num_of_instances, self.instance_id = 1, 0

    def is_shardable(self):
        return True

    def apply_sharding(self, num_of_instances, instance_id, sharding_group=None):
        if instance_id >= num_of_instances:
            raise ValueError(f"instance_id({instance_id}) should be smaller than num_of_instances({num_of_instances})")
        self.num_of_instances, self.instance_id = num_of_instances, instance_id

    def __iter__(self):
        for i, data in enumerate(self.source_datapipe):
            if i % self.num_of_instances == self.instance_id:
                yield data

    def __len__(self):
        size = _length(self.source_datapipe, self)
        return size // self.num_of_instances + (self.instance_id < size % self.num_of_instances)


@functional_datapipe("groupby")
class GrouperIterDataPipe(IterDataPipe):
    """Samples of the same key together; when the buffer is full, the largest group goes."""

    def __init__(self, datapipe, group_key_fn, *, keep_key=False, buffer_size=10000, group_size=None, guaranteed_group_size=None,
                 drop_remaining=False):
        warn_unless_picklable(group_key_fn)
        self.datapipe, self.group_key_fn, self.keep_key, self.buffer_size = datapipe, group_key_fn, keep_key, buffer_size
        self.group_size, self.drop_remaining = group_size, drop_remaining
        self.guaranteed_group_size = guaranteed_group_size
        if group_size is not None and buffer_size is not None and not 0 < group_size <= buffer_size:
            raise ValueError("group_size must be > 0 and <= buffer_size")
        if guaranteed_group_size is not None and (group_size is None or not 0 < guaranteed_group_size <= group_size):
            raise ValueError("guaranteed_group_size must be > 0 and <= group_size and group_size must be set")

    def _given(self, key, group):
        group = DataChunk(group)
        return (key, group) if self.keep_key else group

    def _largest(self, groups):
        key = max(groups, key=lambda k: len(groups[k]))
        if self.guaranteed_group_size is not None and len(groups[key]) < self.guaranteed_group_size and not self.drop_remaining:
            raise RuntimeError("Failed to group items", str(groups[key]))
        return key, groups.pop(key)

    def __iter__(self):
        groups, held = defaultdict(list), 0
        for data in self.datapipe:
            key = self.group_key_fn(data)
            groups[key].append(data)
            held += 1
            if len(groups[key]) == self.group_size:
                held -= self.group_size
                yield self._given(key, groups.pop(key))
            if held == self.buffer_size:
                key, group = self._largest(groups)
                held -= len(group)
                if self.guaranteed_group_size is None or len(group) >= self.guaranteed_group_size:
                    yield self._given(key, group)
        for key in list(groups):
            yield self._given(key, groups.pop(key))


from ._files import FileListerIterDataPipe, FileOpenerIterDataPipe, RoutedDecoderIterDataPipe, StreamReaderIterDataPipe  # noqa: E402
from ._join import ConcaterIterDataPipe, DemultiplexerIterDataPipe, ForkerIterDataPipe, MultiplexerIterDataPipe, ZipperIterDataPipe  # noqa: E402

for _name in __all__:
    globals()[_name] = globals()[f"{_name}IterDataPipe"]
