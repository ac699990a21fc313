"""The version as text that also compares with version numbers and tuples."""

from __future__ import annotations

import re

__all__ = ["TorchVersion"]


def _key(version):
    """What to order a version by: its release numbers, then pre-releases before the release itself."""
    if isinstance(version, (tuple, list)):
        return _key(".".join(str(part) for part in version))
    match = re.match(r"\s*v?(\d+(?:\.\d+)*)(?:[._-]?(a|b|rc|alpha|beta|c|pre|dev)[._-]?(\d*))?", str(version))
    if match is None:
        return None
    release = [int(part) for part in match[1].split(".")]
    while release and release[-1] == 0:
        release.pop()
    stage = {"dev": -4, "a": -3, "alpha": -3, "b": -2, "beta": -2, None: 0}.get(match[2], -1)
    return release, stage, int(match[3] or 0)


def _comparison(name):
    def compare(self, other):
        theirs = _key(other) if isinstance(other, (str, tuple, list)) or hasattr(other, "release") else None
        if theirs is None:
            return getattr(str, name)(self, other)
        return getattr(_order(_key(self), theirs), name)(0)

    compare.__name__ = name
    return compare


def _order(a, b):
    return (a > b) - (a < b)


class TorchVersion(str):
    """A version: `torch.__version__ >= (2, 0)` and `torch.__version__ >= "2.0"` compare numbers, not letters."""

    __slots__ = ()
    __hash__ = str.__hash__


for _name in ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"):
    setattr(TorchVersion, _name, _comparison(_name))
__version__ = TorchVersion("2.13.0")
