"""What runs in a loader's worker processes."""

from __future__ import annotations

import os
import queue
import random
import sys
from dataclasses import dataclass

import facula
from facula._utils import ExceptionWrapper

from .fetch import IterableFetcher, MapFetcher

CHECK_SECONDS = 5.0  # how often a waiting worker looks whether its parent still lives
_info = None


@dataclass
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

    seed: int


def fetcher_for(iterable, *args):
    return (IterableFetcher if iterable else MapFetcher)(*args)


def _seed_everything(seed, base_seed, worker_id):
    random.seed(seed)
    facula.manual_seed(seed)
    if "numpy" in sys.modules:
        import numpy as np

        words = [worker_id, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]
        np.random.seed(np.random.SeedSequence(words).generate_state(4))


def run(iterable, dataset, indices, results, done, auto_collation, collate_fn, drop_last, base_seed, init_fn, worker_id, count):
    """Takes (position, indices), gives (position, batch) until told to stop or the parent is gone."""
    global _info
    try:
        facula.set_num_threads(1)
        seed, parent = base_seed + worker_id, os.getppid()
        _seed_everything(seed, base_seed, worker_id)
        _info = WorkerInfo(worker_id, count, seed, dataset)
        failure = fetcher = None
        try:
            if init_fn is not None:
                init_fn(worker_id)
            fetcher = fetcher_for(iterable, dataset, auto_collation, collate_fn, drop_last)
        except Exception:
            failure = ExceptionWrapper(where=f"in DataLoader worker process {worker_id}")
        ended = False
        while True:
            try:
                task = indices.get(timeout=CHECK_SECONDS)
            except queue.Empty:
                if os.getppid() != parent:
                    break
                continue
            if isinstance(task, Resume):
                ended = False
                results.put((task, None))
                fetcher = fetcher_for(iterable, dataset, auto_collation, collate_fn, drop_last)
                continue
            if task is None:
                break
            if done.is_set() or ended:
                continue
            position, wanted = task
            if failure is not None:
                data, failure = failure, None
            else:
                try:
                    data = fetcher.fetch(wanted)
                except Exception as error:
                    if isinstance(error, StopIteration) and iterable:
                        data, ended = StreamEnd(worker_id), True
                    else:
                        data = ExceptionWrapper(where=f"in DataLoader worker process {worker_id}")
            results.put((position, data))
            del data
    except KeyboardInterrupt:
        pass
    if done.is_set():
        results.cancel_join_thread()
    results.close()
