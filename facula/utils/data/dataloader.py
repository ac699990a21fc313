"""The loader: samples of a dataset in batches, fetched here or by worker processes."""

from __future__ import annotations

import itertools
import os
import queue
import threading
import warnings

import facula
from facula import _dispatch
from facula._utils import ExceptionWrapper

from ._utils import pin_memory as _pin
from ._utils import worker as _worker
from ._utils.collate import default_collate, default_convert
from ._utils.worker import get_worker_info  # noqa: F401
from .dataset import Dataset, IterableDataset  # noqa: F401
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, fresh_seed

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]
_POLL_SECONDS = 1.0  # how often a waiting loader looks whether its workers still live


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
    _initialized = False

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
        self._dataset_kind = _DatasetKind.Iterable if isinstance(dataset, IterableDataset) else _DatasetKind.Map
        if self._dataset_kind == _DatasetKind.Iterable:
            if shuffle:
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
        self._initialized = True
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
        return self._context

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
        self._context = context

    def __setattr__(self, name, value):
        if self._initialized and name in ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"):
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
            length = len(self.dataset)
            if self.batch_size is None:
                return length
            return length // self.batch_size if self.drop_last else -(-length // self.batch_size)
        return len(self._index_sampler)

    def check_worker_number_rationality(self):
        self._warn_about_workers()


class _BaseDataLoaderIter:
    def __init__(self, loader):
        self._loader, self._dataset = loader, loader.dataset
        self._iterable = loader._dataset_kind == _DatasetKind.Iterable
        self._pin = loader.pin_memory and facula.cuda.is_available()
        self._fetcher_arguments = (loader.dataset, loader._auto_collation, loader.collate_fn, loader.drop_last)
        self._start(loader)

    def _start(self, loader):
        self._sampler_iter = iter(loader._index_sampler)
        self._base_seed = fresh_seed(loader.generator)
        self._num_yielded = 0

    def __iter__(self):
        return self

    def __next__(self):
        if _dispatch._profiling:
            with _dispatch._profiling[-1].block(f"enumerate(DataLoader)#{type(self).__name__}.__next__"):
                data = self._next_data()
        else:
            data = self._next_data()
        self._num_yielded += 1
        if self._iterable and hasattr(self._dataset, "__len__"):
            self._check_length()
        return data

    next = __next__

    def _check_length(self):
        try:
            length = len(self._loader)
        except (TypeError, NotImplementedError):
            return
        if self._num_yielded > length:
            warnings.warn(f"Length of IterableDataset {self._dataset} was reported to be {length}(when accessing len(dataloader)), but "
                          f"{self._num_yielded} samples have been fetched. ", stacklevel=3)

    def __len__(self):
        return len(self._loader._index_sampler)

    def __getstate__(self):
        raise NotImplementedError("{} cannot be pickled", type(self).__name__)


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    def __init__(self, loader):
        super().__init__(loader)
        if loader.timeout != 0:
            raise AssertionError("_SingleProcessDataLoaderIter got timeout != 0 (must be 0)")
        self._fetcher = _worker.fetcher_for(self._iterable, *self._fetcher_arguments)

    def _next_data(self):
        data = self._fetcher.fetch(next(self._sampler_iter))
        return _pin.pin_memory(data) if self._pin else data


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """Hands out index lists to workers in turn and puts their batches back in order."""

    def __init__(self, loader):
        self._workers, self._closed = [], False
        super().__init__(loader)
        import multiprocessing

        import facula.multiprocessing  # noqa: F401  teaches queues to carry tensors in shared memory

        context = loader.multiprocessing_context or multiprocessing
        self._count, self._timeout, self._in_order = loader.num_workers, loader.timeout, loader.in_order
        self._results, self._done = context.Queue(), context.Event()
        self._queues = []
        for i in range(self._count):
            tasks = context.Queue()
            tasks.cancel_join_thread()
            process = context.Process(target=_worker.run, daemon=True, args=(
                self._iterable, loader.dataset, tasks, self._results, self._done, loader._auto_collation, loader.collate_fn,
                loader.drop_last, self._base_seed, loader.worker_init_fn, i, self._count))
            process.start()
            self._queues.append(tasks)
            self._workers.append(process)
        self._fill(loader)

    def _fill(self, loader):
        self._sent = self._received = self._outstanding = 0
        self._ready, self._owner, self._failed = {}, {}, None
        self._alive = [True] * self._count
        self._turns = itertools.cycle(range(self._count))
        for _ in range(loader.prefetch_factor * self._count):
            self._send()

    def _reset(self, loader):
        while self._outstanding:  # an epoch left early: its batches are still on their way
            self._take()
        self._start(loader)
        for tasks in self._queues:
            tasks.put(_worker.Resume(self._base_seed))
        pending = self._count
        while pending:
            position, _ = self._get()
            pending -= isinstance(position, _worker.Resume)
        self._fill(loader)

    def _send(self):
        if self._iterable and not any(self._alive):
            return
        try:
            wanted = next(self._sampler_iter)
        except StopIteration:
            return
        worker = next(w for w in self._turns if self._alive[w])
        self._queues[worker].put((self._sent, wanted))
        self._owner[self._sent] = worker
        self._sent += 1
        self._outstanding += 1

    def _get(self):
        waited = 0.0
        while True:
            step = min(_POLL_SECONDS, self._timeout - waited) if self._timeout else _POLL_SECONDS
            try:
                return self._results.get(timeout=max(step, 0.001))
            except queue.Empty:
                waited += step
                self._check_workers()
                if self._timeout and waited >= self._timeout:
                    raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds") from None
            except (ConnectionError, FileNotFoundError, EOFError):
                self._check_workers()
                raise

    def _check_workers(self):
        dead = [p for i, p in enumerate(self._workers) if not p.is_alive() and self._alive[i]]
        if not dead:
            return
        pids = ", ".join(str(p.pid) for p in dead)
        reasons = [f" (worker {p.pid} {_cause(p.exitcode)})" for p in dead]
        self._shutdown_workers()
        raise RuntimeError(f"DataLoader worker (pid(s) {pids}) exited unexpectedly{''.join(reasons)}")

    def _take(self):
        position, data = self._get()
        self._outstanding -= 1
        worker = self._owner.pop(position)
        if isinstance(data, _worker.StreamEnd):
            if self._alive[worker]:
                self._alive[worker] = False
                if not self._loader.persistent_workers:
                    self._queues[worker].put(None)
            # A stream that has ended gives nothing for the tasks still waiting in its queue.
            for other in [p for p, w in self._owner.items() if w == worker]:
                del self._owner[other]
                self._outstanding -= 1
                self._ready[other] = data
        self._ready[position] = data
        return position

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
                if isinstance(data, _worker.StreamEnd):
                    self._send()
                    continue
                self._send()
                if isinstance(data, ExceptionWrapper):
                    data.reraise()
                return _pin.pin_memory(data) if self._pin else data
            if not self._outstanding:
                if not self._loader.persistent_workers:
                    self._shutdown_workers()
                raise StopIteration
            self._take()

    def _shutdown_workers(self):
        if self._closed:
            return
        self._closed = True
        try:
            self._done.set()
            for tasks in self._queues:
                tasks.put(None)
            for process in self._workers:
                process.join(timeout=5)
        except (OSError, ValueError, AssertionError, TypeError):  # the interpreter is shutting down
            pass
        for process in self._workers:
            try:
                if process.is_alive():
                    process.terminate()
            except (OSError, ValueError, AttributeError, AssertionError):
                pass
        for tasks in [*self._queues, self._results]:
            tasks.cancel_join_thread()
            tasks.close()

    def __del__(self):
        if threading and self._workers:
            self._shutdown_workers()


def _cause(code):
    import signal

    if code is not None and code < 0:
        return f"was killed by signal: {signal.strsignal(-code)}"
    return f"exited with status {code}"
