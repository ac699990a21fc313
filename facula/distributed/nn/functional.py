"""Collectives that gradients flow through."""

from __future__ import annotations

import facula

from .. import calls
from ..groups import resolve
from ..reduce_op import ReduceOp


class _AllReduce(facula.autograd.Function):
    @staticmethod
    def forward(ctx, op, group, tensor):
        ctx.op, ctx.group = op, group
        out = tensor.clone(memory_format=facula.contiguous_format)
        calls.all_reduce(out, op, group)
        return out

    @staticmethod
    def backward(ctx, grad):
        return None, None, _AllReduce.apply(ctx.op, ctx.group, grad)


class _Broadcast(facula.autograd.Function):
    @staticmethod
    def forward(ctx, src, group, tensor):
        ctx.src, ctx.group = src, group
        out = tensor.clone()
        calls.broadcast(out, src, group)
        return out

    @staticmethod
    def backward(ctx, grad):
        total = _Reduce.apply(ctx.src, ReduceOp.SUM, ctx.group, grad)
        return None, None, total if resolve(ctx.group).mesh.rank == ctx.src else facula.zeros_like(grad)


class _Reduce(facula.autograd.Function):
    @staticmethod
    def forward(ctx, dst, op, group, tensor):
        ctx.dst, ctx.group = dst, group
        out = tensor.clone()
        calls.reduce(out, dst, op, group)
        return out

    @staticmethod
    def backward(ctx, grad):
        return None, None, None, _Broadcast.apply(ctx.dst, ctx.group, grad)


class _AllGather(facula.autograd.Function):
    @staticmethod
    def forward(ctx, group, tensor):
        ctx.group = group
        out = [facula.empty_like(tensor) for _ in range(int(resolve(group).size))]
        calls.all_gather(out, tensor.contiguous(), group)
        return tuple(out)

    @staticmethod
    def backward(ctx, *grads):
        out = facula.empty_like(grads[0])
        calls.reduce_scatter(out, [g.contiguous() for g in grads], group=ctx.group)
        return None, out


class _ReduceScatter(facula.autograd.Function):
    @staticmethod
    def forward(ctx, op, group, *tensors):
        ctx.group = group
        out = facula.empty_like(tensors[0])
        calls.reduce_scatter(out, [t.contiguous() for t in tensors], op, group)
        return out

    @staticmethod
    def backward(ctx, grad):
        return (None, None, *_AllGather.apply(ctx.group, grad))


class _AllToAll(facula.autograd.Function):
    @staticmethod
    def forward(ctx, group, sizes, *tensors):
        ctx.group, ctx.sizes = group, [t.shape for t in tensors]
        out = [facula.empty(s, dtype=tensors[0].dtype) for s in sizes]
        calls.all_to_all(out, [t.contiguous() for t in tensors], group)
        return tuple(out)

    @staticmethod
    def backward(ctx, *grads):
        return (None, None, *_AllToAll.apply(ctx.group, ctx.sizes, *grads))


def all_reduce(tensor, op=ReduceOp.SUM, group=None):
    """The combination of everyone's tensor; the gradient is combined alike."""
    return _AllReduce.apply(op, group, tensor)


def broadcast(tensor, src, group=None):
    """The source's tensor; its gradient is the sum of all."""
    return _Broadcast.apply(src, group, tensor)


def reduce(tensor, dst, op=ReduceOp.SUM, group=None):
    """At the destination the combination of everyone's tensor."""
    return _Reduce.apply(dst, op, group, tensor)


def all_gather(tensor, group=None):
    """Everyone's tensors."""
    return _AllGather.apply(group, tensor)


def reduce_scatter(output, input_list, op=ReduceOp.SUM, group=None):
    """This rank's part of the combination of everyone's lists."""
    return _ReduceScatter.apply(op, group, *input_list)


def all_to_all(output_tensor_list, input_tensor_list, group=None):
    """Everyone's tensors for this rank."""
    return _AllToAll.apply(group, [tuple(t.shape) for t in output_tensor_list], *input_tensor_list)
