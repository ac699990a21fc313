"""Stores: small key-value maps through which processes find each other. In memory, in a file, over TCP, under a prefix."""

from __future__ import annotations

import datetime
import fcntl
import os
import threading
import time

from .errors import DistStoreError

DEFAULT_TIMEOUT = datetime.timedelta(seconds=300)


def seconds_of(timeout):
    """A timeout (timedelta or number of seconds) as seconds."""
    return timeout.total_seconds() if isinstance(timeout, datetime.timedelta) else float(timeout)


def as_bytes(value):
    return value if isinstance(value, bytes) else bytes(value) if isinstance(value, (bytearray, memoryview)) else str(value).encode()


class Store:
    """What all stores do. A subclass gives `_update(key, change)`, `_lookup(keys, timeout)`, `_has(keys)` and `num_keys`.

    Values are bytes; text is encoded. `get` and `wait` wait until the keys are there.
    """

    def __init__(self):
        self._timeout = DEFAULT_TIMEOUT

    @property
    def timeout(self):
        return self._timeout

    def set_timeout(self, timeout):
        """How long `get` and `wait` wait by default."""
        self._timeout = timeout

    def set(self, key, value):
        """Stores a value."""
        self._update(key, ("set", as_bytes(value)))

    def get(self, key):
        """The value, once it is there."""
        return self._lookup([key], seconds_of(self._timeout))[0]

    def add(self, key, amount):
        """Adds to a counter, which begins at 0; gives the sum."""
        return int(self._update(key, ("add", str(int(amount)).encode())))

    def append(self, key, value):
        """Adds bytes to the end of a value."""
        self._update(key, ("append", as_bytes(value)))

    def compare_set(self, key, expected_value, desired_value):
        """Sets the value if it is the expected one (or there is none and "" is expected); gives what is there then."""
        return self._update(key, ("compare", as_bytes(expected_value), as_bytes(desired_value)))

    def delete_key(self, key):
        """Removes a key; tells whether it was there."""
        return self._update(key, ("delete",)) == b"1"

    def wait(self, keys, timeout=None):
        """Waits until all keys are there."""
        self._lookup(list(keys), seconds_of(timeout if timeout is not None else self._timeout))

    def check(self, keys):
        """Whether all keys are there."""
        return self._has(list(keys))

    def multi_get(self, keys):
        """The values of several keys."""
        return self._lookup(list(keys), seconds_of(self._timeout))

    def multi_set(self, keys, values):
        """Stores several values."""
        for key, value in zip(keys, values, strict=True):
            self.set(key, value)

    def has_extended_api(self):
        return True

    def num_keys(self):
        """Number of keys."""
        raise NotImplementedError

    def clone(self):
        return self


def change(data, key, order):
    """Carries out an order on a dict of bytes; gives the answer."""
    what, *values = order
    if what == "set":
        data[key] = values[0]
        return b""
    if what == "add":
        data[key] = str(int(data.get(key, b"0")) + int(values[0])).encode()
        return data[key]
    if what == "append":
        data[key] = data.get(key, b"") + values[0]
        return b""
    if what == "compare":
        expected, desired = values
        if key not in data:
            if expected:
                return expected
            data[key] = desired
        elif data[key] == expected:
            data[key] = desired
        return data[key]
    if what == "delete":
        return b"1" if data.pop(key, None) is not None else b"0"
    raise ValueError(f"unknown order {what!r} to a store")


class HashStore(Store):
    """A store in this process's memory, for threads and tests."""

    def __init__(self):
        super().__init__()
        self._data, self._changed = {}, threading.Condition()

    def _update(self, key, order):
        with self._changed:
            answer = change(self._data, key, order)
            self._changed.notify_all()
        return answer

    def _lookup(self, keys, timeout):
        with self._changed:
            if not self._changed.wait_for(lambda: all(k in self._data for k in keys), timeout):
                raise DistStoreError("Wait timeout")
            return [self._data[k] for k in keys]

    def _has(self, keys):
        with self._changed:
            return all(k in self._data for k in keys)

    def num_keys(self):
        return len(self._data)


class FileStore(Store):
    """A store in a file that all processes reach; the last of `world_size` processes removes it.

    The file is a log of changes; each process replays what is new. A lock orders the writers.
    """

    def __init__(self, file_name, world_size=-1):
        super().__init__()
        self.path, self.world_size = os.fspath(file_name), world_size
        self._data, self._read, self._lock = {}, 0, threading.Lock()
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        self._closed = False

    def _replay(self):
        size = os.fstat(self._file).st_size
        if size <= self._read:
            return
        log = os.pread(self._file, size - self._read, self._read)
        at = 0
        while True:  # a record: lengths of its fields, then the fields
            head = log[at:at + 16]
            if len(head) < 16:
                break
            key, value = int.from_bytes(head[:8], "little"), int.from_bytes(head[8:], "little")
            gone, value = value == 1 << 63, 0 if value == 1 << 63 else value
            if at + 16 + key + value > len(log):
                break
            name = log[at + 16:at + 16 + key].decode()
            if gone:
                self._data.pop(name, None)
            else:
                self._data[name] = log[at + 16 + key:at + 16 + key + value]
            at += 16 + key + value
        self._read += at

    def _update(self, key, order):
        with self._lock:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                self._replay()
                answer = change(self._data, key, order)
                name, value = key.encode(), self._data.get(key)
                size = 1 << 63 if value is None else len(value)
                record = len(name).to_bytes(8, "little") + size.to_bytes(8, "little") + name + (value or b"")
                os.pwrite(self._file, record, self._read)
                self._read += len(record)
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)
        return answer

    def _refresh(self):
        with self._lock:
            fcntl.lockf(self._file, fcntl.LOCK_SH)
            try:
                self._replay()
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _lookup(self, keys, timeout):
        end, pause = time.monotonic() + timeout, 0.0005
        while True:
            self._refresh()
            missing = [k for k in keys if k not in self._data]
            if not missing:
                return [self._data[k] for k in keys]
            if time.monotonic() >= end:
                raise DistStoreError(f"Timeout waiting for key: {missing[0]} after {round(timeout * 1000)} ms")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.01)

    def _has(self, keys):
        self._refresh()
        return all(k in self._data for k in keys)

    def num_keys(self):
        self._refresh()
        return len(self._data)

    def close(self):
        """Leaves the store; the last of its processes removes the file."""
        if self._closed:
            return
        self._closed = True
        try:
            last = self.world_size > 0 and self.add("\0left", 1) >= self.world_size
            os.close(self._file)
            if last:
                os.unlink(self.path)
        except OSError:
            pass

    def __del__(self):
        if not getattr(self, "_closed", True):
            self.close()


class PrefixStore(Store):
    """Another store whose keys begin with a prefix."""

    def __init__(self, prefix, store):
        super().__init__()
        self._prefix, self.underlying_store = prefix + "/", store
        self._timeout = store.timeout

    def _name(self, key):
        return self._prefix + key

    def _update(self, key, order):
        return self.underlying_store._update(self._name(key), order)

    def _lookup(self, keys, timeout):
        return self.underlying_store._lookup([self._name(k) for k in keys], timeout)

    def _has(self, keys):
        return self.underlying_store._has([self._name(k) for k in keys])

    def num_keys(self):
        return self.underlying_store.num_keys()
