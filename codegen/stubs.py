"""Writes type stubs of the operations for editors and type checkers: `python codegen/stubs.py FOLDER` from the table of the installed package."""

from __future__ import annotations

import inspect
import keyword
import pathlib
import sys

import facula
from facula.ops import functions, methods

_WORDS = {"Tensor": "Tensor", "Tensor|Scalar": "Tensor | Number", "Tensor[]": "Sequence[Tensor]", "Scalar": "Number", "int[]": "Sequence[_int]",
          "float[]": "Sequence[_float]", "int": "_int", "bool": "_bool", "float": "_float", "str": "_str", "dtype": "dtype", "device": "device | _str",
          "Generator": "Generator", "memory_format": "memory_format"}
_HEADER = '''# Written by codegen/stubs.py from the table of operations; not to be edited.
from builtins import bool as _bool, complex as _complex, float as _float, int as _int, str as _str
from collections.abc import Sequence
from typing import Any, overload

Number = _int | _float | _bool | _complex
'''  # the names of dtypes hide those of Python's types


def _default(value):
    return repr(value) if isinstance(value, (int, float, bool, str, type(None))) else "..."


def _parameters(entry, rest=()):
    """The text of an overload's parameters; `out` and options are keyword-only."""
    parts, star, optional = [], False, False
    for name, kind, nullable, only, has, value, one in entry.params:
        if only and not star:
            parts.append("*")
            star = True
        text = _WORDS.get(kind, "Any") + (" | _int" if one and kind == "int[]" else "") + (" | None" if nullable else "")
        optional = (optional or has) and not only
        parts.append(f"{name}_" if keyword.iskeyword(name) else name)
        parts[-1] += f": {text}" + (f" = {_default(value)}" if has else " = ..." if optional else "")
    if rest:
        parts += ([] if star else ["*"]) + list(rest)
    return parts


def _result(entry):
    named = [n for n in entry.result_names if n != "_"]
    if entry.list_result:
        return "tuple[Tensor, ...]"
    return f"tuple[{', '.join(['Tensor'] * len(named))}]" if len(named) > 1 else "Tensor"


def _lines(name, op, indent="", method=False):
    entries = getattr(op, "entries", None)
    if not entries:
        return [f"{indent}def {name}({'self, ' if method else ''}*args: Any, **kwargs: Any) -> Any: ..."]
    made = []
    for entry in entries:
        takes_out = not (method or op.in_place or entry.in_place or entry.view)
        parts = _parameters(entry, ["out: Any = None"] if takes_out else ())
        if method:
            first = next((i for i, p in enumerate(parts) if p.partition(":")[0] in ("input", "self")), None)
            parts = ["self"] + [p for i, p in enumerate(parts) if i != (0 if first is None else first)]
        for variant in (parts, _spread(parts, method)):
            line = f"{indent}def {name}({', '.join(variant or ())}) -> {_result(entry)}: ..."
            if variant and line not in made:
                made.append(line)
    return made if len(made) == 1 else [text for line in made for text in (f"{indent}@overload", line)]


def _spread(parts, method):
    """The parameters with the sizes as separate numbers, as in `ones(2, 3)`; None where there are none."""
    at = int(method)
    if len(parts) <= at or not parts[at].endswith(": Sequence[_int]") or len(parts) > at + 1 and parts[at + 1] != "*":
        return None
    return [*parts[:at], f"*{parts[at].partition(':')[0]}: _int", *parts[at + 2:]]


def _usable(name):
    return name.isidentifier() and not keyword.iskeyword(name)


def module_stub(namespace):
    """The stub of one namespace of functions."""
    lines = [_HEADER, "from facula import Generator, Tensor, device, dtype, memory_format" if namespace else "", ""]
    for name in sorted(filter(_usable, functions[namespace])):
        lines += _lines(name, functions[namespace][name])
    return "\n".join(lines) + "\n"


def package_stub():
    """The stub of `facula` itself: its classes, the functions, and what else it holds as Any."""
    classes = [f"class {name}: ..." for name in ("dtype", "layout", "memory_format", "Generator")]
    classes += ["class device:\n    type: _str\n    index: _int | None\n    def __init__(self, type: _str | _int, index: _int = ...) -> None: ...",
                "class Size(tuple[_int, ...]):\n    def numel(self) -> _int: ..."]
    tensor = ["class Tensor:"]
    for name in sorted(filter(_usable, dir(facula.Tensor))):
        value = inspect.getattr_static(facula.Tensor, name)
        if name in methods and _usable(name):
            tensor += _lines(name, methods[name], "    ", True)
        elif callable(value):
            tensor.append(f"    def {name}(self, *args: Any, **kwargs: Any) -> Any: ...")
        else:
            tensor.append(f"    {name}: Any")
    body = module_stub("").splitlines()
    start = len(_HEADER.splitlines())
    known = {"Tensor", "Size", "device", "dtype", "layout", "memory_format", "Generator", *functions[""]}
    others = []
    for name in sorted(filter(_usable, dir(facula))):
        value = getattr(facula, name)
        if name in known or name.startswith("_"):
            continue
        kind = "dtype" if isinstance(value, facula.dtype) else "layout" if isinstance(value, facula.layout) else "Any"
        others.append(f"from . import {name} as {name}" if inspect.ismodule(value) and value.__name__ == f"facula.{name}" else f"{name}: {kind}")
    return "\n".join([_HEADER, *classes, *tensor, "", *others, *body[start:], "def __getattr__(name: str) -> Any: ..."]) + "\n"


def write(folder):
    """Writes __init__.pyi and a stub for each namespace of operations that is a module of its own."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "__init__.pyi").write_text(package_stub())
    for namespace in ("linalg", "fft", "special"):
        (folder / f"{namespace}.pyi").write_text(module_stub(namespace) + "def __getattr__(name: str) -> Any: ...\n")


if __name__ == "__main__":
    write(sys.argv[1] if len(sys.argv) > 1 else "facula")
