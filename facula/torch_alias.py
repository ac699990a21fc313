"""Makes `import torch` and `import torchvision` mean this package.

`install()` puts a finder in front of the import system: `torch.x.y` becomes the very module object that
`facula.x.y` is. Printed and pickled names change to PyTorch's with it.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import importlib.util
import sys
import types

import facula

from . import _names
from ._native import core

VERSIONS = {"torch": "2.13.0", "torchvision": "0.28.0", "torchaudio": "2.11.0", "torchtext": "0.18.0"}
_CORE_TYPES = ("dtype", "device", "layout", "memory_format", "Size", "Tensor", "Generator")
_renamed: set[str] = set()


class _AliasFinder(importlib.abc.MetaPathFinder):
    """Finds torch modules as ours, and gives our modules PyTorch's names once they are loaded."""

    def find_spec(self, name, path=None, target=None):
        ours = _names.to_facula(name)
        if ours == name:
            return self._own(name, path, target) if name.startswith("facula.") else None
        if ours not in sys.modules:
            try:
                spec = importlib.util.find_spec(ours)
            except ModuleNotFoundError:
                spec = None
            if spec is None:
                if _attribute(ours) is None:
                    raise ModuleNotFoundError(f"No module named {name!r}: Facula does not have it (yet); the README's status table "
                                              "lists what works", name=name)
        origin = getattr(getattr(sys.modules.get(ours), "__spec__", None), "origin", None)
        spec = importlib.machinery.ModuleSpec(name, _AliasLoader(ours), origin=origin)
        spec.submodule_search_locations = []  # any of ours may have submodules
        return spec

    def _own(self, name, path, target):
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _NamingLoader(spec.loader)
        return spec


class _NamingLoader(importlib.abc.Loader):
    def __init__(self, inner):
        self.inner = inner

    def create_module(self, spec):
        return self.inner.create_module(spec)

    def exec_module(self, module):
        self.inner.exec_module(module)
        _rename(module)

    def __getattr__(self, name):
        return getattr(self.inner, name)


class _AliasLoader(importlib.abc.Loader):
    def __init__(self, ours):
        self.ours = ours

    def create_module(self, spec):
        try:
            module = importlib.import_module(self.ours)
        except ModuleNotFoundError as error:
            if error.name != self.ours:
                raise
            module = _attribute(self.ours)  # a namespace that is no module file
        self.kept = {k: getattr(module, k, None) for k in ("__spec__", "__loader__", "__package__", "__path__")}
        return module

    def exec_module(self, module):
        for key, value in self.kept.items():  # the import system has written the alias's into the module
            if value is not None and vars(module).get(key) is not value:
                setattr(module, key, value)


def _attribute(path):
    """What `facula.x.y` names if it is a module-like attribute, else None."""
    parts = path.split(".")
    found = facula
    for part in parts[1:]:
        found = vars(found).get(part) if hasattr(found, "__dict__") else None
        if found is None:
            return None
    return found if isinstance(found, types.ModuleType) else None


def _rename(module):
    """Gives the classes and functions that a module of ours defines PyTorch's module name."""
    name = module.__name__
    if name in _renamed:
        return
    _renamed.add(name)
    theirs = _names.to_torch(name)
    for value in list(vars(module).values()):
        if isinstance(value, (type, types.FunctionType)) and value.__module__ == name:
            try:
                value.__module__ = theirs
            except (AttributeError, TypeError):  # immutable types
                pass


class _Distribution(importlib.metadata.Distribution):
    def __init__(self, name):
        self.package = name

    def read_text(self, filename):
        if filename == "METADATA":
            return f"Metadata-Version: 2.1\nName: {self.package}\nVersion: {VERSIONS[self.package]}\n"
        return None

    def locate_file(self, path):
        return path


class _DistributionFinder(importlib.metadata.DistributionFinder):
    def find_spec(self, name, path=None, target=None):
        return None

    def find_distributions(self, context=importlib.metadata.DistributionFinder.Context()):
        if context.name in VERSIONS:
            return iter([_Distribution(context.name)])
        return iter(())


def install():
    """Puts the alias in place for this process and the ones that `multiprocessing` starts from it."""
    if any(isinstance(f, _AliasFinder) for f in sys.meta_path):
        return
    for name in [n for n in sys.modules if n.partition(".")[0] in VERSIONS]:
        del sys.modules[name]
    _names.prefix = "torch"
    sys.meta_path[:0] = [_AliasFinder(), _DistributionFinder()]
    for name in _CORE_TYPES:
        core.rename_type(getattr(core, name), f"torch.{name}")
    for name, module in list(sys.modules.items()):
        if (name == "facula" or name.startswith("facula.")) and isinstance(module, types.ModuleType):
            _rename(module)
    facula.__version__ = VERSIONS["torch"]
    sys.modules["torch"] = facula
    _reach_children()


def _reach_children():
    import multiprocessing.spawn as spawn

    command = spawn.get_command_line

    def get_command_line(**kwargs):
        words = command(**kwargs)
        return [f"import facula.torch_alias; facula.torch_alias.install(); {w}" if w.startswith("from multiprocessing.spawn") else w
                for w in words]

    spawn.get_command_line = get_command_line
