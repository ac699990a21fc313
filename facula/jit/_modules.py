"""Modules and functions that run a program instead of a class's Python."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import facula

from .. import _capture
from ..nn import Module
from ._language import compile_functions

BASE_STATE = frozenset(Module().__dict__)  # what every module has: hooks, tables


@dataclass
class Program:
    """What a class or function does, as text in the language of `_language`."""

    name: str                    # of the class or function
    methods: dict[str, str]
    functions: dict[str, str] = field(default_factory=dict)
    constants: dict[str, object] = field(default_factory=dict)
    classes: dict[str, object] = field(default_factory=dict)  # of ClassText
    ignored: dict[str, object] = field(default_factory=dict)  # Python kept by @jit.ignore; such a program cannot be saved
    python: dict[str, object] = field(default_factory=dict)   # what @jit.ignore marks and no text calls: there for callers
    graph: object = None         # of a trace
    kind: str = "RecursiveScriptModule"


class ScriptModule(Module):
    """A module that runs from a program; made by `jit.script`, `jit.trace` and `jit.load`."""

    _program: Program | None = None
    _program_names: frozenset = frozenset()
    _of_library = False  # whether forward is the library's own, which reads attributes itself

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):  # a class of the user's, with methods marked by script_method
            from ._script import compiled_after_init

            cls.__init__ = compiled_after_init(cls, cls.__init__)

    @property
    def original_name(self):
        """The name of the class it was made from."""
        return self._program.name if self._program else type(self).__mro__[-1].__name__

    def _get_name(self):
        if self._program is None:
            return type(self).__name__
        return self._program.name if "Traced" in self._program.kind else self._program.kind

    def extra_repr(self):
        return f"original_name={self.original_name}"

    @property
    def code(self):
        """The text of `forward`."""
        text = self._program.methods.get("forward", "")
        return _with_result(text, lambda: self.graph) if text else ""

    @property
    def code_with_constants(self):
        """(the text of `forward`, its constants)"""
        return self.code, dict(self._program.constants)

    @property
    def graph(self):
        """`forward` as nodes and blocks."""
        from ._graph import graph_of

        text = self._program.methods.get("forward")
        if not text:
            raise RuntimeError(f"{self.original_name} has no forward whose graph could be shown")
        return graph_of("forward", text, f"__torch__.{self.original_name}", self._attribute_types())

    inlined_graph = graph

    def _attribute_types(self):
        tables = (("_parameters", lambda t: "Tensor"), ("_buffers", lambda t: "Tensor"),
                  ("_modules", lambda m: f"__torch__.{getattr(m, 'original_name', type(m).__name__)}"))
        found = {name: kind(thing) for table, kind in tables for name, thing in self.__dict__[table].items()}
        plain = {name: type(v).__name__ for name, v in self.__dict__.items() if isinstance(v, (bool, int, float, str)) and not name.startswith("_")}
        return {**plain, **found}

    def save(self, f, _extra_files=None):
        """Writes the program and its tensors; see `jit.save`."""
        from ._archive import save

        save(self, f, _extra_files)

    def save_to_buffer(self, _extra_files=None):
        """What `save` writes, as bytes."""
        import io

        buffer = io.BytesIO()
        self.save(buffer, _extra_files)
        return buffer.getvalue()

    def get_debug_state(self):
        raise NotImplementedError("get_debug_state: programs run as they are; there is no executor whose state could be shown")

    def __copy__(self):
        made = type(self).__new__(type(self))
        made.__dict__.update(self.__dict__)
        for table in ("_parameters", "_buffers", "_modules"):
            made.__dict__[table] = dict(self.__dict__[table])
        return made

    def __deepcopy__(self, memo):
        made = type(self).__new__(type(self))
        memo[id(self)] = made
        made.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return made

    def __reduce__(self):
        import pickle

        raise pickle.PickleError("ScriptModules cannot be pickled: use jit.save and jit.load")


def _with_result(text, graph):
    """The text with the type of its result, where the graph tells it."""
    from ._graph import long

    first, line, rest = text.partition("\n")
    if "->" in first or not first.endswith("):"):
        return text
    outputs = list(graph().outputs())
    kind = long(outputs[0].type()) if len(outputs) == 1 else None
    return f"{first[:-1]} -> {kind}:{line}{rest}" if kind else text


class RecursiveScriptModule(ScriptModule):
    """A scripted module; its children are scripted too."""


class TopLevelTracedModule(ScriptModule):
    """What `jit.trace` makes of a module."""


class ScriptFunction:
    """A function that runs from a program."""

    def __init__(self, program, original=None):
        self._program = program
        _, functions = compile_functions({}, program.functions, program.constants, program.classes)
        self._call = functions[program.name]
        self.schema = self._call.schema
        self.__name__ = self.__qualname__ = self.name = program.name
        self._original = original
        self.__doc__ = getattr(original, "__doc__", None)

    def __call__(self, *args, **kwargs):
        args, kwargs = self.schema.check(args, kwargs)
        recorder = _capture.active()
        if recorder is not None and recorder.keeps_calls and not self._program.graph:
            return recorder.program_call(self, None, "", args, kwargs)
        return self._call(*args, **kwargs)

    def __get__(self, instance, owner=None):
        return self

    @property
    def code(self):
        """The function's text."""
        return _with_result(self._program.functions[self._program.name], lambda: self.graph)

    @property
    def graph(self):
        """The function as nodes and blocks."""
        from ._graph import graph_of

        return graph_of(self.name, self._program.functions[self.name])

    inlined_graph = graph

    def as_module(self):
        """A module without state whose forward is this function."""
        text = self._program.functions[self.name]
        head, _, rest = text.partition("(")
        comma = "" if rest.lstrip().startswith(")") else ", "
        methods = {"forward": f"def forward(self{comma}{rest}"}
        del head
        return build(Program(self.name, methods, self._program.functions, self._program.constants, self._program.classes, graph=self._program.graph), {})

    def save(self, f, _extra_files=None):
        """Writes the program; see `jit.save`."""
        self.as_module().save(f, _extra_files)

    def __repr__(self):
        return f"<{facula._names.prefix}.jit.ScriptFunction object at {id(self):#x}>"


def reserved(name):
    """Whether a program must leave the name alone: the machinery of modules needs it."""
    return name in vars(ScriptModule) or name.startswith("_") and hasattr(Module, name)


def _checked(name, function):
    """A method that checks its arguments, and that a trace keeps as one call."""
    schema = function.schema
    schema.name, schema.owner = name, "__torch__"

    def method(self, *args, **kwargs):
        args, kwargs = schema.check(args, kwargs)
        recorder = _capture.active()
        if recorder is not None and recorder.keeps_calls and self._program.kind == "RecursiveScriptModule" and recorder.path_of(self) is not None:
            return recorder.program_call(function, self, name, args, kwargs)
        return function(self, *args, **kwargs)

    method.__name__ = method.__qualname__ = name
    method.schema = schema
    return method


def build(program, state, library_class=None):
    """A module that runs `program` with the given `__dict__`; a library class runs as it is."""
    if library_class is not None:
        kind = type("RecursiveScriptModule", (RecursiveScriptModule, library_class),
                    {"_program": program, "_of_library": True, "forward": library_class.forward, "extra_repr": RecursiveScriptModule.extra_repr,
                     "__reduce__": ScriptModule.__reduce__, "__deepcopy__": ScriptModule.__deepcopy__, "__copy__": ScriptModule.__copy__})
    else:
        methods, _ = compile_functions(program.methods, program.functions, program.constants, program.classes)
        for name in methods:
            if reserved(name):
                raise RuntimeError(f"a program cannot define {name!r}: every scripted module has a method of that name")
        kind = type(program.kind, (TopLevelTracedModule if program.kind == "TopLevelTracedModule" else RecursiveScriptModule,),
                    {**program.python, **program.ignored, **{n: _checked(n, f) for n, f in methods.items()}, "_program": program,
                     "_program_names": frozenset((*methods, *program.ignored))})
    kind.__module__ = "torch.jit" + ("._trace" if "Traced" in program.kind else "._script")
    made = kind.__new__(kind)
    Module.__init__(made) if library_class is None else made.__dict__.update(Module().__dict__)
    made.__dict__.update(state)
    return made
