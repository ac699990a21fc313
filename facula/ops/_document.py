"""Signatures and docstrings of operations, for `inspect`, `help` and editors; made from the table when asked for."""

from __future__ import annotations

import functools
import inspect

from .. import _names
from . import _table

_TYPE_WORDS = {"Tensor": "Tensor", "Tensor|Scalar": "Tensor or number", "Tensor[]": "tensors", "Scalar": "number", "int[]": "ints", "float[]": "floats",
               "any": "object"}


def _function(op):
    return op.__wrapped_function__


def home_of(op):
    """(namespace, name) under which an operation is found: for pickling."""
    return _homes().get(op, ("", op.__name__))


@functools.cache
def _homes():
    from . import functions, methods

    found = {}
    for namespace, members in functions.items():
        for name, value in members.items():
            if name == value.__name__:
                found.setdefault(value, (namespace, name))
    for name, value in methods.items():
        found.setdefault(value, ("Tensor", name))
    return found


def module_of(op):
    """The public module."""
    namespace = home_of(op)[0]
    return f"{_names.prefix}.{namespace}" if namespace and namespace != "Tensor" else _names.prefix


def signature_of(op):
    """The signature of the longest overload that begins like the first, with the options of the others; or of the operation's Python."""
    entries = op.entries
    if entries:
        return _signature(_longest(entries), op.in_place, _options(entries, op), len(_positional(entries[0])))
    return inspect.signature(_function(op))


def _positional(entry):
    return [p[0] for p in entry.params if not p[3]]


def _longest(entries):
    first = _positional(entries[0])
    return max((e for e in entries if _positional(e)[:len(first)] == first), key=lambda e: len(_positional(e)))


def _options(entries, op):
    """Keyword-only parameters of later overloads: what their defaults are, the Python beside the table knows."""
    try:
        known = inspect.signature(_function(op)).parameters
    except (TypeError, ValueError, AttributeError):
        known = {}
    longest = _longest(entries)
    have, found = {p[0] for p in longest.params} | {"out"}, {}
    for entry in entries:
        for name, _, _, only, has, value, _ in entry.params:
            if only and name not in have:
                default = value if has else known[name].default if name in known else None
                found.setdefault(name, inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default))
    return list(found.values())


def _signature(entry, in_place, options=(), needed=None):
    kinds = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    made = [inspect.Parameter(name, kinds[only], default=value if has else inspect.Parameter.empty)
            for name, _, _, only, has, value, _ in entry.params]
    if needed is not None and needed < len(_positional(entry)):  # what the first overload does without
        made[needed:] = [p.replace(default=None) if p.kind is kinds[0] and p.default is p.empty else p for p in made[needed:]]
    seen_default = False
    for i, p in enumerate(made):  # a required parameter after an optional one would be no signature
        seen_default = seen_default or p.default is not inspect.Parameter.empty
        if seen_default and p.kind is kinds[0] and p.default is inspect.Parameter.empty:
            made[i] = p.replace(default=None)
    made += options
    if not in_place and not entry.in_place and not entry.view:
        made.append(inspect.Parameter("out", kinds[1], default=None))
    return inspect.Signature(made)


def doc_of(op):
    """What the operation does, by the entry's or the Python's own words where there are some, and what the table says."""
    entries, function = op.entries, _function(op)
    own = next((e.doc for e in entries if e.doc), None) or getattr(function, "__doc__", None)
    if not entries:
        return own
    lines = [f"{op.__name__}{_shown(e)} -> {_results(e)}" for e in entries]
    lines += ["", inspect.cleandoc(own) if own else _sentence(entries[0], op)]
    facts = list(_facts(entries[0], op))
    return "\n".join(lines + ([""] + facts if facts else []))


def _shown(entry):
    parts, star = [], False
    for name, kind, nullable, only, has, value, one in entry.params:
        if only and not star:
            parts.append("*")
            star = True
        parts.append(name + (f"={value!r}" if has else ""))
    return f"({', '.join(parts)})"


def _results(entry):
    if entry.list_result:
        return "tuple of Tensors"
    named = [n for n in entry.result_names if n != "_"]
    return f"({', '.join(named)})" if named else "Tensor" if entry.results == 1 else "tuple of Tensors"


def _sentence(entry, op):
    words = entry.name.strip("_").replace("_", " ")
    if op.in_place:
        return f"Like `{op.__name__.rstrip('_')}`, written into the first argument."
    if entry.view:
        return f"A view of the input: {words}. Memory is shared."
    if entry.is_pointwise:
        return f"{words}, element by element; operands are broadcast." if len(entry.operands) > 1 else f"{words} of each element."
    return f"{words}."


def _facts(entry, op):
    kinds = [f"{name}: {_TYPE_WORDS.get(kind, kind)}{', or None' if nullable else ''}" for name, kind, nullable, *_ in entry.params]
    if kinds:
        yield "Args:"
        yield from ("    " + k for k in kinds)
    by = [entry.params[i][0] for inputs, *_ in entry.rules for i in inputs]
    if by:
        yield ""
        yield "Differentiable by " + ", ".join(dict.fromkeys(by)) + "."


def entries_by_name():
    """The table, for whoever makes documents of all of it."""
    return _table.entries, _table.composites
