"""PyTorch's archive: a zip file of uncompressed records whose data start at multiples of 64 bytes."""

from __future__ import annotations

import io
import struct
import zlib

ALIGNMENT = 64
_CORRUPT = ("This is an internal error of the zip archive. If you are seeing this error, there is a high likelihood that your checkpoint "
            "file is corrupted: not saved properly, transferred incorrectly, or modified after saving.")
_DATE = (0, 33)  # midnight, 1 January 1980: equal content gives equal files


class Writer:
    """Writes records one after the other; needs nothing of the file but `write`."""

    def __init__(self, file, name):
        self.file, self.name = file, name
        self.offset, self.entries = 0, []

    def _write(self, data):
        self.file.write(data)
        self.offset += len(data)

    def record(self, name, data):
        """Adds a record; `data` is bytes or a memoryview of bytes."""
        path = f"{self.name}/{name}".encode()
        size, checksum = len(data), zlib.crc32(data)
        large = size >= 0xFFFFFFFF
        extra = struct.pack("<HHQQ", 1, 16, size, size) if large else b""
        start = self.offset + 30 + len(path) + len(extra) + 4
        padding = -start % ALIGNMENT
        header = struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 45 if large else 0, 0x0800, 0, *_DATE, checksum,
                             *(2 * (0xFFFFFFFF if large else size,)), len(path), len(extra) + 4 + padding)
        self.entries.append((path, self.offset, checksum, size))
        self._write(header + path + extra + struct.pack("<2sH", b"FB", padding) + b"Z" * padding)
        self._write(data)

    def close(self):
        """Writes the directory."""
        start = self.offset
        for path, offset, checksum, size in self.entries:
            wide = [v for v in (size, size, offset) if v >= 0xFFFFFFFF]
            extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
            self._write(struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\1\2", 0, 45 if wide else 0, 0x0800, 0, *_DATE, checksum,
                                    min(size, 0xFFFFFFFF), min(size, 0xFFFFFFFF), len(path), len(extra), 0, 0, 0, 0,
                                    min(offset, 0xFFFFFFFF)) + path + extra)
        length, count = self.offset - start, len(self.entries)
        if start >= 0xFFFFFFFF or length >= 0xFFFFFFFF or count >= 0xFFFF:
            end = self.offset
            self._write(struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, length, start))
            self._write(struct.pack("<4sIQI", b"PK\6\7", 0, end, 1))
        self._write(struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, min(count, 0xFFFF), min(count, 0xFFFF), min(length, 0xFFFFFFFF),
                                min(start, 0xFFFFFFFF), 0))


class Reader:
    """Reads records, checking every place and size against the file."""

    def __init__(self, file):
        import zipfile  # here: it is slow to import

        self.file = file
        try:
            self.zip = zipfile.ZipFile(file)
        except Exception as error:  # zipfile lets many kinds through
            raise RuntimeError(f"PytorchStreamReader failed reading zip archive: failed finding central directory ({error}). "
                               + _CORRUPT) from None
        paths = self.zip.namelist()
        root = next((p.rpartition("/")[0] for p in paths if p.count("/") == 1 and p.endswith("/data.pkl")), None)
        if root is None:
            root = paths[0].partition("/")[0] if paths else ""
        self.root = root
        self.infos = {p[len(root) + 1:]: self.zip.getinfo(p) for p in paths if p.startswith(root + "/")}
        self._check_places(file)

    def _check_places(self, file):
        """Refuses records that overlap or claim sizes that their bytes in the file cannot have."""
        end, free = file.seek(0, 2), 0
        for info in sorted(self.infos.values(), key=lambda i: i.header_offset):
            stop = info.header_offset + 30 + info.compress_size
            largest = info.compress_size if info.compress_type == 0 else 1100 * info.compress_size + 1024  # deflate's best
            if info.header_offset < free or stop > end or info.file_size > largest:
                raise RuntimeError(f"PytorchStreamReader failed reading zip archive: the record {info.filename!r} overlaps another one or "
                                   f"does not fit into the file. {_CORRUPT}")
            free = stop

    def __contains__(self, name):
        return name in self.infos

    def _info(self, name):
        info = self.infos.get(name)
        if info is None:
            raise RuntimeError(f"PytorchStreamReader failed locating file {name}: file not found")
        return info

    def read(self, name):
        """A whole record as bytes; its checksum is verified."""
        info = self._info(name)
        try:
            return self.zip.read(info)
        except Exception as error:  # zipfile lets many kinds through
            raise RuntimeError(f"PytorchStreamReader failed reading file {name}: {error}. " + _CORRUPT) from None

    def size(self, name):
        return self._info(name).file_size

    def stored(self, name):
        """Whether the record's bytes stand in the file as they are."""
        return self._info(name).compress_type == 0

    def offset(self, name):
        """Where a stored record's bytes start in the file."""
        info = self._info(name)
        self.file.seek(info.header_offset)
        header = self.file.read(30)
        if len(header) < 30 or header[:4] != b"PK\3\4":
            raise RuntimeError(f"PytorchStreamReader failed reading file {name}: no local header. " + _CORRUPT)
        lengths = struct.unpack("<HH", header[26:30])
        return info.header_offset + 30 + sum(lengths)

    def read_into(self, name, target):
        """Fills a writable memoryview of exactly the record's size."""
        if self.size(name) != len(target):
            raise RuntimeError(f"PytorchStreamReader failed reading file {name}: it has {self.size(name)} bytes, expected "
                               f"{len(target)}. " + _CORRUPT)
        if not self.stored(name):
            target[:] = self.read(name)
            return
        self.file.seek(self.offset(name))
        done = 0
        while done < len(target):
            if hasattr(self.file, "readinto"):
                count = self.file.readinto(target[done:])
            else:
                part = self.file.read(len(target) - done)
                target[done:done + len(part)] = part
                count = len(part)
            if not count:
                raise RuntimeError(f"PytorchStreamReader failed reading file {name}: the file ends after {done} of {len(target)} "
                                   "bytes. " + _CORRUPT)
            done += count


def is_zip(file):
    """Whether a file starts like a zip archive; its position stays."""
    at = file.tell()
    start = file.read(4)
    file.seek(at)
    return start == b"PK\3\4"


def seekable(file):
    """The file itself if it can seek, otherwise its content in memory."""
    try:
        file.seek(file.tell())
        return file
    except (AttributeError, OSError, io.UnsupportedOperation):
        return io.BytesIO(file.read())
