"""Connections between all processes of a job, and messages over them.

Each pair of processes has one TCP connection. A message has a channel (two numbers), so that groups, tags and overlapping
collectives do not mix. A thread per connection puts what arrives where a posted receive wants it, or keeps it until one
comes: sends never wait for a receiver's program, only for its machine. When a connection ends, everyone who waits for that
process is told at once.
"""

from __future__ import annotations

import collections
import os
import secrets
import socket
import struct
import threading
import time

from .errors import DistBackendError, DistNetworkError
from .tcp_store import read_exactly

_HEAD = struct.Struct("<QqQ")  # group, channel, bytes
_BYE = (1 << 64) - 1
_BUFFER = 4 << 20  # bytes of a socket's buffers


class Receipt:
    """A receive that was asked for: the bytes come into `view`, or into `data` where there is none."""

    __slots__ = ("view", "data", "error", "done", "peer")

    def __init__(self, peer, view=None):
        self.peer, self.view, self.data, self.error, self.done = peer, view, None, None, threading.Event()

    def finish(self, data=None, error=None):
        self.data, self.error = data, error
        self.done.set()

    def wait(self, timeout, what):
        """Waits for the message; gives its bytes if no place was given for them."""
        if not self.done.wait(timeout):
            self.wait_failed(timeout, what)
        if self.error is not None:
            raise DistBackendError(f"{what}: {self.error}")
        return self.data


    def wait_failed(self, timeout, what):
        raise DistBackendError(f"{what}: timed out after {round(timeout * 1000)}ms waiting for rank {self.peer}: it has not called the matching "
                               "function (or is far behind)")


class Mesh:
    """This process's connections to all others.

    Args:
        rank: Its number.
        size: How many there are.
        store: Where addresses are exchanged, under keys that belong to this mesh.
        timeout: Seconds for connecting.
    """

    def __init__(self, rank, size, store, timeout):
        self.rank, self.size = rank, size
        self._lock = threading.Lock()
        self._posted = collections.defaultdict(collections.deque)   # (peer, group, channel) -> receipts
        self._arrived = collections.defaultdict(collections.deque)  # (peer, group, channel) -> bytes
        self._any = threading.Condition(self._lock)
        self._lost: dict[int, str] = {}
        self._left: set[int] = set()  # those of the lost who said so
        self._sockets: dict[int, socket.socket] = {}
        self._send_locks = {p: threading.Lock() for p in range(size)}
        self._closing = False
        if size > 1:
            self._connect_all(store, timeout)

    # ------------------------------------------------------------ connecting

    def _connect_all(self, store, timeout):
        if self.rank == 0:
            store.set("token", secrets.token_hex(16))
        token = bytes(store.get("token"))
        listener = socket.create_server(("", 0), backlog=self.size)
        listener.settimeout(timeout)
        store.set(f"address/{self.rank}", " ".join((str(listener.getsockname()[1]), *_addresses(store))))
        end = time.monotonic() + timeout
        for peer in range(self.rank):
            port, *hosts = bytes(store.get(f"address/{peer}")).decode().split()
            self._adopt(peer, self._dial(peer, hosts, int(port), token, end))
        while len(self._sockets) < self.size - 1:
            self._answer(listener, token, end)
        listener.close()
        for peer in self._sockets:
            threading.Thread(target=self._receive, args=(peer,), name=f"facula-rank-{peer}", daemon=True).start()

    def _dial(self, peer, hosts, port, token, end):
        wrong = None
        while time.monotonic() < end:
            for host in hosts:
                try:
                    connection = socket.create_connection((host, port), min(10.0, max(end - time.monotonic(), 0.01)))
                    connection.sendall(token + struct.pack("<II", self.rank, peer))
                    connection.settimeout(max(end - time.monotonic(), 0.01))
                    if read_exactly(connection, 4) == b"fine":
                        return connection
                except OSError as error:
                    wrong = error
            time.sleep(0.05)
        raise DistNetworkError(f"rank {self.rank} cannot connect to rank {peer} at {', '.join(hosts)} port {port}: {wrong}. Both machines must reach each "
                               "other; FACULA_SOCKET_ADDRESS names the address to use where a machine has several")

    def _answer(self, listener, token, end):
        listener.settimeout(max(end - time.monotonic(), 0.01))
        try:
            connection, _ = listener.accept()
        except (TimeoutError, OSError):
            missing = [p for p in range(self.rank + 1, self.size) if p not in self._sockets]
            raise DistNetworkError(f"rank {self.rank}: ranks {missing} have not connected in time") from None
        try:
            connection.settimeout(10.0)
            hello = read_exactly(connection, len(token) + 8)
            peer, me = struct.unpack("<II", hello[len(token):])
            if not secrets.compare_digest(bytes(hello[:len(token)]), token) or me != self.rank or peer in self._sockets or not self.rank < peer < self.size:
                raise ConnectionError("a stranger")
            connection.sendall(b"fine")
            self._adopt(peer, connection)
        except OSError:
            connection.close()

    def _adopt(self, peer, connection):
        connection.settimeout(None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 6)):  # a machine that vanished is noticed too
            if hasattr(socket, name):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            connection.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
        self._sockets[peer] = connection

    # ------------------------------------------------------------ receiving

    def _receive(self, peer):
        connection = self._sockets[peer]
        try:
            while True:
                group, channel, count = _HEAD.unpack(read_exactly(connection, _HEAD.size))
                if group == _BYE:
                    self._left.add(peer)
                    return self._lose(peer, f"rank {peer} has left: it called destroy_process_group or ended")
                self._take(connection, (peer, group, channel), count)
        except OSError as error:
            self._lose(peer, f"Connection closed by peer: rank {peer} has ended or failed ({error}); see that process's own output")

    def _take(self, connection, key, count):
        """Reads one message to where it belongs."""
        with self._lock:
            waiting = self._posted.get(key)
            receipt = waiting.popleft() if waiting else None
        if receipt is None:
            data = read_exactly(connection, count)
            with self._lock:
                waiting = self._posted.get(key)  # one may have come meanwhile
                if not waiting:
                    self._arrived[key].append(data)
                    self._any.notify_all()
                    return
                receipt = waiting.popleft()
            _fill(receipt, data)
        elif receipt.view is None:
            receipt.finish(read_exactly(connection, count))
        elif len(receipt.view) != count:
            _fill(receipt, read_exactly(connection, count))
        else:
            got = 0
            try:
                while got < count:
                    n = connection.recv_into(receipt.view[got:])
                    if not n:
                        raise ConnectionError("connection closed")
                    got += n
            except OSError:
                receipt.finish(error=f"Connection closed by peer: rank {key[0]} has ended or failed in the middle of a message")
                raise
            receipt.finish()

    def _lose(self, peer, why):
        with self._lock:
            self._lost[peer] = why
            receipts = [r for key, waiting in self._posted.items() if key[0] == peer for r in waiting]
            for key in [k for k in self._posted if k[0] == peer]:
                del self._posted[key]
            self._any.notify_all()
        for r in receipts:
            r.finish(error=why)

    def post(self, peer, group, channel, view=None):
        """Asks for the next message of a channel from a process; its bytes go to `view`."""
        receipt, key = Receipt(peer, view), (peer, group, channel)
        with self._lock:
            arrived = self._arrived.get(key)
            if arrived:
                data = arrived.popleft()
                if not arrived:
                    del self._arrived[key]
            elif peer in self._lost:
                receipt.finish(error=self._lost[peer])
                return receipt
            else:
                self._posted[key].append(receipt)
                return receipt
        _fill(receipt, data)
        return receipt

    def first_of(self, peers, group, channel, timeout):
        """(process, bytes) of the first message on a channel from any of several processes."""
        def found():
            return next((p for p in peers if self._arrived.get((p, group, channel))), None)

        with self._lock:
            if not self._any.wait_for(lambda: found() is not None or all(p in self._lost for p in peers), timeout):
                raise DistBackendError(f"recv: timed out after {round(timeout * 1000)}ms waiting for a message from any rank")
            peer = found()
            if peer is None:
                raise DistBackendError("recv: all other processes have ended or left")
            return peer, self._arrived[peer, group, channel].popleft()

    def failure(self, peers):
        """How one of these processes failed, or None; those that left in order do not count."""
        return next((self._lost[p] for p in peers if p in self._lost and p not in self._left), None)

    # ------------------------------------------------------------ sending

    def send(self, peer, group, channel, view):
        """Sends bytes; returns when they are on their way."""
        connection = self._sockets.get(peer)
        try:
            with self._send_locks[peer]:
                if len(view) < 65536:
                    connection.sendall(b"".join((_HEAD.pack(group, channel, len(view)), view)))
                else:
                    connection.sendall(_HEAD.pack(group, channel, len(view)))
                    connection.sendall(view)
        except OSError as error:
            why = self._lost.get(peer) or f"Connection closed by peer: rank {peer} has ended or failed ({error}); see that process's own output"
            raise DistBackendError(f"send: {why}") from None

    def close(self):
        """Tells the others that this process leaves, and ends the connections."""
        if self._closing:
            return
        self._closing = True
        for peer, connection in self._sockets.items():
            try:
                with self._send_locks[peer]:
                    connection.sendall(_HEAD.pack(_BYE, 0, 0))
                    connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass


def _fill(receipt, data):
    if receipt.view is None:
        receipt.finish(data)
    elif len(receipt.view) != len(data):
        receipt.finish(error=f"rank {receipt.peer} sent {len(data)} bytes where {len(receipt.view)} were expected: the tensors of both sides "
                             "differ in size or dtype")
    else:
        receipt.view[:] = data
        receipt.finish()


def _addresses(store):
    """Addresses under which other processes may reach this one, the likeliest first."""
    chosen = os.environ.get("FACULA_SOCKET_ADDRESS")
    if chosen:
        return [chosen]
    while hasattr(store, "underlying_store"):
        store = store.underlying_store
    known = getattr(store, "local_address", None)
    if known is not None and (known.startswith("127.") or known == "::1"):
        return ["127.0.0.1"]
    found = [known] if known is not None and ":" not in known else []
    try:
        found += [host for host in socket.gethostbyname_ex(socket.gethostname())[2] if host not in found]
    except OSError:
        pass
    return ["127.0.0.1", *found] if known is None else found
