"""Makes `import torch` and `import torchvision` mean this package.

`install()` puts a finder in front of the import system: `torch.x.y` becomes the very module object that
`facula.x.y` is. Printed and pickled names change to PyTorch's with it.
"""

from __future__ import annotations

import functools
import importlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import importlib.util
import os
import sys
import types

import facula

from . import _later, _names
from ._native import core

OWN_VERSION = facula.__version__  # which the alias changes to PyTorch's
VERSIONS = {"torch": "2.13.0", "torchvision": "0.28.0", "torchaudio": "2.11.0", "torchtext": "0.18.0"}
_CORE_TYPES = ("dtype", "device", "layout", "memory_format", "Size", "Tensor", "Generator")
_renamed: set[str] = set()


class _AliasFinder(importlib.abc.MetaPathFinder):
    """Finds torch modules as ours, and gives our modules PyTorch's names once they are loaded."""

    def find_spec(self, name, path=None, target=None):
        ours = _names.to_facula(name)
        if ours == name:
            return self._own(name, path, target) if name.startswith("facula.") else None
        found = sys.modules.get(ours)
        if found is None:
            try:
                spec = importlib.util.find_spec(ours)
            except ModuleNotFoundError:
                spec = None
            if spec is None and _attribute(ours) is None:
                names_only = _later.make(name)
                return _refuse(name) if names_only is None else importlib.machinery.ModuleSpec(name, _NamesLoader(names_only), is_package=True)
            package = spec is not None and spec.submodule_search_locations is not None
            origin = getattr(spec, "origin", None)
        else:
            package, origin = hasattr(found, "__path__"), getattr(found, "__file__", None)
        return importlib.machinery.ModuleSpec(name, _AliasLoader(ours), origin=origin, is_package=package)

    def _own(self, name, path, target):
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _NamingLoader(spec.loader)
        return spec


def _refuse(name):
    """Says that a module is missing: None to `importlib.util.find_spec`, which only asks; to an import, an error with advice."""
    frame, importers = sys._getframe(2), set()
    while frame is not None and frame.f_code.co_filename.startswith("<frozen importlib"):
        importers.add((frame.f_code.co_filename, frame.f_code.co_name))
        frame = frame.f_back
    if ("<frozen importlib.util>", "find_spec") in importers:
        return None
    if ("<frozen importlib._bootstrap>", "_handle_fromlist") in importers:  # `from torch.x import name`
        module, _, attribute = name.rpartition(".")
        if not attribute.startswith("__"):
            raise ImportError(f"cannot import name {attribute!r} from {module!r}: {_names.ADVICE}", name=module,
                              path=getattr(sys.modules.get(module), "__file__", None))
    raise ModuleNotFoundError(f"No module named {name!r}: {_names.ADVICE}", name=name)


class _NamingLoader(importlib.abc.Loader):
    def __init__(self, inner):
        self.inner = inner

    def create_module(self, spec):
        return self.inner.create_module(spec)

    def exec_module(self, module):
        module.__spec__.loader = module.__loader__ = self.inner
        self.inner.exec_module(module)
        _rename(module)

    def __getattr__(self, name):
        return getattr(self.inner, name)


class _NamesLoader(importlib.abc.Loader):
    def __init__(self, module):
        self.module = module

    def create_module(self, spec):
        return self.module

    def exec_module(self, module):
        """Its names are there."""


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
        self.kept = {k: vars(module).get(k) for k in ("__spec__", "__loader__", "__package__", "__path__", "__file__")}
        return module

    def exec_module(self, module):
        """Takes back what the import system has written into our module; reloading does nothing else."""
        for key, value in getattr(self, "kept", {}).items():
            if value is not None and vars(module).get(key) is not value:
                setattr(module, key, value)

    def get_code(self, fullname):
        """For `python -m facula -m torch.x`."""
        inner = importlib.util.find_spec(self.ours).loader
        return getattr(inner, "inner", inner).get_code(self.ours)


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
    """Gives a module of ours, and the classes and functions that it defines, PyTorch's module name."""
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
    if name.rpartition(".")[2] == "__main__" or getattr(module, "__spec__", None) is None:
        return
    sys.modules.setdefault(theirs, module)
    spec = module.__spec__
    renamed = importlib.machinery.ModuleSpec(theirs, spec.loader, origin=spec.origin)
    renamed.submodule_search_locations, renamed.cached, renamed.has_location = spec.submodule_search_locations, spec.cached, spec.has_location
    if getattr(spec.loader, "name", None) == name:
        spec.loader.name = theirs  # it refuses to read another module's file
    module.__name__, module.__spec__, module.__package__ = theirs, renamed, renamed.parent
    _names.explain_missing(module)
    if not hasattr(module, "__path__"):
        module.__path__ = []  # so that `from torch.x import name` asks the finder, which has the better message


class _Distribution(importlib.metadata.Distribution):
    def __init__(self, name):
        self.package = name

    def read_text(self, filename):
        if filename == "METADATA":
            return f"Metadata-Version: 2.1\nName: {self.package}\nVersion: {VERSIONS[self.package]}\n"
        return self.package if filename == "top_level.txt" else None

    def locate_file(self, path):
        return path


class _DistributionFinder(importlib.metadata.DistributionFinder):
    def find_spec(self, name, path=None, target=None):
        return None

    def find_distributions(self, context=importlib.metadata.DistributionFinder.Context()):
        names = _packages() if context.name is None else [n for n in _packages() if n == context.name.lower()]
        return iter([_Distribution(n) for n in names])


@functools.lru_cache(maxsize=1)
def _packages():
    """The aliased packages that we have."""
    return [n for n in VERSIONS if importlib.util.find_spec(_names.to_facula(n)) is not None]


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
    from .torch_version import TorchVersion

    facula.__version__ = TorchVersion(VERSIONS["torch"])
    for name, module in list(sys.modules.items()):
        if (name == "facula" or name.startswith("facula.")) and isinstance(module, types.ModuleType):
            _rename(module)
    facula.torch = facula  # as PyTorch's module has itself by its name
    _reach_children()


def _reach_children():
    """Processes that `multiprocessing` spawns, and its fork server, start with the alias; forked ones have it."""
    from multiprocessing import spawn, util

    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    start = (f"import sys; sys.path.insert(0, {root!r}); import facula.torch_alias; sys.path.remove({root!r}); "
             "facula.torch_alias.install(); ")

    def with_alias(words):
        return [start + w if isinstance(w, str) and w.startswith(("from multiprocessing.spawn import", "from multiprocessing.forkserver import"))
                else w for w in words]

    if sys.platform == "win32":
        command = spawn.get_command_line
        spawn.get_command_line = lambda **kwargs: with_alias(command(**kwargs))
    else:
        launch = util.spawnv_passfds
        util.spawnv_passfds = lambda path, args, passfds: launch(path, with_alias(args), passfds)
