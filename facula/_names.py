"""The package's printed name, and how module names map to PyTorch's and back."""

from __future__ import annotations

prefix = "facula"  # "torch" under the alias

_PACKAGES = {"torchvision": "facula.vision", "torchaudio": "facula.audio", "torchtext": "facula.text", "torch": "facula"}


def to_facula(module: str) -> str:
    """`torch.nn` -> `facula.nn`, `torchvision.io` -> `facula.vision.io`; other names stay."""
    first, dot, rest = module.partition(".")
    return _PACKAGES[first] + dot + rest if first in _PACKAGES else module


def to_torch(module: str) -> str:
    """`facula.nn` -> `torch.nn`, `facula.vision.io` -> `torchvision.io`; other names stay."""
    for theirs, ours in _PACKAGES.items():
        if module == ours or module.startswith(ours + "."):
            return theirs + module[len(ours):]
    return module


ADVICE = "Facula does not have it (yet); the README's status table lists what works"


def missing(module: str, name: str) -> AttributeError:
    """The error for a name that a module lacks."""
    return AttributeError(f"module {display(module)!r} has no attribute {name!r}: {ADVICE}", name=name)


def display(module: str) -> str:
    """A module's name as users know it."""
    return to_torch(module) if prefix == "torch" else module


def explain_missing(module) -> None:
    """Lets a module without `__getattr__` explain a missing name."""
    def __getattr__(name):  # noqa: N807
        raise missing(module.__name__, name)

    vars(module).setdefault("__getattr__", __getattr__)
