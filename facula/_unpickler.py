"""A pickle reader for weights: it makes tensors and plain containers, and refuses everything else.

Unlike `pickle` it never imports a module, calls only what stands on a list, and sets state only on
objects that a list allows, so that a hostile file can do no more than fail.
"""

from __future__ import annotations

import collections
import functools
import struct
from _pickle import UnpicklingError

import facula

from . import _names

_user_safe: dict[str, object] = {}
_MARK = object()


def global_name(obj):
    """`module.qualname`, with PyTorch's name for our own modules."""
    return f"{_names.to_torch(obj.__module__)}.{obj.__qualname__}"


def add_safe_globals(entries):
    for entry in entries:
        if isinstance(entry, tuple):
            obj, name = entry
            _user_safe[name] = obj
        else:
            _user_safe[global_name(entry)] = entry


@functools.lru_cache(maxsize=1)
def _default_globals():
    import _codecs

    from . import _utils, serialization, storage

    allowed = {"collections.OrderedDict": collections.OrderedDict, "collections.Counter": collections.Counter,
               "collections.defaultdict": collections.defaultdict, "builtins.set": set, "builtins.bytearray": bytearray,
               "builtins.complex": complex, "builtins.int": int, "builtins.list": list, "builtins.dict": dict,
               "__builtin__.set": set, "__builtin__.bytearray": bytearray, "__builtin__.complex": complex,
               "_codecs.encode": _codecs.encode, "torch.Size": facula.Size, "torch.device": facula.device,
               "torch.Tensor": facula.Tensor, "torch._tensor._rebuild_from_type_v2": _utils._rebuild_from_type_v2,
               "torch.nn.parameter.Parameter": facula.nn.Parameter, "torch.nn.Parameter": facula.nn.Parameter,
               "torch.storage.UntypedStorage": storage.UntypedStorage, "torch.storage.TypedStorage": storage.TypedStorage,
               "torch.UntypedStorage": storage.UntypedStorage}
    for function in _utils.rebuilders:
        allowed[f"torch._utils.{function.__name__}"] = function
    allowed["torch.serialization._get_layout"] = serialization._get_layout
    for name, kind in storage.legacy_types.items():
        allowed[f"torch.{name}"] = allowed[f"torch.cuda.{name}"] = kind
    for name in dir(facula):
        if isinstance(vars(facula).get(name), facula.dtype):
            allowed[f"torch.{name}"] = vars(facula)[name]
    return allowed


def _lookup(module, name):
    path = f"{_names.to_torch(module)}.{name}"
    found = _user_safe.get(path, _MARK)
    return _default_globals().get(path, _MARK) if found is _MARK else found


class Unpickler:
    """Has the part of `pickle.Unpickler` that reading weights needs: `load` and `persistent_load`."""

    def __init__(self, file, *, encoding="bytes"):
        self.read, self.encoding = file.read, encoding
        self.readline, self.tell = file.readline, file.tell
        at = file.tell()
        self.end = file.seek(0, 2)
        file.seek(at)

    def persistent_load(self, pid):
        raise UnpicklingError("unsupported persistent id encountered")

    def load(self):
        self.stack, self.memo = [], {}
        try:
            while True:
                code = self.read(1)
                if not code:
                    raise EOFError("Ran out of input")
                if code == b".":
                    return self.stack.pop()
                handler = _HANDLERS.get(code)
                if handler is None:
                    raise UnpicklingError(f"Unsupported operand {code[0]}")
                handler(self)
        except (UnpicklingError, RuntimeError, EOFError):
            raise
        except Exception as error:
            raise UnpicklingError(f"corrupt pickle data: {type(error).__name__}: {error!s:.200}") from None

    def pop_mark(self):
        at = len(self.stack) - 1
        while self.stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise UnpicklingError("corrupt pickle data: no mark")
        items = self.stack[at + 1:]
        del self.stack[at:]
        return items

    def take(self, fmt):
        size = struct.calcsize(fmt)
        return struct.unpack(fmt, self.exactly(size))[0]

    def exactly(self, count):
        if count > self.end - self.tell():
            raise EOFError(f"pickle data was truncated: {self.end - self.tell()} of {count} bytes")
        return self.read(count)


_HANDLERS = {}


def _code(*codes):
    def register(function):
        for code in codes:
            _HANDLERS[code] = function
        return function

    return register


def _pushes(code, make):
    _HANDLERS[code] = lambda u: u.stack.append(make(u))


for _c, _make in {
    b"N": lambda u: None, b"\x88": lambda u: True, b"\x89": lambda u: False, b"(": lambda u: _MARK, b")": lambda u: (),
    b"]": lambda u: [], b"}": lambda u: {}, b"\x8f": lambda u: set(), b"J": lambda u: u.take("<i"), b"K": lambda u: u.take("<B"),
    b"M": lambda u: u.take("<H"), b"G": lambda u: u.take(">d"), b"X": lambda u: str(u.exactly(u.take("<I")), "utf-8", "surrogatepass"),
    b"\x8c": lambda u: str(u.exactly(u.take("<B")), "utf-8", "surrogatepass"),
    b"\x8d": lambda u: str(u.exactly(u.take("<Q")), "utf-8", "surrogatepass"),
    b"C": lambda u: u.exactly(u.take("<B")), b"B": lambda u: u.exactly(u.take("<I")), b"\x8e": lambda u: u.exactly(u.take("<Q")),
    b"U": lambda u: u.exactly(u.take("<B")).decode("latin1"), b"T": lambda u: u.exactly(u.take("<I")).decode("latin1"),
    b"\x8a": lambda u: int.from_bytes(u.exactly(u.take("<B")), "little", signed=True),
    b"\x8b": lambda u: int.from_bytes(u.exactly(u.take("<I")), "little", signed=True),
    b"h": lambda u: u.memo[u.take("<B")], b"j": lambda u: u.memo[u.take("<I")],
    b"t": lambda u: tuple(u.pop_mark()), b"l": lambda u: u.pop_mark(),
    b"\x85": lambda u: (u.stack.pop(),), b"2": lambda u: u.stack[-1],
    b"Q": lambda u: u.persistent_load(u.stack.pop()),
    b"F": lambda u: float(u.readline()), b"g": lambda u: u.memo[int(u.readline())],
}.items():
    _pushes(_c, _make)


@_code(b"\x80")
def _proto(u):
    version = u.take("<B")
    if version not in (2, 3, 4, 5):
        raise UnpicklingError(f"unsupported pickle protocol: {version}")


@_code(b"\x95")
def _frame(u):
    u.take("<Q")


@_code(b"\x86")
def _tuple2(u):
    u.stack[-2:] = [tuple(u.stack[-2:])]


@_code(b"\x87")
def _tuple3(u):
    u.stack[-3:] = [tuple(u.stack[-3:])]


@_code(b"q")
def _binput(u):
    u.memo[u.take("<B")] = u.stack[-1]


@_code(b"r")
def _long_binput(u):
    u.memo[u.take("<I")] = u.stack[-1]


@_code(b"\x94")
def _memoize(u):
    u.memo[len(u.memo)] = u.stack[-1]


@_code(b"0")
def _pop(u):
    u.stack.pop()


@_code(b"1")
def _pop_to_mark(u):
    u.pop_mark()


@_code(b"a")
def _append_one(u):
    item = u.stack.pop()
    _target(u, list).append(item)


@_code(b"e")
def _append_many(u):
    items = u.pop_mark()
    _target(u, list).extend(items)


def _target(u, kind):
    target = u.stack[-1]
    if not isinstance(target, kind):
        raise UnpicklingError(f"Can only fill a {kind.__name__}, but got {type(target)}")
    return target


@_code(b"s")
def _setitem(u):
    value, key = u.stack.pop(), u.stack.pop()
    _target(u, dict)[_key(key)] = value


@_code(b"u")
def _setitems(u):
    items = u.pop_mark()
    target = _target(u, dict)
    for key, value in zip(items[::2], items[1::2]):
        target[_key(key)] = value


@_code(b"\x90")
def _additems(u):
    items = u.pop_mark()
    _target(u, set).update(map(_key, items))


def _key(key, budget=1000):
    """A key, if its hash is quickly made: tuples that hold one another many times over would take forever."""
    waiting = [key]
    while waiting:
        part = waiting.pop()
        if isinstance(part, tuple):
            budget -= len(part)
            if budget < 0:
                raise UnpicklingError("corrupt pickle data: a key of more than 1000 parts")
            waiting.extend(part)
    return key


def _find(u, module, name):
    found = _lookup(module, name)
    if found is _MARK:
        path = f"{_names.to_torch(module)}.{name}"
        raise UnpicklingError(
            f"Unsupported global: GLOBAL {path} was not an allowed global by default. Please use "
            f"`torch.serialization.add_safe_globals([{path}])` or the `torch.serialization.safe_globals([{path}])` context manager to "
            "allowlist this global if you trust this class/function.")
    u.stack.append(found)


@_code(b"c")
def _global_text(u):
    module, name = u.readline()[:-1].decode(), u.readline()[:-1].decode()
    _find(u, module, name)


@_code(b"\x93")
def _global_stack(u):
    name, module = u.stack.pop(), u.stack.pop()
    if not (isinstance(name, str) and isinstance(module, str)):
        raise UnpicklingError("corrupt pickle data: a global's name is no text")
    _find(u, module, name)


def _allowed(obj):
    return any(obj is v for v in _default_globals().values()) or any(obj is v for v in _user_safe.values())


@_code(b"R")
def _reduce(u):
    args = u.stack.pop()
    function = u.stack[-1]
    if not isinstance(args, tuple) or not callable(function) or not _allowed(function):
        raise UnpicklingError(f"Trying to call reduce for unrecognized function {function!r:.200}")
    if not any(function is v for v in _user_safe.values()):
        _check_call(function, args)
    u.stack[-1] = function(*args)


def _check_call(function, args):
    """Refuses calls that weights never need: they could take memory or time without end."""
    import _codecs

    from . import _utils, serialization

    first = args[0] if args else None
    if function in (set, dict, collections.OrderedDict, collections.Counter, collections.defaultdict):
        source = args[-1] if args else ()
        pairs = function is not set and not isinstance(source, dict)
        fine = source is first and callable(first) or isinstance(source, (list, dict, set, tuple, str))
        if fine and not callable(source):
            for item in source:
                _key(item[0] if pairs and function is not collections.Counter else item)
    elif function is bytearray:
        fine = isinstance(first, (bytes, str, type(None)))
    elif function is _codecs.encode:
        fine = len(args) == 2 and args[1] in ("latin1", "latin-1", "utf-8", "ascii")
    elif function is _utils._rebuild_from_type_v2:
        kind = args[1] if len(args) > 1 else None
        fine = any(first is f for f in _utils.rebuilders) and (kind is facula.Tensor or kind is facula.nn.Parameter
                                                              or any(kind is v for v in _user_safe.values()))
    else:
        fine = function in (complex, int, list, facula.Size, facula.device, serialization._get_layout) or any(function is f for f in _utils.rebuilders)
    if not fine:
        raise UnpicklingError(f"Trying to call {getattr(function, '__name__', function)} in a way that weights never do")


@_code(b"\x81")
def _newobj(u):
    args = u.stack.pop()
    cls = u.stack.pop()
    if not isinstance(cls, type) or not _allowed(cls):
        raise UnpicklingError(f"Can not create new object for non allowed {cls}: Trying to instantiate an unsupported class")
    if cls is facula.nn.Parameter:
        u.stack.append(cls(*args))
    elif cls in _user_safe.values() or cls in (set, collections.OrderedDict, collections.Counter, bytearray, dict, list):
        u.stack.append(cls.__new__(cls, *args))
    else:
        raise UnpicklingError(f"Can not create new object for nn.Module or built-in type {cls}")


@_code(b"b")
def _build(u):
    state = u.stack.pop()
    obj = u.stack[-1]
    if type(obj) in (collections.OrderedDict, collections.Counter):
        if not isinstance(state, dict):
            raise UnpicklingError("the state of an OrderedDict is a dict")
        obj.__dict__.update(state)
    elif type(obj) in (facula.Tensor, facula.nn.Parameter) and isinstance(state, tuple):
        raise UnpicklingError("tensors in this form are no longer written; load the file with weights_only=False if you trust it")
    elif any(type(obj) is v for v in _user_safe.values()):
        if hasattr(type(obj), "__setstate__"):
            obj.__setstate__(state)
        elif isinstance(state, tuple) and len(state) == 2:
            obj.__dict__.update(state[0] or {})
            for name, value in (state[1] or {}).items():
                setattr(obj, name, value)
        else:
            obj.__dict__.update(state)
    else:
        raise UnpicklingError("Can only build Tensor, Parameter, OrderedDict or types allowlisted via `add_safe_globals`, but got "
                              f"{type(obj)}")


def globals_in(data):
    """The names of all globals that a pickle mentions, without running it."""
    import pickletools

    names, strings, memo = set(), [], {}
    for op, arg, _ in pickletools.genops(data):
        if op.name == "GLOBAL":
            names.add(arg.replace(" ", ".", 1))
        elif op.name == "STACK_GLOBAL" and len(strings) >= 2:
            names.add(".".join(strings[-2:]))
        elif "UNICODE" in op.name:
            strings.append(arg)
        elif op.name == "MEMOIZE" and strings:
            memo[len(memo)] = strings[-1]
        elif op.name in ("BINGET", "LONG_BINGET") and arg in memo:
            strings.append(memo[arg])
    return names
