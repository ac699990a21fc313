"""Pipes that split a stream in several, or join several to one."""

from __future__ import annotations

import copy as _copy
from collections import deque

from ._decorator import functional_datapipe
from .datapipe import IterDataPipe, Shared, warn_unless_picklable


def _checked(datapipes, message="Expected all inputs to be `IterDataPipe`"):
    if not datapipes:
        raise ValueError("Expected at least one DataPipe, but got nothing")
    if not all(isinstance(d, IterDataPipe) for d in datapipes):
        raise TypeError(message)
    return datapipes


@functional_datapipe("concat")
class ConcaterIterDataPipe(IterDataPipe):
    """Streams one after the other."""

    def __init__(self, *datapipes):
        self.datapipes = _checked(datapipes)

    def __iter__(self):
        for pipe in self.datapipes:
            yield from pipe

    def __len__(self):
        return sum(len(d) for d in self.datapipes)


@functional_datapipe("zip")
class ZipperIterDataPipe(IterDataPipe):
    """Tuples of several streams' samples, up to the end of the shortest."""

    def __init__(self, *datapipes):
        self.datapipes = _checked(datapipes, "All inputs are required to be `IterDataPipe` for `ZipIterDataPipe`.") if datapipes else ()

    def __iter__(self):
        yield from zip(*self.datapipes)

    def __len__(self):
        return min(len(d) for d in self.datapipes)


@functional_datapipe("mux")
class MultiplexerIterDataPipe(IterDataPipe):
    """A sample of each stream in turn, up to the end of the shortest."""

    def __init__(self, *datapipes):
        self.datapipes = datapipes

    def __iter__(self):
        for samples in zip(*self.datapipes):
            yield from samples

    def __len__(self):
        return min(len(d) for d in self.datapipes) * len(self.datapipes)


class _Branches(Shared):
    """The stream that several pipes read, and what waits for each of them."""

    def __init__(self, datapipe, count, buffer_size, choose, name):
        self.datapipe, self.count, self.buffer_size, self.choose, self.name = datapipe, count, buffer_size, choose, name
        self.passes, self.source, self.waiting, self.started = 0, None, None, None

    def start(self, branch):
        """A branch begins a pass; with the first that does so again, all begin anew."""
        if self.source is None or branch in self.started:
            self.source, self.waiting, self.started = iter(self.datapipe), [deque() for _ in range(self.count)], set()
            self.passes += 1
        self.started.add(branch)
        return self.passes

    def take(self, branch, number):
        while True:
            if number != self.passes:
                raise RuntimeError("This iterator has been invalidated, because a new iterator has been created from one of the ChildDataPipes "
                                   f"of {self.name}(buffer_size={self.buffer_size}).")
            if self.waiting[branch]:
                return self.waiting[branch].popleft()
            data = next(self.source)
            for i, value in self.choose(data):
                self.waiting[i].append(value)
            held = max(map(len, self.waiting)) if self.name.startswith("Fork") else sum(map(len, self.waiting))
            if 0 <= self.buffer_size < held - bool(self.waiting[branch]):
                between = "" if self.name.startswith("Fork") else " "
                raise BufferError(f"{self.name} buffer overflow,{between}buffer size {self.buffer_size} is insufficient.")


class _ChildDataPipe(IterDataPipe):
    def __init__(self, main, branch):
        self.main_datapipe, self.instance_id = main, branch

    def __iter__(self):
        return self._samples(self.main_datapipe.start(self.instance_id))

    def _samples(self, number):
        while True:
            try:
                data = self.main_datapipe.take(self.instance_id, number)
            except StopIteration:
                return
            yield data

    def __len__(self):
        return len(self.main_datapipe.datapipe)


@functional_datapipe("fork")
class ForkerIterDataPipe(IterDataPipe):
    """Several pipes that all give the whole stream."""

    def __new__(cls, datapipe, num_instances, buffer_size=1000, copy=None):
        if num_instances < 1:
            raise ValueError(f"Expected `num_instances` larger than 0, but {num_instances} is found")
        if num_instances == 1:
            return datapipe
        copiers = {None: lambda x: x, "shallow": _copy.copy, "deep": _copy.deepcopy}
        if copy not in copiers:
            raise ValueError(f"Unknown copy method `{copy}` found, choose one of None, `shallow` or `deep`.")
        copied = copiers[copy]
        branches = _Branches(datapipe, num_instances, buffer_size, lambda data: [(i, copied(data)) for i in range(num_instances)],
                             "ForkerIterDataPipe")
        return [_ChildDataPipe(branches, i) for i in range(num_instances)]


@functional_datapipe("demux")
class DemultiplexerIterDataPipe(IterDataPipe):
    """Several pipes; a function says to which a sample goes."""

    def __new__(cls, datapipe, num_instances, classifier_fn, drop_none=False, buffer_size=1000):
        if num_instances < 1:
            raise ValueError(f"Expected `num_instances` larger than 0, but {num_instances} is found")

        warn_unless_picklable(classifier_fn)

        def choose(data):
            branch = classifier_fn(data)
            if branch is None and drop_none:
                return []
            if branch is None or not 0 <= branch < num_instances:
                raise ValueError(f"Output of the classification fn should be between 0 and {num_instances - 1}. {branch} is returned.")
            return [(branch, data)]

        branches = _Branches(datapipe, num_instances, buffer_size, choose, "DemultiplexerIterDataPipe")
        return [_ChildDataPipe(branches, i) for i in range(num_instances)]
