"""What `async_op=True` gives: something to wait for."""

from __future__ import annotations

import concurrent.futures


class Work:
    """A collective or message under way.

    Args:
        future: concurrent.futures.Future that ends with it.
        result: What `result()` and `get_future().value()` give, or a function that computes it.
        source: The rank that a message came from, once known.
    """

    def __init__(self, future, result=None, source=None):
        self._future, self._result, self._source = future, result, source

    def wait(self, timeout=None):
        """Waits; raises what went wrong."""
        from .store import seconds_of

        seconds = None if timeout is None or not seconds_of(timeout) else seconds_of(timeout)
        try:
            self._future.result(seconds)
        except concurrent.futures.TimeoutError:
            raise RuntimeError(f"Operation timed out after {round(seconds * 1000)}ms!") from None
        return True

    synchronize = wait

    def is_completed(self):
        return self._future.done()

    def is_success(self):
        return self._future.done() and self._future.exception() is None

    def exception(self):
        """What went wrong, or None."""
        return self._future.exception() if self._future.done() else None

    def result(self):
        """The tensors, once they are there."""
        self.wait()
        return self._result() if callable(self._result) else self._result

    def source_rank(self):
        """The process a received message came from."""
        self.wait()
        return self._source() if callable(self._source) else self._source

    def get_future(self):
        """A `futures.Future` of the resulting tensors."""
        from ..futures import Future

        made = Future()

        def done(future):
            error = future.exception()
            made.set_exception(error) if error is not None else made.set_result(self._result() if callable(self._result) else self._result)

        self._future.add_done_callback(done)
        return made


def finished(result=None):
    """A Work that is done."""
    future = concurrent.futures.Future()
    future.set_result(None)
    return Work(future, result)
