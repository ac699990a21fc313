"""Types of programs: their texts ("Optional[List[int]]"), whether a value is of one, and what a call's arguments must be."""

from __future__ import annotations

import ast
import enum
import functools
import inspect
import re
import typing

import facula

Tensor = facula.Tensor
_NAMED = {"Tensor": Tensor, "bool": bool, "str": str, "complex": complex, "Device": facula.device, "None": type(None)}
_ELEMENTS = {"List": list, "Tuple": tuple, "Dict": dict, "Optional": None, "Union": None, "Future": None}


class Error(Exception):
    """What a program raises by `raise` or `assert`."""


Error.__module__ = "torch.jit"


# ---------------------------------------------------------------- from Python's annotations to texts

def text_of(kind, classes=lambda kind: None):
    """The text of an annotation; None where programs have no such type.

    Args:
        classes: A function that names classes of the program.
    """
    if kind is inspect.Parameter.empty:
        return "Tensor"
    if kind is None or kind is type(None):
        return "None"
    if isinstance(kind, str):
        return kind if re.fullmatch(r"[\w\[\], ]+", kind) else None
    if kind is typing.Any:
        return "Any"
    if kind in (int, float, bool, str, complex):
        return kind.__name__
    if isinstance(kind, type) and issubclass(kind, Tensor):
        return "Tensor"
    if kind is facula.device:
        return "Device"
    if kind is facula.dtype or kind in (facula.layout, facula.memory_format):
        return "int"
    return _generic(kind, classes) or classes(kind)


def _generic(kind, classes):
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    names = {list: "List", tuple: "Tuple", dict: "Dict"}
    if origin in names:
        parts = [text_of(k, classes) for k in inside if k is not Ellipsis]
        return None if None in parts else f"{names[origin]}[{', '.join(parts)}]"
    if origin is not None and (origin is typing.Union or str(origin) == "<class 'types.UnionType'>"):
        parts = [text_of(k, classes) for k in inside]
        if None in parts:
            return None
        rest = [p for p in parts if p != "None"]
        if len(rest) == 1 and len(parts) == 2:
            return f"Optional[{rest[0]}]"
        return f"Union[{', '.join(parts)}]"
    if getattr(origin, "__name__", "") == "Final" or str(origin) == "typing.Final":
        return text_of(inside[0], classes)
    return None


def annotations_of(function, names):
    """Parameter -> annotation, "return" included: from annotations, or a `# type:` comment below the `def`."""
    hints = dict(getattr(function, "__annotations__", {}))
    try:
        scope = {**function.__globals__, **dict(zip(function.__code__.co_freevars, (c.cell_contents for c in function.__closure__ or ())))}
        hints = typing.get_type_hints(function, scope)
    except Exception:  # noqa: BLE001 - names under TYPE_CHECKING, empty cells: what can be read is used
        pass
    if hints:
        return hints
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        return hints
    found = re.search(r"#\s*type:\s*\((.*?)\)\s*->\s*(.+)", source)
    if not found or "ignore" in found[0]:
        return hints
    scope = {**vars(typing), "Tensor": Tensor, "torch": facula, **function.__globals__}
    try:
        given, result = eval(f"({found[1]},)" if found[1].strip() else "()", scope), eval(found[2], scope)  # the user's own annotation
    except Exception:  # noqa: BLE001 - a comment that is no type
        return hints
    names = [n for n in names if n != "self"]
    return {**dict(zip(names, given)), "return": result}


# ---------------------------------------------------------------- texts as trees

@functools.lru_cache(512)
def parsed(text):
    """A type's text as nested tuples: ("Dict", ("str",), ("Tensor",)).

    Raises:
        ValueError: It is no type.
    """
    def walk(node):
        if isinstance(node, ast.Name):
            return (node.id,)
        if isinstance(node, ast.Constant) and node.value is None:
            return ("None",)
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in _ELEMENTS:
            inside = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            return (node.value.id, *map(walk, inside))
        raise ValueError(f"{text!r} is no type of programs")

    try:
        return walk(ast.parse(text, mode="eval").body)
    except SyntaxError:
        raise ValueError(f"{text!r} is no type of programs") from None


def matches(value, kind):
    """Whether a value is of a parsed type."""
    name, inside = kind[0], kind[1:]
    if name == "int":
        return isinstance(value, (int, facula.dtype, facula.layout, facula.memory_format))
    if name == "float":
        return isinstance(value, (float, int)) and not isinstance(value, bool)
    if name in _NAMED:
        return isinstance(value, _NAMED[name])
    if name == "Optional":
        return value is None or matches(value, inside[0])
    if name == "Union":
        return any(matches(value, k) for k in inside)
    if name == "List":
        return isinstance(value, (list, tuple)) and all(matches(v, inside[0]) for v in value)
    if name == "Dict":
        return isinstance(value, dict) and all(matches(k, inside[0]) and matches(v, inside[1]) for k, v in value.items())
    if name == "Tuple":
        return isinstance(value, tuple) and len(value) == len(inside) and all(map(matches, value, inside))
    return True  # Any, and classes: their use tells


def is_instance(value, text):
    """The program's `isinstance` for types with elements: here lists are no tuples, and ints no floats."""
    kind = parsed(text)
    return _strictly(value, kind)


def _strictly(value, kind):
    name, inside = kind[0], kind[1:]
    if name in ("int", "float", "bool", "str"):
        return type(value) is {"int": int, "float": float, "bool": bool, "str": str}[name] or name == "int" and isinstance(value, int) \
            and not isinstance(value, bool)
    if name == "List":
        return isinstance(value, list) and all(_strictly(v, inside[0]) for v in value)
    if name == "Tuple":
        return isinstance(value, tuple) and len(value) == len(inside) and all(map(_strictly, value, inside))
    if name == "Dict":
        return isinstance(value, dict) and all(_strictly(k, inside[0]) and _strictly(v, inside[1]) for k, v in value.items())
    if name in ("Union", "Optional"):
        return any(_strictly(value, k) for k in inside) or name == "Optional" and value is None
    if name in _NAMED or name == "Any":
        return matches(value, kind)
    return type(value).__name__ == name


def short(kind):
    """A parsed type as graphs and schemas write it: "int[]?"."""
    name, inside = kind[0], kind[1:]
    if name == "List":
        return short(inside[0]) + "[]"
    if name == "Optional":
        return short(inside[0]) + "?"
    if name == "Tuple":
        return f"({', '.join(map(short, inside))})"
    if name in ("Dict", "Union", "Future"):
        return f"{name}({', '.join(map(short, inside))})"
    return {"None": "NoneType"}.get(name, name)


# ---------------------------------------------------------------- what a call must give

class Schema:
    """Names, types and defaults of a function's arguments."""

    def __init__(self, name, arguments, result=None, keyword_only=0, owner=None):
        # arguments: (name, text of the type or None if there was no annotation, has a default, the default's text)
        self.name, self.arguments, self.result, self.keyword_only, self.owner = name, arguments, result, keyword_only, owner
        self._kinds = [parsed(text or "Tensor") for _, text, _, _ in arguments]
        self._names = {a[0] for a in arguments}

    def __str__(self):
        parts = [f"{self.owner} self"] if self.owner else []
        for i, (name, _, has_default, default) in enumerate(self.arguments):
            if self.keyword_only and i == len(self.arguments) - self.keyword_only:
                parts.append("*")
            parts.append(f"{short(self._kinds[i])} {name}" + (f"={default}" if has_default else ""))
        return f"{self.name}({', '.join(parts)}) -> {short(parsed(self.result)) if self.result else 'Tensor'}"

    def check(self, args, kwargs):
        """The arguments, integers for floats converted.

        Raises:
            RuntimeError: One is missing, unknown, given twice, or of another type.
        """
        positions = len(self.arguments) - self.keyword_only
        if len(args) > positions:
            raise RuntimeError(f"{self.name}() expected at most {positions} argument(s) but received {len(args)} argument(s). Declaration: {self}")
        for name in kwargs:
            if name not in self._names:
                raise RuntimeError(f"Unknown keyword argument '{name}' for operator '{self.name}'. Schema: {self}")
        converted = None
        for i, ((name, _, has_default, _), kind) in enumerate(zip(self.arguments, self._kinds)):
            if i < len(args):
                if name in kwargs:
                    raise RuntimeError(f"Argument '{name}' specified both as positional and keyword argument. Schema: {self}")
                value = args[i]
            elif name in kwargs:
                value = kwargs[name]
            elif has_default:
                continue
            else:
                raise RuntimeError(f"{self.name}() is missing value for argument '{name}'. Declaration: {self}")
            if kind[0] == "Tensor" and isinstance(value, Tensor):
                continue
            if not matches(value, kind):
                self._refuse(i, value)
            if kind[0] == "float" and type(value) is not float:
                converted = converted or (list(args), dict(kwargs))
                converted[0 if i < len(args) else 1][i if i < len(args) else name] = float(value)
        return converted or (args, kwargs)

    def _refuse(self, i, value):
        name, text, _, _ = self.arguments[i]
        guess = "" if text else f"Inferred '{name}' to be of type 'Tensor' because it was not annotated with an explicit type.\n"
        raise RuntimeError(f"{self.name}() Expected a value of type '{text or 'Tensor (inferred)'}' for argument '{name}' but instead found type "
                           f"'{type(value).__name__}'.\n{guess}Position: {i}\nValue: {value!r}\nDeclaration: {self}")


def schema_of(definition, skip_self):
    """The schema that a function's tree says (see `_language`)."""
    a = definition.args
    plain = a.args[1:] if skip_self and a.args else a.args
    texts = [ast.unparse(d) for d in a.defaults]
    padded = [None] * (len(plain) - len(texts)) + texts[-len(plain):] if plain else []
    keyword = [d and ast.unparse(d) for d in a.kw_defaults]

    def described(arg, default):
        return arg.arg, ast.unparse(arg.annotation) if arg.annotation is not None else None, default is not None, default

    arguments = [described(x, d) for x, d in (*zip(plain, padded), *zip(a.kwonlyargs, keyword))]
    for _, text, _, _ in arguments:
        parsed(text or "Tensor")
    result = ast.unparse(definition.returns) if definition.returns is not None else None
    return Schema(definition.name, arguments, result and (parsed(result) and result), len(a.kwonlyargs), "__torch__" if skip_self else None)


def is_enum(kind):
    """Whether a class is an enumeration of plain values."""
    return isinstance(kind, type) and issubclass(kind, enum.Enum) and all(isinstance(m.value, (int, float, str)) for m in kind)


def is_named_tuple(kind):
    """Whether a class is a tuple with names."""
    return isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields") and hasattr(kind, "_make")
