"""Values that come later."""

from __future__ import annotations

import concurrent.futures

__all__ = ["Future", "collect_all", "wait_all"]


class Future:
    """A value that is set once, by whoever computes it."""

    def __init__(self, *, devices=None):
        self._inner = concurrent.futures.Future()

    def done(self):
        """Whether there is a value or an error."""
        return self._inner.done()

    def wait(self):
        """The value; raises the error if there is one."""
        return self._inner.result()

    def value(self):
        """The value of a future that is done."""
        if not self.done():
            raise RuntimeError("Future is not completed yet: call wait()")
        return self._inner.result()

    def set_result(self, result):
        """Gives the value; once only."""
        try:
            self._inner.set_result(result)
        except concurrent.futures.InvalidStateError:
            raise RuntimeError("Future can only be set once") from None

    def set_exception(self, result):
        """Gives an error instead of a value."""
        if not isinstance(result, Exception):
            raise AssertionError(f"{result} is of type {type(result)}, not an Exception.")
        try:
            self._inner.set_exception(result)
        except concurrent.futures.InvalidStateError:
            raise RuntimeError("Future can only be set once") from None

    def then(self, callback):
        """A future of what `callback(this future)` returns once this one is done."""
        following = Future()

        def run(_):
            try:
                result = callback(self)
            except Exception as error:
                following.set_exception(error)
            else:
                following.set_result(result)

        self._inner.add_done_callback(run)
        return following

    def add_done_callback(self, callback):
        """Calls `callback(this future)` once it is done."""
        self._inner.add_done_callback(lambda _: callback(self))

    def __class_getitem__(cls, item):
        return cls


def collect_all(futures):
    """A future of the list of the futures, done when all of them are."""
    futures = list(futures)
    made, left = Future(), len(futures)
    if not left:
        made.set_result([])
        return made
    import threading

    lock = threading.Lock()

    def one(_):
        nonlocal left
        with lock:
            left -= 1
            last = left == 0
        if last:
            made.set_result(futures)

    for f in futures:
        f.add_done_callback(one)
    return made


def wait_all(futures):
    """The values of all futures."""
    return [f.wait() for f in collect_all(futures).wait()]
