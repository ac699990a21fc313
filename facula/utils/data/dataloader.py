"""The loader: samples of a dataset in batches, fetched here or by worker processes."""

from __future__ import annotations

import functools
import itertools
import math
import os
import select
import signal
import time
import warnings

import facula
from facula import _dispatch
from facula._utils import ExceptionWrapper

from . import graph_settings
from ._utils import pin_memory as _pin
from ._utils import worker as _worker
from ._utils.collate import default_collate, default_convert
from ._utils.worker import get_worker_info  # noqa: F401
from .datapipes.datapipe import IterDataPipe
from .dataset import Dataset, IterableDataset  # noqa: F401
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, fresh_seed

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]
_POLL_SECONDS = 1.0  # how often a waiting loader looks whether its workers still live
_PATIENCE_SECONDS = 5.0  # how long a worker may take to notice that it is no longer needed


class _DatasetKind:
    Map = 0
    Iterable = 1


class _InfiniteConstantSampler(Sampler):
    """None for ever: streams have no indices."""

    def __iter__(self):
        return itertools.repeat(None)


class DataLoader:
    """Gives a dataset's samples in batches.

    Args:
        dataset: With `__getitem__` and `__len__`, or an `IterableDataset`.
        batch_size: Samples in a batch; None gives samples as they are.
        shuffle: Visit in a new random order each epoch.
        sampler: Order of indices, instead of `shuffle`.
        batch_sampler: Order of lists of indices, instead of batch_size, shuffle, sampler and drop_last.
        num_workers: Processes that fetch; 0 fetches in this one.
        collate_fn: Makes a batch of a list of samples.
        pin_memory: Copy batches into page-locked memory if there is a GPU.
        drop_last: Leave out a last batch that is not full.
        timeout: Seconds to wait for a batch from workers; 0 waits for ever.
        worker_init_fn: Called with the worker's id as each worker starts.
        multiprocessing_context: How workers start: "fork", "spawn", "forkserver" or a context.
        generator: Source of the order and of the workers' seeds.
        prefetch_factor: Batches that each worker fetches ahead; 2 if there are workers.
        persistent_workers: Keep the workers from epoch to epoch.
        pin_memory_device: Deprecated.
        in_order: Give batches in order even if a later one is ready first.

    Raises:
        ValueError: Arguments exclude each other.
    """

    _iterator = None
    __initialized = False
    _IterableDataset_len_called = None

    def __init__(self, dataset, batch_size=1, shuffle=None, sampler=None, batch_sampler=None, num_workers=0, collate_fn=None,
                 pin_memory=False, drop_last=False, timeout=0, worker_init_fn=None, multiprocessing_context=None, generator=None, *,
                 prefetch_factor=None, persistent_workers=False, pin_memory_device="", in_order=True):
        if num_workers < 0:
            raise ValueError("num_workers option should be non-negative; use num_workers=0 to disable multiprocessing.")
        if timeout < 0:
            raise ValueError("timeout option should be non-negative")
        if num_workers == 0 and prefetch_factor is not None:
            raise ValueError("prefetch_factor option could only be specified in multiprocessing."
                             "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None.")
        if num_workers > 0 and prefetch_factor is None:
            prefetch_factor = 2
        elif prefetch_factor is not None and prefetch_factor < 0:
            raise ValueError("prefetch_factor option should be non-negative")
        if persistent_workers and num_workers == 0:
            raise ValueError("persistent_workers option needs num_workers > 0")
        self.dataset, self.num_workers, self.prefetch_factor = dataset, num_workers, prefetch_factor
        self.pin_memory, self.pin_memory_device, self.timeout = pin_memory, pin_memory_device, timeout
        self.worker_init_fn, self.in_order = worker_init_fn, in_order
        self.multiprocessing_context = multiprocessing_context
        if graph_settings.is_pipe(dataset):
            if isinstance(dataset, IterDataPipe):
                dataset = self.dataset = graph_settings.apply_shuffle_settings(dataset, shuffle)
            self.worker_init_fn = functools.partial(_take_share, worker_init_fn)
        self._dataset_kind = _DatasetKind.Iterable if isinstance(dataset, IterableDataset) else _DatasetKind.Map
        if self._dataset_kind == _DatasetKind.Iterable:
            if shuffle and not graph_settings.is_pipe(dataset):
                raise ValueError(f"DataLoader with IterableDataset: expected unspecified shuffle option, but got shuffle={shuffle}")
            for name, given in (("sampler", sampler), ("batch_sampler", batch_sampler)):
                if given is not None:
                    raise ValueError(f"DataLoader with IterableDataset: expected unspecified {name} option, but got {name}={given}")
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError("batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last")
            batch_size, drop_last = None, False
        elif batch_size is None and drop_last:
            raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")
        if sampler is None:
            if self._dataset_kind == _DatasetKind.Iterable:
                sampler = _InfiniteConstantSampler()
            else:
                sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size, self.drop_last, self.sampler, self.batch_sampler = batch_size, drop_last, sampler, batch_sampler
        self.generator, self.persistent_workers = generator, persistent_workers
        self.collate_fn = collate_fn or (default_collate if self._auto_collation else default_convert)
        self.__initialized = True
        self._warn_about_workers()

    def _warn_about_workers(self):
        available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        if available and self.num_workers > available:
            warnings.warn(f"This DataLoader will create {self.num_workers} worker processes in total. Our suggested max number of worker in "
                          f"current system is {available}, which is smaller than what this DataLoader is going to create. Please be aware "
                          "that excessive worker creation might get DataLoader running slow or even freeze, lower the worker number to avoid "
                          "potential slowness/freeze if necessary.", stacklevel=3)

    @property
    def multiprocessing_context(self):
        return self.__multiprocessing_context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context):
        if context is not None:
            import multiprocessing

            if self.num_workers == 0:
                raise ValueError("multiprocessing_context can only be used with multi-process loading (num_workers > 0), but got num_workers="
                                 f"{self.num_workers}")
            if isinstance(context, str):
                known = multiprocessing.get_all_start_methods()
                if context not in known:
                    raise ValueError("multiprocessing_context option should specify a valid start method in "
                                     f"{known!r}, but got multiprocessing_context={context!r}")
                context = multiprocessing.get_context(context)
            elif not isinstance(context, multiprocessing.context.BaseContext):
                raise TypeError("multiprocessing_context option should be a valid context object or a string specifying the start method, "
                                f"but got multiprocessing_context={context}")
        self.__multiprocessing_context = context

    def __setattr__(self, name, value):
        if self.__initialized and name in ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"):
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is initialized")
        super().__setattr__(name, value)

    @property
    def _auto_collation(self):
        return self.batch_sampler is not None

    @property
    def _index_sampler(self):
        return self.batch_sampler if self._auto_collation else self.sampler

    def __iter__(self):
        if not (self.persistent_workers and self.num_workers):
            return self._get_iterator()
        if self._iterator is None:
            self._iterator = self._get_iterator()
        else:
            self._iterator._reset(self)
        return self._iterator

    def _get_iterator(self):
        return _SingleProcessDataLoaderIter(self) if self.num_workers == 0 else _MultiProcessingDataLoaderIter(self)

    def __len__(self):
        if self._dataset_kind == _DatasetKind.Iterable:
            length = self._IterableDataset_len_called = len(self.dataset)
            if self.batch_size is None:
                return length
            return length // self.batch_size if self.drop_last else -(-length // self.batch_size)
        return len(self._index_sampler)

    def check_worker_number_rationality(self):
        self._warn_about_workers()


def _take_share(init_fn, worker_id):
    """Starts a worker of a loader of pipes: its sharding pipes give its part."""
    info = get_worker_info()
    graph_settings.apply_sharding(info.dataset, info.num_workers, worker_id)
    if init_fn is not None:
        init_fn(worker_id)


class _BaseDataLoaderIter:
    def __init__(self, loader):
        self._dataset, self._dataset_kind, self._index_sampler = loader.dataset, loader._dataset_kind, loader._index_sampler
        self._iterable = loader._dataset_kind == _DatasetKind.Iterable
        self._num_workers, self._timeout, self._collate_fn = loader.num_workers, loader.timeout, loader.collate_fn
        self._pin_memory = loader.pin_memory
        self._pin = _can_pin(loader)
        self._fetcher_arguments = (self._iterable, loader.dataset, loader._auto_collation, loader.collate_fn, loader.drop_last)
        self._start(loader)
        self._base_seed = fresh_seed(loader.generator)

    def _start(self, loader):
        """Begins an epoch."""
        self._seed_pipes(loader)
        self._sampler_iter = iter(loader._index_sampler)
        self._num_yielded = 0
        self._IterableDataset_len_called = loader._IterableDataset_len_called

    def _seed_pipes(self, loader):
        self._shared_seed = fresh_seed(loader.generator) if isinstance(loader.dataset, IterDataPipe) else None
        _worker.seed_pipes(loader.dataset, self._shared_seed)

    def __iter__(self):
        return self

    def __next__(self):
        if _dispatch._profiling:
            with _dispatch._profiling[-1].block(f"enumerate(DataLoader)#{type(self).__name__}.__next__"):
                data = self._next_data()
        else:
            data = self._next_data()
        self._num_yielded += 1
        length = self._IterableDataset_len_called
        if length is not None and self._num_yielded > length:
            more = ("For multiprocessing data-loading, this could be caused by not properly configuring the IterableDataset replica at each "
                    "worker. Please see https://pytorch.org/docs/stable/data.html#torch.utils.data.IterableDataset for examples."
                    if self._num_workers else "")
            warnings.warn(f"Length of IterableDataset {self._dataset} was reported to be {length}(when accessing len(dataloader)), but "
                          f"{self._num_yielded} samples have been fetched. {more}", stacklevel=2)
        return data

    next = __next__

    def __len__(self):
        return len(self._index_sampler)

    def __getstate__(self):
        raise NotImplementedError("{} cannot be pickled", type(self).__name__)


def _can_pin(loader):
    """Whether batches go to page-locked memory: only a GPU has a use for it."""
    if not loader.pin_memory:
        return False
    if loader.pin_memory_device:
        warnings.warn("pin_memory_device is deprecated, the current accelerator will be used as the device,"
                      f"ignore pin_memory_device='{loader.pin_memory_device}'.", stacklevel=4)
    if not facula.cuda.is_available():
        warnings.warn("'pin_memory' argument is set as true but no accelerator is found, then device pinned memory won't be used.",
                      stacklevel=4)
        return False
    return True


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    def __init__(self, loader):
        super().__init__(loader)
        if self._timeout != 0:
            raise AssertionError("_SingleProcessDataLoaderIter requires timeout == 0")
        self._dataset_fetcher = _worker.fetcher_for(*self._fetcher_arguments)

    def _next_data(self):
        data = self._dataset_fetcher.fetch(next(self._sampler_iter))
        return _pin.pin_memory(data) if self._pin else data


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """Hands out index lists to workers in turn and puts their batches back in order."""

    def __init__(self, loader):
        self._workers, self._channels, self._closed, self._process = [], [], False, os.getpid()
        super().__init__(loader)
        self._persistent_workers, self._in_order = loader.persistent_workers, loader.in_order
        self._poll = select.poll()
        self._start_workers(loader)
        self._seed_pipes(loader)  # drawn once more, as PyTorch does: the workers have the first seeds
        self._fill(loader)

    def _start_workers(self, loader):
        import multiprocessing

        from ._utils import channel, parcel

        context = loader.multiprocessing_context or multiprocessing
        forks = context.get_start_method() == "fork"
        wanted = self._fetcher_arguments if forks else parcel.Parcel(self._fetcher_arguments)
        for i in range(self._num_workers):
            ours, theirs = channel.pair()
            self._channels.append(ours)
            process = context.Process(target=_worker.run, daemon=True, args=(
                theirs, self._channels[:] if forks else (), wanted, self._base_seed, loader.worker_init_fn, i, self._num_workers))
            process.start()
            theirs.end.close()
            self._poll.register(ours, select.POLLIN)
            self._workers.append(process)

    def _fill(self, loader):
        self._sent = self._received = self._outstanding = 0
        self._ready, self._owner = {}, {}
        self._alive = [True] * self._num_workers
        self._turns = itertools.cycle(range(self._num_workers))
        for _ in range(loader.prefetch_factor * self._num_workers):
            self._send()

    def _reset(self, loader):
        while self._outstanding:  # an epoch left early: its batches are still on their way
            self._take()
        self._start(loader)
        self._resumed = 0
        for worker in range(self._num_workers):
            self._post(worker, -1, _worker.Resume(self._shared_seed))
        while self._resumed < self._num_workers:
            self._take()
        self._fill(loader)

    def _send(self):
        if self._iterable and not any(self._alive):
            return
        try:
            wanted = next(self._sampler_iter)
        except StopIteration:
            return
        worker = next(w for w in self._turns if self._alive[w])
        self._owner[self._sent] = worker
        self._outstanding += 1
        self._sent += 1
        self._post(worker, self._sent - 1, wanted)

    def _post(self, worker, position, task):
        """Sends a task; takes batches meanwhile, lest a worker that waits to be heard does not hear."""
        channel = self._channels[worker]
        rest, *_ = channel.pack(position, task)
        try:
            while len(rest := channel.send_some(rest)):
                ready = select.poll()
                ready.register(channel, select.POLLIN | select.POLLOUT)
                if any(event & ~select.POLLOUT for _, event in ready.poll()):
                    self._receive(worker)
        except ConnectionError:
            self._lost(worker)

    def _take(self):
        """Waits for an answer of any worker and puts it where `_next_data` finds it."""
        until = time.monotonic() + self._timeout if self._timeout else math.inf
        while True:
            left = until - time.monotonic() if self._timeout else _POLL_SECONDS
            ready = self._poll.poll(max(0, min(left, _POLL_SECONDS)) * 1000)
            if ready:
                files = [channel.fileno() for channel in self._channels]
                for fd, _ in ready:
                    self._receive(files.index(fd))
                return
            for worker, process in enumerate(self._workers):  # its children may hold its channel open
                if self._channels[worker].fileno() >= 0 and not process.is_alive():
                    self._lost(worker)
            if left <= 0:
                raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds")

    def _receive(self, worker):
        try:
            position, load = self._channels[worker].receive()
        except EOFError:
            self._lost(worker)
        if position < 0:
            self._resumed += 1
            return
        self._outstanding -= 1
        del self._owner[position]
        try:
            data = load()
        except Exception:
            data = ExceptionWrapper(where=f"while unpickling a batch of DataLoader worker process {worker}")
        if isinstance(data, _worker.StreamEnd):
            self._alive[worker] = False
            for other in [p for p, w in self._owner.items() if w == worker]:  # tasks that still wait there stay unanswered
                del self._owner[other]
                self._outstanding -= 1
                self._ready[other] = data
            if not self._persistent_workers:
                self._poll.unregister(self._channels[worker])
                self._channels[worker].close()
        self._ready[position] = data

    def _lost(self, worker):
        """Reports a worker that has died."""
        process = self._workers[worker]
        process.join(_POLL_SECONDS)
        code = process.exitcode
        if code is not None and code < 0:
            cause = f"DataLoader worker (pid {process.pid}) is killed by signal: {signal.strsignal(-code)}. "
        else:
            cause = (f"DataLoader worker (pid {process.pid}) exited unexpectedly with exit code {code}. Details are lost due to "
                     "multiprocessing. Rerunning with num_workers=0 may give better error trace.")
        self._shutdown_workers()
        raise RuntimeError(f"DataLoader worker (pid(s) {process.pid}) exited unexpectedly") from RuntimeError(cause)

    def _next_data(self):
        while True:
            position = self._received
            if not self._in_order and position not in self._ready and self._ready:
                position = next(iter(self._ready))
            if position in self._ready:
                data = self._ready.pop(position)
                self._received += position == self._received
                while self._received not in self._ready and self._received not in self._owner and self._received < self._sent:
                    self._received += 1
                self._send()
                if isinstance(data, _worker.StreamEnd):
                    continue
                if isinstance(data, ExceptionWrapper):
                    data.reraise()
                return _pin.pin_memory(data) if self._pin else data
            if not self._outstanding:
                if not self._persistent_workers:
                    self._shutdown_workers()
                raise StopIteration
            self._take()

    def _shutdown_workers(self):
        """Ends the workers: they see their channels close; the ones that do not within seconds are terminated."""
        if self._closed or os.getpid() != self._process:  # a fork of the loader's process must not end them
            return
        self._closed = True
        for channel in self._channels:
            channel.close()
        until = time.monotonic() + _PATIENCE_SECONDS
        for end in (None, "terminate", "kill"):
            for process in self._workers:
                if end and process.is_alive():
                    getattr(process, end)()
                process.join(max(0.1, until - time.monotonic()))

    def __del__(self):
        if self._workers and _worker is not None:
            self._shutdown_workers()
