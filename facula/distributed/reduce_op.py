"""How values of several processes are combined."""

from __future__ import annotations

import enum

import facula


class _Kind(enum.IntEnum):
    SUM, AVG, PRODUCT, MIN, MAX, BAND, BOR, BXOR, PREMUL_SUM, UNUSED = range(10)

    def __repr__(self):
        return f"<RedOpType.{self.name}: {self.value}>"

    __str__ = enum.Enum.__str__


_Kind.__name__ = _Kind.__qualname__ = "RedOpType"


class ReduceOp:
    """SUM, AVG, PRODUCT, MIN, MAX, BAND, BOR, BXOR: values for the argument `op` of collectives."""

    RedOpType = _Kind

    def __new__(cls, kind=_Kind.SUM):
        return kind if isinstance(kind, _Kind) else _Kind(kind)


for _kind in _Kind:
    setattr(ReduceOp, _kind.name, _kind)


def combine(into, other, op):
    """into <- into (op) other, in place."""
    if op in (_Kind.SUM, _Kind.AVG):
        return into.logical_or_(other) if into.dtype == facula.bool else into.add_(other)
    if op == _Kind.PRODUCT:
        return into.logical_and_(other) if into.dtype == facula.bool else into.mul_(other)
    if op in (_Kind.MIN, _Kind.MAX):
        if into.is_complex():
            raise ValueError(f"all_reduce does not support {op!r} on complex tensors")
        return into.copy_((facula.minimum if op == _Kind.MIN else facula.maximum)(into, other))
    names = {_Kind.BAND: "bitwise_and_", _Kind.BOR: "bitwise_or_", _Kind.BXOR: "bitwise_xor_"}
    if op not in names:
        raise RuntimeError(f"ReduceOp.{op.name} is not supported by the backend gloo: use SUM, AVG, PRODUCT, MIN, MAX, BAND, BOR or BXOR")
    if into.is_floating_point() or into.is_complex():
        raise RuntimeError(f"Cannot use ReduceOp.{op.name} with non-integral dtype")
    return getattr(into, names[op])(other)


def conclude(result, op, count):
    """What is left to do once all values are combined."""
    if op == _Kind.AVG:
        result.div_(count) if result.is_floating_point() or result.is_complex() else result.div_(count, rounding_mode="trunc")
    return result


reduce_op = ReduceOp
