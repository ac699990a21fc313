"""What runs in a loader's worker processes."""

from __future__ import annotations

import os
import random
import sys
from dataclasses import dataclass

import facula
from facula._utils import ExceptionWrapper

from .fetch import IterableFetcher, MapFetcher

CHECK_SECONDS = 5.0  # how often a waiting worker looks whether its parent still lives
_info = None


@dataclass(frozen=True)
class WorkerInfo:
    """Which worker this is: its id, how many there are, its seed, its copy of the dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: object

    def __repr__(self):
        return f"WorkerInfo(id={self.id}, num_workers={self.num_workers}, seed={self.seed}, dataset={self.dataset})"


def get_worker_info():
    """The `WorkerInfo` of the worker process that calls it; None in the main process."""
    return _info


@dataclass(frozen=True)
class StreamEnd:
    """A worker's stream has no more samples."""

    worker_id: int


@dataclass(frozen=True)
class Resume:
    """A new epoch begins in a persistent worker."""

    shared_seed: int | None


def fetcher_for(iterable, *args):
    return (IterableFetcher if iterable else MapFetcher)(*args)


def seed_pipes(dataset, seed):
    """Seeds the random pipes of a pipe, alike in all workers."""
    if seed is not None:
        from ..graph_settings import apply_random_seed

        generator = facula.Generator()
        generator.manual_seed(seed)
        apply_random_seed(dataset, generator)


def _seed_everything(seed, base_seed, worker_id):
    random.seed(seed)
    facula.manual_seed(seed)
    if "numpy" in sys.modules:
        import numpy as np

        words = [worker_id, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]
        np.random.seed(np.random.SeedSequence(words).generate_state(4))


def run(channel, others, fetcher_arguments, base_seed, init_fn, worker_id, count):
    """Answers tasks with batches until the loader closes the channel or is gone.

    Args:
        channel: Brings (position, indices) and takes (position, batch).
        others: Ends of channels that this process inherited and has no use for.
        fetcher_arguments: Those of `fetcher_for`: iterable, dataset, ...
    """
    global _info
    for other in others:  # or the loader's end would not show them that it is gone
        other.end.close()
    try:
        facula.set_num_threads(1)
        _seed_everything(base_seed + worker_id, base_seed, worker_id)
        _info = WorkerInfo(worker_id, count, base_seed + worker_id, fetcher_arguments[1])
        worker = _Worker(channel, worker_id, fetcher_arguments)
        worker.start(init_fn)
        worker.serve()
    except (KeyboardInterrupt, EOFError, ConnectionError):  # the loader's process says what happened, or has ended
        pass


class _Worker:
    def __init__(self, channel, worker_id, fetcher_arguments):
        self.channel, self.id, self.iterable = channel, worker_id, fetcher_arguments[0]
        self.fetcher_arguments, self.fetcher, self.failure, self.ended = fetcher_arguments, None, None, False

    def start(self, init_fn=None):
        """Makes what fetches; a failure is the answer to the first task."""
        self.ended = False
        try:
            if init_fn is not None:
                init_fn(self.id)
            self.fetcher = fetcher_for(*self.fetcher_arguments)
        except Exception:
            self.failure = self.wrapped()

    def wrapped(self):
        return ExceptionWrapper(where=f"in DataLoader worker process {self.id}")

    def serve(self):
        parent = os.getppid()
        while True:
            while not self.channel.ready(CHECK_SECONDS):
                if os.getppid() != parent:
                    return
            position, load = self.channel.receive()
            task = load()
            if isinstance(task, Resume):
                seed_pipes(self.fetcher_arguments[1], task.shared_seed)
                self.start()
                self.answer(position, task)
            elif not self.ended:
                self.answer(position, self.batch(task))

    def batch(self, indices):
        if self.failure is not None:
            failure, self.failure = self.failure, None
            return failure
        try:
            return self.fetcher.fetch(indices)
        except Exception as error:
            if isinstance(error, StopIteration) and self.iterable:
                self.ended = True
                return StreamEnd(self.id)
            return self.wrapped()

    def answer(self, position, data):
        try:
            message = self.channel.pack(position, data)
        except Exception as error:  # a batch that cannot be pickled is reported like one that cannot be made
            failure = self.wrapped()
            if isinstance(data, ExceptionWrapper):  # the exception's own class cannot be pickled
                failure.exc_type, failure.exc_msg = RuntimeError, f"{data.exc_msg}\n({type(error).__name__}: {error})"
            message = self.channel.pack(position, failure)
        self.channel.send(message)
