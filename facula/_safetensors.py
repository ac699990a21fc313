"""Files of named tensors in the safetensors format: a length, a JSON directory, the bytes one tensor after the other."""

from __future__ import annotations

import json
import os
import struct

import facula

from ._native import core
from .storage import memory_of, tensor_on

_NAMES = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8",
          "uint64": "U64", "uint32": "U32", "uint16": "U16", "uint8": "U8", "bool": "BOOL", "complex64": "C64"}
_DTYPES = {code: getattr(core, name) for name, code in _NAMES.items()}
_LONGEST_HEADER = 100_000_000


def is_safetensors(file):
    """Whether a file starts like one; its position stays."""
    at = file.tell()
    start = file.read(9)
    file.seek(at)
    return len(start) == 9 and start[8:] == b"{" and struct.unpack("<Q", start[:8])[0] <= _LONGEST_HEADER


def write(tensors, file, metadata=None):
    """Writes a dict of tensors.

    Raises:
        TypeError: Something else stands in it.
        RuntimeError: Tensors share memory, which the format cannot express.
    """
    if not isinstance(tensors, dict) or not all(isinstance(k, str) and isinstance(v, facula.Tensor) for k, v in tensors.items()):
        raise TypeError("a .safetensors file holds a dict from names to tensors and nothing else")
    _check_shared(tensors)
    order = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))  # every tensor is aligned
    header, at = {"__metadata__": dict(metadata)} if metadata else {}, 0
    for name in order:
        x = tensors[name]
        code = _NAMES.get(str(x.dtype).rpartition(".")[2])
        if code is None:
            raise TypeError(f"the safetensors format has no dtype {x.dtype}, which tensor {name!r} has")
        end = at + x.numel() * x.dtype.itemsize
        header[name], at = {"dtype": code, "shape": list(x.shape), "data_offsets": [at, end]}, end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    file.write(struct.pack("<Q", len(text)) + text)
    for name in order:
        x = tensors[name].detach().cpu().contiguous()
        start = x.storage_offset() * x.dtype.itemsize
        file.write(memory_of(x)[start:start + x.numel() * x.dtype.itemsize])


def _check_shared(tensors):
    owners = {}
    for name, x in tensors.items():
        if x.numel() and x.device.type != "meta":
            owners.setdefault(x.untyped_storage()._cdata, []).append(name)
    for names in owners.values():
        parts = sorted((tensors[n].storage_offset(), tensors[n].storage_offset() + tensors[n].numel()) for n in names)
        if any(stop > start for (_, stop), (start, _) in zip(parts, parts[1:])):
            raise RuntimeError(f"the tensors {sorted(names)} share memory, which a .safetensors file cannot express: clone them, leave some out, or "
                               "save to another kind of file")


def read(file, place, mapped=False):
    """The tensors of a file by name; `place(storage)` puts one on its device."""
    at = file.tell()
    size = file.seek(0, 2) - at
    file.seek(at)
    header, start = _header(file, size)
    memory = None
    if mapped and size > start:
        import mmap

        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    loaded = {}
    for name, (dtype, shape, begin, end) in header.items():
        if memory is not None and (start + begin) % dtype.itemsize == 0:
            data = tensor_on(memory, start + begin, end - begin)
        else:
            data = facula.empty(end - begin, dtype=core.uint8)
            file.seek(at + start + begin)
            view, done = memory_of(data), 0
            while done < len(view):
                part = file.read(len(view) - done)
                if not part:
                    raise RuntimeError(f"the file ends within tensor {name!r}")
                view[done:done + len(part)] = part
                done += len(part)
        loaded[name] = place(data)._as_dtype(dtype, shape, _strides(shape), 0)
    return loaded


def _strides(shape):
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))


def _header(file, size):
    """({name: (dtype, shape, begin, end)}, where the bytes start), every claim checked."""
    first = file.read(8)
    length = struct.unpack("<Q", first)[0] if len(first) == 8 else size
    if length > min(_LONGEST_HEADER, size - 8):
        raise RuntimeError(f"corrupt safetensors file: a directory of {length} bytes in a file of {size}")
    try:
        entries = json.loads(file.read(length).decode(), object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise RuntimeError(f"corrupt safetensors file: its directory is no JSON ({error!s:.100})") from None
    if not isinstance(entries, dict):
        raise RuntimeError("corrupt safetensors file: its directory is no JSON object")
    entries.pop("__metadata__", None)
    header = {name: _entry(name, entry) for name, entry in entries.items()}
    reached = 0
    for name, (_, _, begin, end) in sorted(header.items(), key=lambda item: item[1][2:]):
        if begin != reached:
            raise RuntimeError(f"corrupt safetensors file: tensor {name!r} starts at {begin}, not {reached}")
        reached = end
    if reached != size - 8 - length:
        raise RuntimeError(f"corrupt safetensors file: its tensors take {reached} bytes, but {size - 8 - length} are there")
    return header, 8 + length


def _without_doubles(pairs):
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name stands twice")
    return made


def _entry(name, entry):
    fine = isinstance(entry, dict) and isinstance(entry.get("shape"), list) and isinstance(entry.get("data_offsets"), list)
    numbers = [*entry["shape"], *entry["data_offsets"]] if fine else []
    if not fine or len(entry["data_offsets"]) != 2 or not all(type(n) is int and 0 <= n < 1 << 60 for n in numbers):
        raise RuntimeError(f"corrupt safetensors file: the entry of {name!r}")
    dtype = _DTYPES.get(entry.get("dtype")) if isinstance(entry.get("dtype"), str) else None
    if dtype is None:
        raise RuntimeError(f"the safetensors file has tensor {name!r} of dtype {entry.get('dtype')!r:.40}, which Facula does not have")
    begin, end = entry["data_offsets"]
    count = 1
    for n in entry["shape"]:
        count *= n
    if end - begin != count * dtype.itemsize:
        raise RuntimeError(f"corrupt safetensors file: tensor {name!r} of shape {entry['shape']} and {end - begin} bytes")
    return dtype, tuple(entry["shape"]), begin, end


def by_name(path):
    """Whether a path asks for this format."""
    return path is not None and os.fspath(path).lower().endswith(".safetensors")
