"""PyTorch's archives record by record."""

from __future__ import annotations

import facula

from . import _zip
from .storage import memory_of


class PyTorchFileReader:
    """Reads the records of an archive.

    Args:
        name_or_buffer: Path, or file open for reading bytes.
    """

    def __init__(self, name_or_buffer):
        self._own = open(name_or_buffer, "rb") if not hasattr(name_or_buffer, "read") else None
        self._reader = _zip.Reader(self._own or name_or_buffer)

    def has_record(self, name):
        return name in self._reader

    def get_record(self, name):
        """A record's bytes."""
        return self._reader.read(name)

    def get_all_records(self):
        return list(self._reader.infos)

    def get_record_offset(self, name):
        """Where a record's bytes start in the file."""
        return self._reader.offset(name)

    def get_record_size(self, name):
        return self._reader.size(name)

    def archive_name(self):
        return self._reader.root

    def get_storage_from_record(self, name, numel, dtype):
        """A tensor of a record's elements."""
        data = facula.empty(numel, dtype=dtype)
        self._reader.read_into(name, memory_of(data))
        return data

    def version(self):
        return int(self.get_record("version")) if self.has_record("version") else 3

    def serialization_id(self):
        return self.get_record(".data/serialization_id").decode() if self.has_record(".data/serialization_id") else ""


class PyTorchFileWriter:
    """Writes the records of an archive; `write_end_of_file` completes it.

    Args:
        name_or_buffer: Path, or file open for writing bytes.
    """

    def __init__(self, name_or_buffer, compute_crc32=True, storage_alignment=64):
        import os

        self._own = open(name_or_buffer, "wb") if not hasattr(name_or_buffer, "write") else None
        name = os.path.basename(os.fspath(name_or_buffer)).rpartition(".")[0] if self._own else "archive"
        self._writer = _zip.Writer(self._own or name_or_buffer, name or "archive")

    def write_record(self, name, data, size):
        """Adds a record: bytes, text, or a storage."""
        data = memory_of(data._bytes.cpu()) if hasattr(data, "_bytes") else data.encode() if isinstance(data, str) else data
        self._writer.record(name, memoryview(data)[:size])

    def set_min_version(self, version):
        """Accepted: the version is written as a record."""

    def write_end_of_file(self):
        self._writer.record("version", b"3\n")
        self._writer.close()
        if self._own:
            self._own.close()
