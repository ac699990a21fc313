"""A group of processes: who belongs to it, in which order it calls, how long it waits."""

from __future__ import annotations

import concurrent.futures
import itertools
import queue
import threading
import time

from . import collectives
from .errors import DistBackendError
from .store import seconds_of
from .work import Work, finished

_GRACE = 10.0  # seconds that others may still answer after a process of the group has failed


class ProcessGroup:
    """Processes that talk to each other; made by `init_process_group` and `new_group`.

    Args:
        mesh: The connections of this process.
        ranks: The members' numbers in the whole job, in the group's order.
        number: Names the group in messages; the same in all members.
        timeout: timedelta that a call may take.
    """

    def __init__(self, mesh, ranks, number, timeout, name="", description="undefined"):
        self.mesh, self.ranks, self.number, self.timeout, self.group_name = mesh, list(ranks), number, timeout, name
        self.group_desc = description
        self._rank, self._calls = self.ranks.index(mesh.rank), itertools.count(1)
        self._queue, self._queue_lock = None, threading.Lock()
        self.store = None

    def __class_getitem__(cls, item):
        return cls

    # Inside this package `rank` and `size` read as numbers; users call them.
    @property
    def rank(self):
        return _Number(self._rank)

    @property
    def size(self):
        return _Number(len(self.ranks))

    def name(self):
        return "gloo"

    def _get_backend_name(self):
        return "gloo"

    def _set_default_timeout(self, timeout):
        self.timeout = timeout

    def await_receipt(self, receipt, what):
        """Waits for a message as long as the group allows; less once one of its processes has failed."""
        limit, failed_at = time.monotonic() + seconds_of(self.timeout), None
        while not receipt.done.wait(min(0.5, max(limit - time.monotonic(), 0.0))):
            now = time.monotonic()
            why = self.mesh.failure(self.ranks)
            if why is not None:
                failed_at = now if failed_at is None else failed_at
                if now - failed_at > _GRACE:
                    raise DistBackendError(f"{what}: {why} (and rank {receipt.peer} has not answered since)")
            if now >= limit:
                break
        return receipt.wait(0, what) if receipt.done.is_set() else receipt.wait_failed(seconds_of(self.timeout), what)

    def run(self, what, function, *args, async_op=False, result=None):
        """Carries out a collective here, or on a thread of the group; gives a Work if asynchronous."""
        exchange = collectives.Exchange(self, next(self._calls), what)
        if not async_op:
            function(exchange, *args)
            return None
        return Work(self._submit(function, exchange, *args), result)

    def _submit(self, function, *args):
        with self._queue_lock:
            if self._queue is None:
                self._queue = queue.SimpleQueue()
                # One thread: calls are carried out in their order, as in all other processes. It does not keep a process alive.
                threading.Thread(target=self._work, args=(self._queue,), name=f"facula-group-{self.number}", daemon=True).start()
        future = concurrent.futures.Future()
        self._queue.put((future, lambda: function(*args)))
        return future

    @staticmethod
    def _work(tasks):
        while True:
            task = tasks.get()
            if task is None:
                return
            _settle(*task)

    def run_to_result(self, what, function, *args):
        """Like `run`, for collectives that make their result."""
        return function(collectives.Exchange(self, next(self._calls), what), *args)

    # ------------------------------------------------------------ messages

    def send_to(self, tensor, peer, tag):
        self.mesh.send(self.ranks[peer], self.number, -1 - tag, collectives.view_of(tensor.detach().contiguous()))
        return finished([tensor])

    def receive(self, tensor, peer, tag):
        """A Work that ends when the message of rank `peer` (None: of any) is in the tensor."""
        whole = tensor.is_contiguous()
        place = tensor.detach() if whole else tensor.detach().contiguous()
        if peer is None:
            return self._receive_any(tensor, place, tag)
        receipt = self.mesh.post(self.ranks[peer], self.number, -1 - tag, collectives.view_of(place))
        return _Reception(self, receipt, None if whole else (tensor, place), [tensor])

    def _receive_any(self, tensor, place, tag):
        def take():
            peers = [r for r in self.ranks if r != self.mesh.rank]
            source, data = self.mesh.first_of(peers, self.number, -1 - tag, seconds_of(self.timeout))
            view = collectives.view_of(place)
            if len(view) != len(data):
                raise DistBackendError(f"recv: rank {source} sent {len(data)} bytes where {len(view)} were expected")
            view[:] = data
            if place is not tensor:
                tensor.detach().copy_(place)
            return source

        future = concurrent.futures.Future()
        threading.Thread(target=_settle, args=(future, take), daemon=True).start()
        return Work(future, [tensor], future.result)

    def close(self):
        """Ends the group's thread once what was asked for is done."""
        if self._queue is not None:
            last = concurrent.futures.Future()
            self._queue.put((last, lambda: None))
            self._queue.put(None)
            try:
                last.result(seconds_of(self.timeout))
            except concurrent.futures.TimeoutError:
                pass


class _Number(int):
    """A number that may be called: `group.size()` and `group.size`."""

    def __call__(self):
        return int(self)


class _Reception(Work):
    """A receive: whoever waits takes the message, no thread does."""

    def __init__(self, group, receipt, copy, result):
        super().__init__(None, result, receipt.peer)
        self._group, self._receipt, self._copy, self._wrong = group, receipt, copy, None

    def wait(self, timeout=None):
        if self._wrong is not None:
            raise self._wrong
        try:
            if timeout is not None and seconds_of(timeout):
                self._receipt.wait(seconds_of(timeout), "recv")
            else:
                self._group.await_receipt(self._receipt, "recv")
        except DistBackendError as error:
            self._wrong = error
            raise
        if self._copy is not None:
            tensor, place = self._copy
            tensor.detach().copy_(place)
            self._copy = None
        return True

    synchronize = wait

    def is_completed(self):
        return self._receipt.done.is_set()

    def is_success(self):
        return self._receipt.done.is_set() and self._receipt.error is None

    def exception(self):
        return self._wrong

    def get_future(self):
        from ..futures import Future

        made = Future()
        threading.Thread(target=self._settle, args=(made,), daemon=True).start()
        return made

    def _settle(self, made):
        try:
            self.wait()
            made.set_result(self._result)
        except Exception as error:
            made.set_exception(error)


def _settle(future, function):
    try:
        future.set_result(function())
    except Exception as error:
        future.set_exception(error)
