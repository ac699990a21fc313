"""Classes of programs: tuples with names, enumerations of plain values, and classes whose methods are program text."""

from __future__ import annotations

import collections
import enum
from dataclasses import dataclass, field

SPECIAL = ("__init__ __len__ __contains__ __getitem__ __setitem__ __delitem__ __add__ __sub__ __mul__ __truediv__ __floordiv__ __mod__ __neg__ "
           "__eq__ __ne__ __lt__ __le__ __gt__ __ge__ __str__ __repr__ __bool__ __int__ __float__ __iadd__ __radd__ __rmul__ __call__ __enter__ "
           "__exit__").split()  # methods with underscores that a class of a program may define


class ScriptObject:
    """What instances of a program's own classes are."""

    _program_names: frozenset = frozenset()


@dataclass
class ClassText:
    """A class as a program says it."""

    kind: str                                                # "tuple", "enum" or "class"
    fields: list[str] = field(default_factory=list)          # of a tuple
    values: dict[str, object] = field(default_factory=dict)  # defaults of a tuple's last fields; members of an enumeration
    methods: dict[str, str] = field(default_factory=dict)    # of a class
    original: object = None                                  # Python's class, where the program was compiled in this process

    def make(self, name, methods):
        """The class; `methods` are the compiled ones.

        Raises:
            ValueError: Fields or members that no class can have.
        """
        if self.kind == "class":
            return type(name, (ScriptObject,), {**methods, "__module__": "__torch__", "_program_names": frozenset(methods)})
        if self.original is not None:
            return self.original
        names = self.fields if self.kind == "tuple" else list(self.values)
        if not all(isinstance(n, str) and n.isidentifier() and not n.startswith("_") for n in names):
            raise ValueError(f"the class {name} has a field that is no name")
        if self.kind == "tuple":
            defaults = [self.values[n] for n in self.fields if n in self.values]
            return collections.namedtuple(name, self.fields, defaults=defaults, module="__torch__")
        return enum.Enum(name, dict(self.values), module="__torch__")

    def described(self, value):
        """The class as JSON; `value` writes a plain value."""
        return {"kind": self.kind, "fields": self.fields, "values": {k: value(v, k) for k, v in self.values.items()}, "methods": self.methods}

    @classmethod
    def read(cls, node, value):
        """The class of a description.

        Raises:
            ValueError: It is none.
        """
        if node["kind"] not in ("tuple", "enum", "class"):
            raise ValueError(f"a class of kind {node['kind']!r}")
        return cls(node["kind"], [str(n) for n in node["fields"]], {str(k): value(v) for k, v in node["values"].items()}, dict(node["methods"]))


def get(owner, name):
    """An attribute of a tuple with names, an enumeration's member or a program's object; raises LookupError where there is none."""
    if isinstance(owner, ScriptObject):
        if name in owner.__dict__:
            return owner.__dict__[name]
        if name in type(owner)._program_names:
            return getattr(owner, name)
    elif isinstance(owner, tuple) and name in getattr(type(owner), "_fields", ()):
        return getattr(owner, name)
    elif isinstance(owner, enum.Enum) and name in ("name", "value"):
        return getattr(owner, name)
    raise LookupError(name)


def put(owner, name, value):
    """A program's `owner.name = value`.

    Raises:
        AttributeError: Only objects of its classes, and modules' own attributes, can be assigned.
    """
    from ._modules import ScriptModule

    if isinstance(owner, ScriptObject) or isinstance(owner, ScriptModule) and name in owner.__dict__ and not name.startswith("_"):
        setattr(owner, name, value)
        return
    raise AttributeError(f"{type(owner).__name__!r} object has no attribute {name!r} that a program can assign")
