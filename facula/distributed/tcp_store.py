"""A store that one process keeps and the others reach over TCP.

A message is a length of 4 bytes and a body; a body is a list of fields, each with its length. Requests: a word, then its
fields. Answers: "ok" and fields, or "timeout" and the missing key.
"""

from __future__ import annotations

import socket
import struct
import threading
import time

from .errors import DistNetworkError, DistStoreError
from .store import DEFAULT_TIMEOUT, HashStore, Store, seconds_of

_LIMIT = 1 << 30  # bytes of one message: a stray connection must not make us allocate more


def pack(*fields):
    body = b"".join(struct.pack("<I", len(f)) + f for f in fields)
    return struct.pack("<I", len(body)) + body


def read_exactly(connection, count):
    """`count` bytes of a socket; raises ConnectionError where it ends before."""
    parts = bytearray(count)
    view, got = memoryview(parts), 0
    while got < count:
        n = connection.recv_into(view[got:])
        if not n:
            raise ConnectionError("connection closed")
        got += n
    return parts


def unpack(connection):
    """The fields of the next message."""
    size, = struct.unpack("<I", read_exactly(connection, 4))
    if size > _LIMIT:
        raise ConnectionError("not a store's message")
    body, fields, at = read_exactly(connection, size), [], 0
    while at < size:
        n, = struct.unpack_from("<I", body, at)
        fields.append(bytes(body[at + 4:at + 4 + n]))
        at += 4 + n
    return fields


class _Server:
    """Keeps the keys; a thread per connection."""

    def __init__(self, host, port, listener=None):
        self.store = HashStore()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listener = listener or socket.create_server(("", port) if family == socket.AF_INET else ("::", port), family=family, backlog=1024)
        self.port = self.listener.getsockname()[1]
        self.connections = set()
        threading.Thread(target=self._accept, name="facula-store", daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), name="facula-store", daemon=True).start()

    def _serve(self, connection):
        try:
            while True:
                connection.sendall(self._answer(*unpack(connection)))
        except (OSError, ValueError, struct.error, IndexError):
            pass
        finally:
            self.connections.discard(connection)
            connection.close()

    def _answer(self, what, *fields):
        what = what.decode()
        if what == "get":
            keys = [f.decode() for f in fields[1:]]
            try:
                return pack(b"ok", *self.store._lookup(keys, float(fields[0])))
            except DistStoreError:
                missing = [k for k in keys if not self.store._has([k])]
                return pack(b"timeout", (missing or keys)[0].encode())
        if what == "has":
            return pack(b"ok", b"1" if self.store._has([f.decode() for f in fields]) else b"0")
        if what == "count":
            return pack(b"ok", str(self.store.num_keys()).encode())
        return pack(b"ok", self.store._update(fields[0].decode(), (what, *fields[1:])))

    def close(self):
        for s in (self.listener, *self.connections):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()


_servers: dict = {}  # of this process, by port: `multi_tenant` stores share one


class TCPStore(Store):
    """A store at `host_name:port`; the master process keeps it.

    Args:
        host_name: Where the master is.
        port: Its port; 0 lets the system choose (then see `.port`).
        world_size: How many processes will connect; None for any number.
        is_master: Whether this process keeps the keys.
        timeout: For connecting, and of `get` and `wait`.
        wait_for_workers: Whether the master waits until all have connected.

    Raises:
        DistNetworkError: Nobody answers there in time, or the port is taken.
    """

    def __init__(self, host_name, port, world_size=None, is_master=False, timeout=DEFAULT_TIMEOUT, wait_for_workers=True, multi_tenant=False,
                 master_listen_fd=None, use_libuv=True):
        super().__init__()
        self.host, self._timeout, self.world_size, self._server = host_name, timeout, world_size, None
        self._lock = threading.Lock()
        if is_master:
            self._server = self._serve(port, multi_tenant, master_listen_fd)
            port = self._server.port
        self.port, self.libuvBackend = port, use_libuv
        self._connection = self._connect(seconds_of(timeout))
        if wait_for_workers and world_size is not None and world_size > 0:
            arrived = self.add("\0workers", 1)
            if is_master:
                self._await_workers(arrived)

    def _serve(self, port, multi_tenant, fd):
        if multi_tenant and port in _servers:
            return _servers[port]
        try:
            made = _Server(self.host, port, socket.socket(fileno=fd) if fd is not None else None)
        except OSError as error:
            raise DistNetworkError(f"The server socket has failed to listen on any local network address. port: {port}, {error.strerror} "
                                   f"(EADDRINUSE means that another program, or an earlier run of this one, has the port)") from None
        if multi_tenant:
            _servers[made.port] = made
        return made

    def _connect(self, timeout):
        end, pause = time.monotonic() + timeout, 0.01
        while True:
            left = end - time.monotonic()
            try:
                connection = socket.create_connection(("127.0.0.1" if self._server and ":" not in self.host else self.host, self.port), max(left, 0.001))
                connection.settimeout(None)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return connection
            except socket.gaierror as error:
                raise DistNetworkError(f"The client socket has failed to resolve the host name {self.host!r}: {error.strerror}") from None
            except OSError:
                if time.monotonic() + pause >= end:
                    raise DistNetworkError(f"The client socket has timed out after {round(timeout * 1000)}ms while trying to connect to "
                                           f"({self.host}, {self.port}).") from None
            time.sleep(pause)
            pause = min(pause * 1.5, 0.5)

    def _await_workers(self, arrived):
        end = time.monotonic() + seconds_of(self._timeout)
        while arrived < self.world_size:
            if time.monotonic() > end:
                raise DistStoreError(f"Timed out after {round(seconds_of(self._timeout))} seconds waiting for clients. {arrived}/{self.world_size} "
                                     "clients joined.")
            time.sleep(0.005)
            arrived = self.add("\0workers", 0)

    def _ask(self, *fields):
        with self._lock:
            try:
                self._connection.sendall(pack(*fields))
                answer, *rest = unpack(self._connection)
            except OSError as error:
                raise DistNetworkError(f"the store at {self.host}:{self.port} is gone ({error}): the process that keeps it has ended") from None
        return answer, rest

    def _update(self, key, order):
        return self._ask(order[0].encode(), key.encode(), *order[1:])[1][0]

    def _lookup(self, keys, timeout):
        answer, fields = self._ask(b"get", str(timeout).encode(), *(k.encode() for k in keys))
        if answer == b"timeout":
            raise DistStoreError(f"wait timeout after {round(timeout * 1000)}ms, keys: /{fields[0].decode()}")
        return fields

    def _has(self, keys):
        return self._ask(b"has", *(k.encode() for k in keys))[1][0] == b"1"

    def num_keys(self):
        return int(self._ask(b"count")[1][0]) - int(self._has(["\0workers"]))

    @property
    def local_address(self):
        """The address under which this machine reaches the master."""
        return self._connection.getsockname()[0]

    def clone(self):
        """Another connection to the same store, so that two threads do not wait for each other."""
        return TCPStore(self.host, self.port, None, False, self._timeout, False)

    def close(self):
        self._connection.close()
        if self._server is not None and _servers.get(self._server.port) is not self._server:
            self._server.close()

    def __repr__(self):
        server = f", server=TCPServer(port={self.port})" if self._server else ""
        return f"TCPStore(client=TCPClient(remote={self.host}:{self.port}){server})"
