"""The socket between a loader and one of its workers: pickled objects with the descriptors of shared memory beside them."""

from __future__ import annotations

import array
import io
import os
import pickle
import select
import socket
import struct
from multiprocessing import reduction

import facula
from facula.multiprocessing import reductions

INLINE = 1 << 15  # bytes up to which a tensor is cheaper to send than to share
_MOST_FILES = 200  # descriptors in one message; the kernel takes 253
_HEADER = struct.Struct("=qqq")  # bytes of the pickle, number of the batch, descriptors
_received = []  # the descriptors of the message that is being unpickled


class _File:
    """A descriptor of the message, by its number; closed once mapped, so that batches that are kept use none up."""

    keep = False

    def __init__(self, number):
        self.number = number

    def detach(self):
        fd, _received[self.number] = _received[self.number], -1
        return fd


class _Pickler(reduction.ForkingPickler):
    def __init__(self, file):
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self.files, self.held = [], []

    def reducer_override(self, obj):
        # Not an entry in `dispatch_table`: that would be a cycle, which keeps every batch until the collector comes.
        return self.reduce_tensor(obj) if type(obj) in (facula.Tensor, facula.nn.Parameter) else NotImplemented

    def reduce_tensor(self, tensor):
        reductions.check_sendable(tensor)
        if tensor.device.type != "cpu" or tensor.layout != facula.strided:
            return tensor.__reduce_ex__(2)
        memory = tensor._storage_nbytes()
        if memory > INLINE and 2 * tensor.nbytes < memory:  # a view of something large, perhaps the dataset: only what it shows
            tensor = tensor.detach().clone().requires_grad_(tensor.requires_grad)
            memory = tensor._storage_nbytes()
        if not memory or memory <= INLINE and not reductions.is_shared(tensor) or len(self.files) == _MOST_FILES:
            return reductions.by_value(tensor)
        self.held.append(tensor)
        return reductions.by_file(tensor, self.add)

    def add(self, fd):
        self.files.append(fd)
        return _File(len(self.files) - 1)


class Channel:
    """One end of the socket.

    Args:
        end: A connected socket; the channel's `end` may be passed to a process that starts.
    """

    def __init__(self, end):
        self.end = end

    def fileno(self):
        return self.end.fileno()

    @staticmethod
    def pack(number, obj):
        """A message, ready to be sent; the last part keeps alive what its descriptors name."""
        file = io.BytesIO()
        pickler = _Pickler(file)
        pickler.dump(obj)
        body = file.getbuffer()
        return memoryview(_HEADER.pack(len(body), number, len(pickler.files)) + body), pickler.files, pickler.held

    def send(self, message):
        """Sends a packed message.

        Raises:
            BrokenPipeError: The other side is gone.
        """
        rest, files, _ = message
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))] if files else []
        sent = self.end.sendmsg([rest], ancillary)
        if sent < len(rest):
            self.end.sendall(rest[sent:])

    def send_some(self, rest):
        """Sends what fits of a message without descriptors; returns what is left."""
        try:
            return rest[self.end.send(rest, socket.MSG_DONTWAIT):]
        except BlockingIOError:
            return rest

    def receive(self):
        """The next message: its number, and a function that gives its object.

        Raises:
            EOFError: The other side is gone.
        """
        files = array.array("i")
        try:
            head, ancillary, _, _ = self.end.recvmsg(_HEADER.size, socket.CMSG_SPACE(_MOST_FILES * files.itemsize),
                                                        getattr(socket, "MSG_CMSG_CLOEXEC", 0))
            for level, kind, data in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    files.frombytes(data[:len(data) - len(data) % files.itemsize])
            if 0 < len(head) < _HEADER.size:
                head += self._exactly(_HEADER.size - len(head))
            if not head:
                raise EOFError
            size, number, count = _HEADER.unpack(head)
            body = self._exactly(size)
        except ConnectionError as error:
            raise EOFError from error
        if len(files) != count:
            raise RuntimeError(f"the system passed {len(files)} of {count} file descriptors: too many open files? (see `ulimit -n`)")
        return number, lambda: _unpickled(body, files)

    def _exactly(self, size):
        body = bytearray(size)
        view = memoryview(body)
        while view:
            count = self.end.recv_into(view, 0, socket.MSG_WAITALL)
            if not count:
                raise EOFError
            view = view[count:]
        return body

    def ready(self, seconds):
        """Whether there is something to receive (or the other side is gone) within so many seconds."""
        poll = select.poll()
        poll.register(self.end, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def close(self):
        """Ends the connection on both sides, even if another process has inherited this end."""
        try:
            self.end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.end.close()


def _unpickled(body, files):
    global _received

    before, _received = _received, files
    try:
        return pickle.loads(body)
    finally:
        _received = before
        for fd in files:
            if fd >= 0:
                os.close(fd)


def pair():
    """Two connected channels."""
    return tuple(Channel(end) for end in socket.socketpair())
