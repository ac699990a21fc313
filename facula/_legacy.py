"""The file format from before PyTorch 1.6: pickles one after the other, then the storages' bytes."""

from __future__ import annotations

import pickle
import struct

from . import _utils
from .storage import memory_of

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
_SYSTEM = {"protocol_version": VERSION, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}


def write(obj, file, dump, protocol):
    """Writes the object; `dump(obj, protocol, persistent_id)` gives pickles under PyTorch's names."""
    storages = {}

    def persistent_id(storage, kind, numel):
        key = str(storage._cdata)
        storages[key] = storage
        return ("storage", kind, key, str(storage.device), numel, None)

    for part in (MAGIC, VERSION, _SYSTEM):
        file.write(pickle.dumps(part, protocol=protocol))
    file.write(dump(obj, protocol, persistent_id))
    keys = sorted(storages)
    file.write(pickle.dumps(keys, protocol=protocol))
    file.flush() if hasattr(file, "flush") else None
    for key in keys:
        storage = storages[key]
        file.write(struct.pack("<q", storage.nbytes() // storage.dtype.itemsize))
        file.write(memory_of(storage._bytes.cpu()))


def read(file, unpickler, restore):
    """Reads an object; `unpickler(file, persistent_load)` makes a reader, `restore` places a storage."""
    plain = lambda: unpickler(file, None).load()  # noqa: E731
    magic = plain()
    if magic != MAGIC:
        raise RuntimeError("Invalid magic number; corrupt file?")
    version = plain()
    if version != VERSION:
        raise RuntimeError(f"Invalid protocol version: {version}")
    plain()
    made, pending = {}, {}
    at = file.tell()
    end = file.seek(0, 2)
    file.seek(at)

    def persistent_load(saved):
        if isinstance(saved, tuple) and len(saved) == 4 and saved[0] in ("module", b"module"):
            return saved[1]  # a class, with its source as it was
        if not isinstance(saved, tuple) or len(saved) < 5 or saved[0] not in ("storage", b"storage"):
            raise RuntimeError(f"Unknown saved id type: {saved[0] if isinstance(saved, tuple) and saved else saved}")
        _, kind, key, location, numel = saved[:5]
        if key not in made:
            _check_room(file, end, kind, numel)
            made[key], pending[key] = restore(kind, numel, location, None)
        storage = made[key]
        window = saved[5] if len(saved) > 5 else None
        return storage if window is None else storage[window[1]:window[1] + window[2]]

    with _utils.data_comes_later():
        result = unpickler(file, persistent_load).load()
        _read_storages(file, plain(), made, pending)
    return result


def _check_room(file, end, kind, numel):
    """Refuses a storage that is larger than what is left of the file, before memory is taken for it."""
    size = getattr(getattr(kind, "dtype", None), "itemsize", 1)
    if not isinstance(numel, int) or not 0 <= numel * size <= end - file.tell():
        raise RuntimeError(f"corrupt file: a storage of {numel!r:.100} elements in a file of {end} bytes")


def _read_storages(file, keys, made, pending):
    """The bytes of the storages, one after the other in the order of their keys."""
    if not isinstance(keys, list):
        raise RuntimeError("corrupt file: no list of storages")
    for key in keys:
        if key not in made:
            raise RuntimeError(f"corrupt file: storage {key!r} belongs to no tensor")
        header = file.read(8)
        if len(header) < 8:
            raise EOFError("unexpected EOF: the file ends before its storages; it might be corrupted")
        count, = struct.unpack("<q", header)
        target = pending[key]
        expected = made[key].nbytes()
        if count * made[key].dtype.itemsize != expected:
            raise RuntimeError(f"corrupt file: storage {key!r} has {count} elements, expected "
                               f"{expected // made[key].dtype.itemsize}")
        data = file.read(expected)
        if len(data) < expected:
            raise EOFError(f"unexpected EOF, expected {expected - len(data)} more bytes. The file might be corrupted.")
        if target is not None:
            memory_of(target)[:] = data
