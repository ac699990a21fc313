"""Arrays of numbers in MATLAB's files (level 5)."""

from __future__ import annotations

import struct
import zlib

_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_COMPRESSED, _MATRIX, _NUMERIC = 15, 14, range(6, 16)


def load_mat(path):
    """Dict from name to NumPy array; structures, cells and texts are left out.

    Source: "MAT-File Format", The MathWorks, chapter 1.

    Raises:
        ValueError: It is no such file, or damaged.
    """
    with open(path, "rb") as file:
        data = file.read()
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None:
        raise ValueError(f"{path}: not a MATLAB level 5 file (no byte order at byte 126)")
    found = {}
    try:
        for kind, body in _elements(data[128:], order):
            if kind == _COMPRESSED:
                (kind, body), = _elements(zlib.decompress(body), order)
            if kind == _MATRIX:
                _read_matrix(body, order, found)
    except (struct.error, zlib.error, IndexError, ValueError) as error:
        raise ValueError(f"{path}: truncated or damaged ({error})") from error
    return found


def _elements(data, order):
    """(type, bytes) of each element; short ones keep their bytes in the tag. All begin at multiples of 8."""
    at = 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from(order + "II", data, at)
        if kind >> 16:
            kind, size, start, step = kind & 0xFFFF, kind >> 16, at + 4, 8
        else:
            start, step = at + 8, 8 + size + (-size % 8 if kind != _COMPRESSED else 0)
        if start + size > len(data):
            raise IndexError(f"an element of {size} bytes at byte {at} of {len(data)}")
        yield kind, data[start:start + size]
        at += step


def _read_matrix(body, order, found):
    import numpy as np

    parts = list(_elements(body, order))
    kind = struct.unpack_from(order + "I", parts[0][1])[0] & 0xFF
    if kind not in _NUMERIC:
        return
    sizes = np.frombuffer(parts[1][1], order + "i4")
    values = np.frombuffer(parts[3][1], order + _TYPES[parts[3][0]])
    natural = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}[kind]
    found[parts[2][1].decode("latin1")] = values.astype(natural).reshape(sizes, order="F")
