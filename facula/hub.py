"""Weights from the network, and models from folders with a hubconf.py."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import urllib.parse
from urllib.parse import urlparse  # noqa: F401  # libraries take it from here

import facula

__all__ = ["download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url", "set_dir"]
_dir = None
HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")


def _get_torch_home():
    cache = os.getenv("XDG_CACHE_HOME", "~/.cache")
    return os.path.expanduser(os.getenv("TORCH_HOME", os.path.join(cache, "torch")))


def get_dir():
    """Where downloads are kept: TORCH_HOME/hub, by default ~/.cache/torch/hub."""
    return os.path.join(_get_torch_home(), "hub") if _dir is None else _dir


def set_dir(d):
    """Sets where downloads are kept."""
    global _dir
    _dir = os.path.expanduser(d)


def download_url_to_file(url, dst, hash_prefix=None, progress=True):
    """Downloads a file.

    Raises:
        RuntimeError: Its SHA256 does not start with `hash_prefix`.
    """
    import hashlib

    from .vision.datasets.utils import fetch

    def check(path):
        with open(path, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        if hash_prefix is not None and digest[:len(hash_prefix)] != hash_prefix:
            raise RuntimeError(f'invalid hash value (expected "{hash_prefix}", got "{digest}")')
        return True

    fetch(url, os.path.expanduser(dst), progress, check)


def load_state_dict_from_url(url, model_dir=None, map_location=None, progress=True, check_hash=False, file_name=None, weights_only=False):
    """Loads a file of weights, downloading it unless it is there already."""
    model_dir = model_dir or os.path.join(get_dir(), "checkpoints")
    os.makedirs(model_dir, exist_ok=True)
    filename = file_name or os.path.basename(urllib.parse.urlparse(url).path)
    cached = os.path.join(model_dir, filename)
    if not os.path.exists(cached):
        sys.stdout.write(f'Downloading: "{url}" to {cached}\n')
        found = HASH_REGEX.search(filename) if check_hash else None
        download_url_to_file(url, cached, found.group(1) if found else None, progress)
    return facula.load(cached, map_location=map_location, weights_only=weights_only)


def _hubconf(folder):
    path = os.path.join(folder, "hubconf.py")
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{folder}: no hubconf.py there")
    sys.path.insert(0, folder)
    try:
        spec = importlib.util.spec_from_file_location("hubconf", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(folder)
    missing = [name for name in getattr(module, "dependencies", ()) if importlib.util.find_spec(name) is None]
    if missing:
        raise RuntimeError(f"Missing dependencies: {', '.join(missing)}")
    return module


def _local(repo, source):
    if source not in ("github", "local"):
        raise ValueError(f'Unknown source: "{source}". Allowed values: "github" | "local".')
    if source == "local":
        return os.path.expanduser(repo)
    import zipfile

    owner, _, rest = repo.partition("/")
    name, _, ref = rest.partition(":")
    ref = ref or "main"
    folder = os.path.join(get_dir(), f"{owner}_{name}_{ref.replace('/', '_')}")
    if not os.path.isdir(folder):
        os.makedirs(get_dir(), exist_ok=True)
        archive = folder + ".zip"
        download_url_to_file(f"https://github.com/{owner}/{name}/zipball/{ref}", archive, progress=False)
        with zipfile.ZipFile(archive) as file:
            top = file.namelist()[0].partition("/")[0]
            file.extractall(get_dir())
        os.replace(os.path.join(get_dir(), top), folder)
        os.remove(archive)
    return folder


def load(repo_or_dir, model, *args, source="github", trust_repo=None, force_reload=False, verbose=True, skip_validation=False, **kwargs):
    """Calls an entry point of a hubconf.py."""
    return _entry(_hubconf(_local(repo_or_dir, source)), model)(*args, **kwargs)


def _entry(module, name):
    function = getattr(module, name, None)
    if not callable(function):
        raise RuntimeError(f"Cannot find callable {name} in hubconf")
    return function


def list(github, force_reload=False, skip_validation=False, trust_repo=None, verbose=True, *, source="github"):  # noqa: A001
    """Names of the entry points of a hubconf.py."""
    module = _hubconf(_local(github, source))
    return [n for n in dir(module) if callable(getattr(module, n)) and not n.startswith("_")]


def help(github, model, force_reload=False, skip_validation=False, trust_repo=None, *, source="github"):  # noqa: A001
    """The docstring of an entry point."""
    return _entry(_hubconf(_local(github, source)), model).__doc__
