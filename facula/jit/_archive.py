"""Saved programs: a zip file with `program.json` (the tree of modules, their texts, places of tensors) and the tensors' bytes.

Loading parses JSON, checks every text (see `_language`) and makes modules: nothing of the file is executed.
"""

from __future__ import annotations

import importlib
import io
import json
import os

import facula

from .. import _names, _utils, _zip
from ..nn import Module, Parameter
from ..serialization import _opened, _replacing
from ..storage import UntypedStorage, bytes_of, memory_of
from ._classes import ClassText
from ._language import ProgramError, library, path_of
from ._modules import BASE_STATE, Program, ScriptFunction, ScriptModule, build, reserved

FORMAT = 1
_PLAIN = (bool, int, float, str, type(None))
_LIBRARY = ("facula.nn.modules.", "facula.vision.")


# ---------------------------------------------------------------- writing

class _Saver:
    def __init__(self):
        self.tensors, self.storages, self.seen = [], [], {}
        self._places: dict[int, int] = {}
        self._modules: dict[int, int] = {}

    def tensor(self, t):
        """The number of a tensor in the file."""
        if id(t) not in self.seen:
            key = t._storage_id()
            if key not in self._places:
                self._places[key] = len(self.storages)
                self.storages.append(t)
            self.tensors.append({"dtype": str(t.dtype).rpartition(".")[2], "shape": list(t.shape), "stride": list(t.stride()),
                                 "offset": t.storage_offset(), "storage": self._places[key], "requires_grad": t.requires_grad,
                                 "parameter": isinstance(t, Parameter)})
            self.seen[id(t)] = (len(self.tensors) - 1, t)
        return self.seen[id(t)][0]

    def value(self, v, where):
        """An attribute as JSON: what is no plain value is a dict with one key that tells its kind."""
        if isinstance(v, _PLAIN) and not isinstance(v, float):
            return v
        if isinstance(v, float):
            return {"float": v.hex() if v == v and abs(v) != float("inf") else repr(v)}
        if isinstance(v, facula.Tensor):
            return {"tensor": self.tensor(v)}
        if isinstance(v, facula.dtype):
            return {"dtype": str(v).rpartition(".")[2]}
        if isinstance(v, facula.device):
            return {"device": str(v)}
        for kind, name in ((facula.Size, "size"), (tuple, "tuple"), (list, "list"), (set, "set")):
            if isinstance(v, kind):
                return {name: [self.value(x, where) for x in v]}
        if isinstance(v, dict):
            return {"dict": [[self.value(k, where), self.value(x, where)] for k, x in v.items()]}
        path = path_of(v)
        if path is not None:
            return {"library": path}
        raise RuntimeError(f"jit.save: the attribute {where} is of type {type(v).__name__}, which a saved program cannot hold")

    def module(self, m, path):
        """A module as JSON."""
        if id(m) in self._modules:
            return {"same": self._modules[id(m)]}
        self._modules[id(m)] = len(self._modules)
        if m._forward_hooks or m._forward_pre_hooks:
            raise RuntimeError(f"jit.save: the module {path or 'itself'} has forward hooks, which a saved program cannot hold")
        program = m._program
        if program.ignored:
            raise RuntimeError("Could not export Python function call "
                               f"'{next(iter(program.ignored))}'. Remove calls to Python functions before export. Did you forget to add @script or "
                               "@script_method annotation? If this is a nn.ModuleList, add it to __constants__")
        kind = next((k for k in type(m).__mro__ if k.__module__ not in ("torch.jit._script", "torch.jit._trace")
                     and _names.to_facula(k.__module__).startswith(_LIBRARY) and issubclass(k, Module) and k is not Module), None)
        attributes = {k: self.value(v, f"{path}.{k}") for k, v in m.__dict__.items() if k not in BASE_STATE and k != "_hooked"}
        node = {"name": program.name, "kind": program.kind, "training": m.training, "attributes": attributes,
                "parameters": {k: p if p is None else self.tensor(p) for k, p in m._parameters.items()},
                "buffers": {k: [b if b is None else self.tensor(b), k not in m._non_persistent_buffers_set] for k, b in m._buffers.items()}}
        if kind is not None:
            node["library"] = f"{_names.to_facula(kind.__module__)}.{kind.__qualname__}"
        else:
            node.update(methods=program.methods, functions=program.functions,
                        constants={k: self.tensor(t) for k, t in program.constants.items()},
                        classes={k: c.described(self.value) for k, c in program.classes.items()})
        node["modules"] = {k: c and self.module(c, f"{path}.{k}" if path else k) for k, c in m._modules.items()}
        return node


def save(m, f, _extra_files=None):
    """Writes a scripted or traced module, or function, to a file.

    Args:
        m: What `script`, `trace` or `load` made.
        f: Path, or file open for writing bytes.
        _extra_files: name -> text or bytes to put beside the program.
    """
    if isinstance(m, ScriptFunction):
        m = m.as_module()
    if not isinstance(m, ScriptModule):
        raise ValueError(f"jit.save expects a ScriptModule or ScriptFunction, got {type(m).__name__}: pass it to jit.script or jit.trace first")
    saver = _Saver()
    tree = saver.module(m, "")
    text = json.dumps({"format": FORMAT, "producer": "facula", "module": tree, "tensors": saver.tensors,
                       "storages": [t._storage_nbytes() for t in saver.storages]})
    path = os.fspath(f) if isinstance(f, (str, os.PathLike)) else None
    with _replacing(path) if path is not None else _opened(f, "wb") as file:
        writer = _zip.Writer(file, os.path.basename(path).partition(".")[0] or "archive" if path else "archive")
        writer.record("program.json", text.encode())
        for i, t in enumerate(saver.storages):
            writer.record(f"data/{i}", memory_of(bytes_of(t).cpu()))
        for name, content in (_extra_files or {}).items():
            writer.record(f"extra/{name}", content.encode() if isinstance(content, str) else bytes(content))
        writer.close()


# ---------------------------------------------------------------- reading

def _corrupt(what):
    return RuntimeError(f"jit.load: the file is no valid program: {what}")


class _Loader:
    def __init__(self, reader, described, device):
        self.reader, self.device = reader, device
        self.described = described
        self.modules: list = []
        sizes = described["storages"]
        self.storages = [self._storage(i, n) for i, n in enumerate(sizes)]
        self.tensors = [self._tensor(t) for t in described["tensors"]]

    def _storage(self, i, nbytes):
        name = f"data/{i}"
        if not isinstance(nbytes, int) or self.reader.size(name) != nbytes:
            raise _corrupt(f"{name} does not have the size that is written")
        made = facula.empty(nbytes, dtype=facula.uint8)
        if nbytes:
            self.reader.read_into(name, memory_of(made))
        return UntypedStorage._over(made)

    def _tensor(self, t):
        dtype = getattr(facula, t["dtype"], None)
        if not isinstance(dtype, facula.dtype):
            raise _corrupt(f"no dtype {t['dtype']!r}")
        shape, stride, offset = t["shape"], t["stride"], t["offset"]
        if len(shape) != len(stride) or not all(type(n) is int and n >= 0 for n in (*shape, *stride, offset)):
            raise _corrupt("sizes or strides of a tensor")
        made = _utils._view(self.storages[t["storage"]], dtype, offset, shape, stride)
        if self.device is not None:
            made = made.to(self.device)
        if t["parameter"]:
            return Parameter(made, bool(t["requires_grad"]))
        return made.requires_grad_() if t["requires_grad"] else made

    def value(self, v):
        if not isinstance(v, dict):
            if isinstance(v, _PLAIN):
                return v
            raise _corrupt("an attribute")
        (kind, x), = v.items()
        if kind == "float":
            return float.fromhex(x)
        if kind == "tensor":
            return self.tensors[x]
        if kind in ("dtype", "library"):
            found = library().get(x)
            if found is None:
                raise _corrupt(f"torch.{x} is not in the library that programs can use")
            return found
        if kind == "device":
            return facula.device(x)
        if kind == "dict":
            return {self.value(k): self.value(e) for k, e in x}
        makers = {"size": facula.Size, "tuple": tuple, "list": list, "set": set}
        if kind not in makers:
            raise _corrupt(f"an attribute of kind {kind!r}")
        return makers[kind]([self.value(e) for e in x])

    def module(self, node):
        if "same" in node:
            return self.modules[node["same"]]
        place = len(self.modules)
        self.modules.append(None)
        attributes = {_name(k): self.value(v) for k, v in node["attributes"].items()}
        if BASE_STATE.intersection(attributes):
            raise _corrupt("an attribute with the name of a table of modules")
        state = {"training": bool(node["training"]), **attributes}
        state["_parameters"] = {_name(k): None if i is None else self.tensors[i] for k, i in node["parameters"].items()}
        state["_buffers"] = {_name(k): None if b[0] is None else self.tensors[b[0]] for k, b in node["buffers"].items()}
        state["_non_persistent_buffers_set"] = {k for k, b in node["buffers"].items() if not b[1]}
        if "library" in node:
            kind = _library_class(node["library"])
            made = build(Program(str(node["name"]), {"forward": ""}), state, kind)
        else:
            program = Program(str(node["name"]), dict(node["methods"]), dict(node["functions"]),
                              {k: self.tensors[i] for k, i in node["constants"].items()},
                              {_name(k): ClassText.read(c, self.value) for k, c in node.get("classes", {}).items()}, kind=_kind(node["kind"]))
            for name in (*state["_parameters"], *state["_buffers"], *node["modules"], *attributes):
                if reserved(name):
                    raise _corrupt(f"{name!r} is a method of every module")
            made = build(program, state)
        self.modules[place] = made
        made.__dict__["_modules"] = {_name(k): c and self.module(c) for k, c in node["modules"].items()}
        return made


def _name(name):
    if not isinstance(name, str) or name.startswith("__") or "." in name:
        raise _corrupt(f"the name {name!r}")
    return name


def _kind(kind):
    return kind if kind in ("RecursiveScriptModule", "TopLevelTracedModule", "TracedModule") else "RecursiveScriptModule"


def _library_class(path):
    module, _, name = str(path).rpartition(".")
    if not (module + ".").startswith(_LIBRARY) or not all(p.isidentifier() for p in path.split(".")):
        raise _corrupt(f"{path} is no module of the library")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        found = None
    if not (isinstance(found, type) and issubclass(found, Module)):
        raise _corrupt(f"{path} is no module of the library")
    return found


def load(f, map_location=None, _extra_files=None, _restore_shapes=False):
    """Reads a program that `jit.save` wrote; needs none of the Python it was made from.

    Args:
        f: Path, or file open for reading bytes.
        map_location: The device for its tensors; by default the CPU.
        _extra_files: A dict whose keys are filled with the files saved beside the program.

    Raises:
        RuntimeError: The file is corrupt, or is an archive of PyTorch's own TorchScript.
    """
    if isinstance(f, (str, os.PathLike)):
        if not os.path.exists(f):
            raise ValueError(f"The provided filename {f} does not exist")
        if os.path.isdir(f):
            raise ValueError(f"The provided filename {f} is a directory")
        with open(f, "rb") as file:
            return load(file, map_location, _extra_files)
    file = _zip.seekable(f)
    if not _zip.is_zip(file):
        raise _corrupt("it is no zip archive")
    reader = _zip.Reader(file)
    if "program.json" not in reader:
        if "constants.pkl" in reader:
            raise RuntimeError("jit.load: this is TorchScript saved by PyTorch, whose bytecode Facula does not run: load it in PyTorch, save "
                               "the state_dict, and load that")
        raise _corrupt("it has no program.json")
    try:
        described = json.loads(reader.read("program.json"))
        if described["format"] != FORMAT:
            raise _corrupt(f"format {described['format']!r}; this version reads {FORMAT}")
        loader = _Loader(reader, described, None if map_location is None else facula.device(map_location))
        made = loader.module(described["module"])
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError, OverflowError) as error:
        raise _corrupt(f"{type(error).__name__}: {error}") from None
    except ProgramError as error:
        raise _corrupt(str(error)) from None
    for name in _extra_files or ():
        if f"extra/{name}" in reader:
            _extra_files[name] = reader.read(f"extra/{name}")
    return made


def to_bytes(m):
    """What `save` writes."""
    buffer = io.BytesIO()
    save(m, buffer)
    return buffer.getvalue()
