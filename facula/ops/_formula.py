"""Formulas: the same Python expression runs on symbols (to print C++) and on tensors.

`codegen/formulas.py` traces formulas on `Symbol`s when the package is built; gradient rules run
on tensors when gradients of gradients are wanted.
"""

from __future__ import annotations


class Symbol:
    """One value of a formula while it is traced: C++ text, given a name when it is used twice."""

    __slots__ = ("args", "text")

    def __init__(self, text, *args):
        self.text, self.args = text, args

    def __bool__(self):
        raise TypeError("a formula cannot branch on a value: use where()")


def symbol_call(name, *args):
    return Symbol(f"m::{name}({', '.join('{}' for _ in args)})", *args)


def _infix(op):
    return (lambda a, b: Symbol(f"({{}} {op} {{}})", a, b)), (lambda a, b: Symbol(f"({{}} {op} {{}})", b, a))


for _name, _op in (("add", "+"), ("sub", "-"), ("mul", "*"), ("truediv", "/")):
    _forward, _reflected = _infix(_op)
    setattr(Symbol, f"__{_name}__", _forward)
    setattr(Symbol, f"__r{_name}__", _reflected)
for _name, _op in (("lt", "<"), ("le", "<="), ("gt", ">"), ("ge", ">="), ("eq", "=="), ("ne", "!=")):
    setattr(Symbol, f"__{_name}__", _infix(_op)[0])
for _name, _op in (("and", "&&"), ("or", "||")):
    setattr(Symbol, f"__{_name}__", _infix(_op)[0])
Symbol.__hash__ = object.__hash__
Symbol.__neg__ = lambda a: Symbol("(-{})", a)
Symbol.__invert__ = lambda a: Symbol("(!{})", a)
Symbol.__abs__ = lambda a: symbol_call("abs", a)
Symbol.__pow__ = lambda a, b: symbol_call("pow", a, b)
Symbol.__rpow__ = lambda a, b: symbol_call("pow", b, a)


def print_expression(root):
    """(statements, expression) in C++ with every shared value computed once."""
    statements, (expression,) = print_expressions([root])
    return statements, expression


def print_expressions(roots):
    """(statements, expressions) of several values that may share parts."""
    uses: dict[int, int] = {}

    def count(s):
        if isinstance(s, Symbol):
            uses[id(s)] = uses.get(id(s), 0) + 1
            if uses[id(s)] == 1:
                for a in s.args:
                    count(a)

    statements, names = [], {}

    def text(s):
        if not isinstance(s, Symbol):
            return "true" if s is True else "false" if s is False else f"T({s!r})" if abs(s) < float("inf") else "(-m::inf<T>)" if s < 0 else "m::inf<T>"
        if id(s) in names:
            return names[id(s)]
        expression = s.text.format(*(text(a) for a in s.args))
        if uses[id(s)] > 1 and s.args:
            names[id(s)] = f"t{len(statements)}"
            statements.append(f"const auto {names[id(s)]} = {expression};")
            return names[id(s)]
        return expression

    for root in roots:
        count(root)
    return statements, [text(root) for root in roots]


class _Functions:
    """`f.exp(x)`: C++ text on symbols, the operation on tensors."""

    def __getattr__(self, name):
        def call(*args):
            if any(isinstance(a, Symbol) for a in args):
                return symbol_call(name, *args)
            import facula

            function = getattr(facula, name, None) or getattr(facula.special, name, None) or getattr(facula.nn.functional, name)
            return function(*args)

        call.__name__ = name
        setattr(self, name, call)
        return call

    @staticmethod
    def where(condition, x, y):
        if isinstance(condition, Symbol):
            return symbol_call("where", condition, x, y)
        if isinstance(condition, bool):  # of Python numbers
            return x if condition else y
        import facula

        return facula.where(condition, x, y)

    @staticmethod
    def maximum(x, y):
        if isinstance(x, Symbol) or isinstance(y, Symbol):
            return symbol_call("maximum", x, y)
        import facula

        return facula.maximum(x, y) if isinstance(y, facula.Tensor) else facula.clamp_min(x, y)

    @staticmethod
    def minimum(x, y):
        if isinstance(x, Symbol) or isinstance(y, Symbol):
            return symbol_call("minimum", x, y)
        import facula

        return facula.minimum(x, y) if isinstance(y, facula.Tensor) else facula.clamp_max(x, y)

    @staticmethod
    def angle_gradient(grad, x):
        if isinstance(x, Symbol):
            return symbol_call("angle_gradient", grad, x)
        if not x.is_complex():
            return grad * 0
        return f.where(x == 0, grad * 0, grad * x * 1j / (x.real * x.real + x.imag * x.imag))

    @staticmethod
    def muladd(x, y, z):
        if any(isinstance(a, Symbol) for a in (x, y, z)):
            return symbol_call("muladd", x, y, z)
        return z + x * y

    @staticmethod
    def conj(x):
        if isinstance(x, Symbol):
            return symbol_call("conj", x)
        return x.conj() if hasattr(x, "dtype") and x.dtype.is_complex else x


f = _Functions()
