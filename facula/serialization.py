"""Saving and loading any object with tensors in it, in PyTorch's file formats."""

from __future__ import annotations

import io
import os
import pickle
import re
import sys
import types
import warnings
from enum import Enum

import facula

from . import _homes, _legacy, _names, _safetensors, _unpickler, _utils, _zip
from ._native import core
from .storage import TypedStorage, UntypedStorage, by_dtype, memory_of, tensor_on

__all__ = ["SourceChangeWarning", "register_package", "location_tag", "default_restore_location", "normalize_storage_type",
           "save", "load", "LoadEndianness", "get_default_load_endianness", "set_default_load_endianness",
           "get_default_mmap_options", "set_default_mmap_options", "clear_safe_globals", "get_safe_globals", "add_safe_globals",
           "safe_globals", "get_unsafe_globals_in_checkpoint", "skip_data", "get_crc32_options", "set_crc32_options",
           "check_module_version_greater_or_equal"]

for _type in ("dtype", "device", "layout", "memory_format", "Size", "Tensor", "Generator"):
    core.rename_type(getattr(core, _type), f"{_names.prefix}.{_type}")  # so that their values pickle by name
DEFAULT_PROTOCOL = 2
_options = {"endianness": None, "mmap": 2, "crc32": True}
_packages = []
UnpicklingError = _unpickler.UnpicklingError


class SourceChangeWarning(Warning):
    """The source of a saved class has changed; no longer raised."""


class LoadEndianness(Enum):
    NATIVE = 1
    LITTLE = 2
    BIG = 3


def get_default_load_endianness():
    return _options["endianness"]


def set_default_load_endianness(endianness):
    _options["endianness"] = endianness


def get_default_mmap_options():
    return _options["mmap"]


class set_default_mmap_options:
    """Flags of mmap for `load(mmap=True)`: MAP_PRIVATE or MAP_SHARED; a context manager too."""

    def __init__(self, flags):
        import mmap

        if flags not in (mmap.MAP_PRIVATE, mmap.MAP_SHARED):
            raise ValueError(f"Invalid argument in function set_default_mmap_options, expected mmap.MAP_PRIVATE or mmap.MAP_SHARED, but got {flags}")
        self.before, _options["mmap"] = _options["mmap"], flags

    def __enter__(self):
        pass

    def __exit__(self, *exc):
        _options["mmap"] = self.before


def get_crc32_options():
    return _options["crc32"]


def set_crc32_options(compute_crc32):
    _options["crc32"] = compute_crc32


# ---------------------------------------------------------------- what may be loaded

def add_safe_globals(safe_globals):
    """Allows classes and functions in files loaded with weights_only=True.

    Args:
        safe_globals: Classes or functions, or pairs of one and the name it has in the file.
    """
    _unpickler.add_safe_globals(safe_globals)


def get_safe_globals():
    """What has been allowed so far."""
    return list(_unpickler._user_safe.values())


def clear_safe_globals():
    """Takes back everything that was allowed."""
    _unpickler._user_safe.clear()


class safe_globals:
    """Allows classes and functions inside a `with` block; see `add_safe_globals`."""

    def __init__(self, safe_globals):
        self.entries = list(safe_globals)

    def __enter__(self):
        self.before = dict(_unpickler._user_safe)
        _unpickler.add_safe_globals(self.entries)

    def __exit__(self, *exc):
        _unpickler._user_safe.clear()
        _unpickler._user_safe.update(self.before)


def get_unsafe_globals_in_checkpoint(f):
    """Names in a file that `load(weights_only=True)` would refuse."""
    with _opened(f, "rb") as file:
        if not _zip.is_zip(file):
            raise ValueError("Expected input to be a checkpoint returned by torch.save")
        names = _unpickler.globals_in(_zip.Reader(file).read("data.pkl"))
    return sorted(n for n in names if _unpickler._lookup(*n.rpartition(".")[::2]) is _unpickler._MARK)


class skip_data:
    """Inside the block `save` writes no data, only room for them."""

    active = False

    def __init__(self, materialize_fake_tensors=False):
        pass

    def __enter__(self):
        skip_data.active = True

    def __exit__(self, *exc):
        skip_data.active = False


def _get_layout(name):
    return getattr(core, name.rpartition(".")[2])


def check_module_version_greater_or_equal(module, req_version_tuple, error_if_malformed=True):
    version = tuple(int(p) for p in re.findall(r"\d+", module.__version__)[:len(req_version_tuple)])
    return version >= tuple(req_version_tuple)


# ---------------------------------------------------------------- devices

def register_package(priority, tagger, deserializer):
    """Adds a device: `tagger(storage)` names where one is, `deserializer(storage, location)` puts it there."""
    _packages.append((priority, tagger, deserializer))
    _packages.sort(key=lambda entry: entry[0])


def location_tag(storage):
    """The name of the place where a storage is."""
    for _, tagger, _ in _packages:
        tag = tagger(storage)
        if tag:
            return tag
    return str(storage.device)


def default_restore_location(storage, location):
    """Puts a storage, read into main memory, where its tag says."""
    for _, _, deserializer in _packages:
        placed = deserializer(storage, location)
        if placed is not None:
            return placed
    kind = location.partition(":")[0]
    if kind == "cpu":
        return storage
    if kind == "meta":
        return UntypedStorage(storage.nbytes(), device="meta")
    if kind in ("cuda", "mps", "xpu", "hpu"):
        if kind != "cuda" or not facula.cuda.is_available():
            raise RuntimeError(f"Attempting to deserialize object on a {kind.upper()} device but torch.{kind}.is_available() is False. If "
                               "you are running on a CPU-only machine, please use torch.load with map_location=torch.device('cpu') to "
                               "map your storages to the CPU.")
        return storage.to(location)
    raise RuntimeError(f"don't know how to restore data location of {type(storage).__name__} (tagged with {location})")


def _placing(map_location):
    if map_location is None:
        return default_restore_location
    if isinstance(map_location, dict):
        return lambda storage, location: default_restore_location(storage, map_location.get(location, location))
    if isinstance(map_location, (str, core.device, int)):
        target = str(core.device(map_location)) if not isinstance(map_location, str) else map_location
        return lambda storage, location: default_restore_location(storage, target)

    def placing(storage, location):
        placed = map_location(storage, location)
        return default_restore_location(storage, location) if placed is None else placed

    return placing


def normalize_storage_type(storage_type):
    return storage_type


# ---------------------------------------------------------------- writing

class _opened:
    """A path opened, or a file as it is."""

    def __init__(self, f, mode):
        self.path = os.fspath(f) if isinstance(f, (str, os.PathLike)) else None
        self.file, self.mode = f, mode
        if self.path is None:
            needed = "read" if "r" in mode else "write"
            if not hasattr(f, needed):
                raise AttributeError(f"expected 'f' to be string, path, or a file-like object with a '{needed}' attribute; got {type(f).__name__}")

    def __enter__(self):
        if self.path is not None:
            self.file = open(self.path, self.mode)
        return self.file

    def __exit__(self, *exc):
        if self.path is not None:
            self.file.close()


class _replacing:
    """Writes beside a path and moves into place at the end, so that a failure leaves the old file."""

    def __init__(self, path):
        self.path = os.path.realpath(os.fspath(path))
        folder = os.path.dirname(self.path)
        if not os.path.isdir(folder):
            raise RuntimeError(f"Parent directory {os.path.dirname(os.fspath(path)) or folder} does not exist.")
        plain = os.path.isfile(self.path) or not os.path.exists(self.path)  # pipes and devices are written as they are
        self.temporary = f"{self.path}.{os.getpid()}.tmp" if plain and os.access(folder, os.W_OK) else None

    def __enter__(self):
        self.file = open(self.temporary or self.path, "wb")
        return self.file

    def __exit__(self, kind, *rest):
        try:
            if kind is None:
                self.file.flush()
                if self.temporary:
                    os.fsync(self.file.fileno())  # the name must not reach the disk before the content
            self.file.close()
            if kind is None and self.temporary:
                if os.path.exists(self.path):
                    os.chmod(self.temporary, os.stat(self.path).st_mode & 0o7777)
                os.replace(self.temporary, self.path)
        finally:
            if self.temporary and os.path.exists(self.temporary):
                os.remove(self.temporary)


class _NamingPickler(pickle._Pickler):
    """Writes PyTorch's names for our modules in the protocols whose bytes cannot be edited afterwards."""

    def save_global(self, obj, name=None):
        name = name or getattr(obj, "__qualname__", None) or obj.__name__
        module = pickle.whichmodule(obj, name)
        if self.proto < 4 or not module.startswith("facula"):
            return super().save_global(obj, name)
        self.save(_names.to_torch(module))
        self.save(name)
        self.write(pickle.STACK_GLOBAL)
        self.memoize(obj)

    dispatch = {**pickle._Pickler.dispatch, types.FunctionType: save_global}


_OURS = re.compile(rb"c(facula[\w.]*)\n([\w.<>]+)\n")


def _with_torch_names(data, expected):
    """A pickle of protocol 2 with our modules' names replaced by PyTorch's.

    `expected` globals of ours stand in it. If as many places look like one, they are those; text that
    happens to look like a global makes them more, and then the opcodes are read one by one.
    """
    renamed = lambda m: b"c" + _names.to_torch(m[1].decode()).encode() + b"\n" + m[2] + b"\n"  # noqa: E731
    if len(_OURS.findall(data)) == expected:
        return _OURS.sub(renamed, data)
    import pickletools

    out, at = [], 0
    for op, _, position in pickletools.genops(data):
        if op.name == "GLOBAL":
            match = _OURS.match(data, position)
            if match:
                out += [data[at:position], renamed(match)]
                at = match.end()
    return b"".join([*out, data[at:]])


def _dump(module, obj, protocol, persistent_id):
    buffer, seen, kinds = io.BytesIO(), set(), {}

    class Pickler(_NamingPickler if protocol >= 4 and module is pickle else module.Pickler):
        def persistent_id(self, obj):
            if not isinstance(obj, (TypedStorage, UntypedStorage)):
                return None
            typed = isinstance(obj, TypedStorage)
            known = kinds.setdefault(obj._cdata, obj.dtype)
            if obj.data_ptr() and known != obj.dtype and typed:
                raise RuntimeError("Cannot save multiple tensors or storages that view the same data as different types")
            kind = by_dtype[obj.dtype] if typed else UntypedStorage
            return persistent_id(obj, kind, obj.size())

        def reducer_override(self, obj):
            if isinstance(obj, (type, types.FunctionType, types.BuiltinFunctionType)):
                if str(getattr(obj, "__module__", "")).startswith("facula"):
                    seen.add(obj.__qualname__ + obj.__module__)
            elif isinstance(obj, core.layout):
                return _get_layout, (f"torch.{str(obj).rpartition('.')[2]}",)
            elif isinstance(obj, (core.dtype, core.memory_format)):
                seen.add(str(obj))
            elif type(obj) is type(facula.add) and "." not in obj.__reduce__():
                seen.add(obj.__reduce__() + obj.__module__)
            return NotImplemented

    Pickler(buffer, protocol).dump(obj)
    return _with_torch_names(buffer.getvalue(), len(seen)) if protocol < 4 else buffer.getvalue()


def save(obj, f, pickle_module=pickle, pickle_protocol=DEFAULT_PROTOCOL, _use_new_zipfile_serialization=True,
         _disable_byteorder_record=False):
    """Writes an object to a file that PyTorch reads too.

    A path is written beside its place and moved there at the end: a failure leaves an older file intact. A path that ends in
    .safetensors gets that format, which holds a dict of tensors.

    Args:
        obj: Anything that pickles; tensors that share memory still do after loading.
        f: Path, or file open for writing bytes.
        pickle_module: Module whose Pickler writes everything but the numbers.
        pickle_protocol: Its protocol.

    Raises:
        RuntimeError: The folder does not exist.

    Example:
        >>> save({"w": facula.ones(2)}, "w.pt")  # doctest: +SKIP
    """
    dump = lambda obj, protocol, persistent_id: _dump(pickle_module, obj, protocol, persistent_id)  # noqa: E731
    path = os.fspath(f) if isinstance(f, (str, os.PathLike)) else None
    with _replacing(path) if path is not None else _opened(f, "wb") as file:
        if _safetensors.by_name(path):
            _safetensors.write(obj, file)
            return
        if not _use_new_zipfile_serialization:
            _legacy.write(obj, file, dump, pickle_protocol)
            return
        name = os.path.basename(path).rpartition(".")[0] or os.path.basename(path) if path else "archive"
        _write_zip(obj, _zip.Writer(file, name), dump, pickle_protocol, not _disable_byteorder_record)


def _write_zip(obj, writer, dump, protocol, byteorder):
    storages, keys = {}, {}

    def persistent_id(storage, kind, numel):
        key = keys.setdefault(storage._cdata, str(len(keys)))
        storages[key] = storage  # alive until written: an address is not used twice
        return ("storage", kind, key, location_tag(storage), numel)

    writer.record("data.pkl", dump(obj, protocol, persistent_id))
    writer.record(".format_version", b"1")
    writer.record(".storage_alignment", str(_zip.ALIGNMENT).encode())
    if byteorder:
        writer.record("byteorder", sys.byteorder.encode())
    for key, storage in storages.items():
        data = bytes(storage.nbytes()) if skip_data.active else memory_of(storage._bytes.cpu())
        writer.record(f"data/{key}", data)
    writer.record("version", b"3\n")
    identity = sum(entry[2] << (7 * (i % 5)) for i, entry in enumerate(writer.entries)) % 10 ** 40
    writer.record(".data/serialization_id", str(identity).zfill(40).encode())
    writer.close()


# ---------------------------------------------------------------- reading

_ADVICE = ("Weights only load failed. This file can still be loaded, to do so you have two options, \033[1mdo those steps only if you trust "
           "the source of the checkpoint\033[0m. \n\t(1) Loading with `weights_only` set to `False` runs whatever code the file asks for: "
           "set it only if you got the file from a trusted source.\n\t(2) To keep `weights_only=True`, follow the recommended steps in "
           "this message.\n\tWeightsUnpickler error: ")


def _unpicklers(module, weights_only, encoding):
    """A function (file, persistent_load) -> object with `load`."""
    base = _unpickler.Unpickler if weights_only else module.Unpickler

    class Unpickler(base):
        def find_class(self, module, name):
            module = _names.to_facula(module)
            found = _homes.find(module, name)
            if found is not None:
                return found
            if module == "facula" and name.endswith("Storage"):
                from . import storage

                return getattr(storage, name)
            try:
                return super().find_class(module, name)
            except ModuleNotFoundError as error:
                raise AttributeError(f"Can't get attribute {name!r}: no module {error.name!r}") from error

    def make(file, persistent_load):
        if weights_only:
            reader = base(file)
        else:
            reader = Unpickler(file, encoding=encoding or "utf-8")
        if persistent_load is not None:
            reader.persistent_load = persistent_load
        return reader

    return make


def load(f, map_location=None, pickle_module=None, *, weights_only=None, mmap=None, **pickle_load_args):
    """Reads what `save`, here or in PyTorch, has written, and files of the safetensors format.

    Args:
        f: Path, or file open for reading bytes.
        map_location: Where storages go: a device, a dict from saved to wanted places, or a function
            (storage, place) -> storage or None.
        pickle_module: Module whose Unpickler reads; needs weights_only=False.
        weights_only: Read only tensors, plain containers and what `add_safe_globals` allows. The default.
        mmap: Map the file's numbers into memory instead of reading them; changes stay private.

    Raises:
        UnpicklingError: The file asks for a class that weights_only does not allow.
        RuntimeError: The file is corrupt, or needs a device that is not there.
    """
    if weights_only is None:
        weights_only = pickle_module is None and os.environ.get("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "0") not in ("1", "y", "yes", "true")
    elif weights_only and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    mmap = bool(mmap)
    if mmap and not isinstance(f, (str, os.PathLike)):
        raise ValueError("f must be a file path in order to use the mmap argument")
    make = _unpicklers(pickle_module or pickle, weights_only, pickle_load_args.pop("encoding", None))
    placing = _placing(map_location)
    with _opened(f, "rb") as file:
        file = _zip.seekable(file)
        try:
            if _safetensors.is_safetensors(file):
                return _safetensors.read(file, lambda data: placing(UntypedStorage._over(data), "cpu")._bytes, mmap)
            if _zip.is_zip(file):
                return _read_zip(file, make, placing, mmap, weights_only)
            if mmap:
                raise RuntimeError("mmap can only be used with files saved with `torch.save(_use_new_zipfile_serialization=True)`, please "
                                   "torch.save your checkpoint with this option in order to use mmap.")
            return _legacy.read(file, make, lambda kind, numel, place, key: _restored(kind, numel, place, placing))
        except UnpicklingError as error:
            if weights_only:
                raise UnpicklingError(f"{_ADVICE}{error}\n\nCheck the documentation of torch.load to learn more about types accepted by "
                                      "default with weights_only https://pytorch.org/docs/stable/generated/torch.load.html.") from None
            raise


def _kind_dtype(kind):
    dtype = getattr(kind, "dtype", None)
    if not isinstance(dtype, core.dtype):
        raise RuntimeError(f"corrupt file: {kind!r} is no type of storage")
    return dtype


def _restored(kind, numel, place, placing, data=None):
    """A storage on its device, and the CPU tensor of bytes that is still to be filled (None if none is)."""
    dtype = _kind_dtype(kind)
    if not isinstance(numel, int) or numel < 0 or numel >= 1 << 60:
        raise RuntimeError(f"corrupt file: a storage of {numel!r} elements")
    place = place.decode() if isinstance(place, bytes) else place
    if data is None:
        data = facula.empty(numel * dtype.itemsize, dtype=core.uint8)
    placed = placing(UntypedStorage._over(data), place)
    placed = TypedStorage._over(placed._bytes, dtype)
    return placed, data if placed.device.type == "cpu" else None


def _program(file, weights_only):
    if weights_only:
        raise RuntimeError("Cannot use ``weights_only=True`` with TorchScript archives passed to ``torch.load``: such a "
                           "file holds a program; give weights_only=False if you trust it, or use torch.jit.load.")
    file.seek(0)
    return facula.jit.load(file)


def _read_zip(file, make, placing, mapped, weights_only):
    reader = _zip.Reader(file)
    if "program.json" in reader:
        return _program(file, weights_only)
    if "data.pkl" not in reader:
        raise RuntimeError("PytorchStreamReader failed locating file data.pkl: file not found")
    if "constants.pkl" in reader:
        warnings.warn("'torch.load' received a zip file that looks like a TorchScript archive dispatching to 'torch.jit.load' (call "
                      "'torch.jit.load' directly to silence this warning)", UserWarning, stacklevel=3)
        return _program(file, weights_only)
    if "byteorder" in reader and reader.read("byteorder") == b"big":
        raise RuntimeError("the file was written on a big-endian machine, which Facula does not read")
    memory = _mapped(file) if mapped else None
    loaded = {}

    def persistent_load(saved):
        if not isinstance(saved, tuple) or len(saved) != 5 or saved[0] not in ("storage", b"storage"):
            raise RuntimeError(f"Unknown typename for persistent_load, expected 'storage' but got {saved!r:.100}")
        _, kind, key, place, numel = saved
        if key not in loaded:
            loaded[key] = storage(kind, f"data/{key}", place, numel)
        return loaded[key]

    def storage(kind, name, place, numel):
        nbytes = numel * _kind_dtype(kind).itemsize if isinstance(numel, int) else -1
        if reader.size(name) != nbytes:
            raise RuntimeError(f"PytorchStreamReader failed reading file {name}: it has {reader.size(name)} bytes, expected {nbytes}")
        if memory is not None and reader.stored(name):
            offset = reader.offset(name)
            if offset + nbytes > len(memory):
                raise RuntimeError(f"PytorchStreamReader failed reading file {name}: the file ends too early")
            if offset % _kind_dtype(kind).itemsize == 0:  # not so in archives that were packed again
                return _restored(kind, numel, place, placing, tensor_on(memory, offset, nbytes))[0]
        made = facula.empty(nbytes, dtype=core.uint8)
        reader.read_into(name, memory_of(made))
        return _restored(kind, numel, place, placing, made)[0]

    data = io.BytesIO(reader.read("data.pkl"))
    return make(data, persistent_load).load()


def _mapped(file):
    import mmap

    private = _options["mmap"] == mmap.MAP_PRIVATE
    if private:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    return mmap.mmap(os.open(file.name, os.O_RDWR), 0)
