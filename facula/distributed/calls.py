"""The collectives that users call: arguments are checked, tensors made contiguous, then `collectives.py` moves the bytes."""

from __future__ import annotations

import facula

from . import collectives
from .groups import get_group_rank, resolve, world_group
from .reduce_op import ReduceOp
from .work import Work


def check_tensor(x, name):
    if not isinstance(x, facula.Tensor):
        raise TypeError(f"Invalid function argument. Expected parameter `{name}` of type torch.Tensor\n             but got {type(x)} instead.")
    if x.device.type != "cpu":
        raise RuntimeError(f"No backend type associated with device type {x.device.type}")


def check_list(xs, name):
    if not isinstance(xs, (list, tuple)) or not all(isinstance(x, facula.Tensor) for x in xs):
        raise TypeError(f"Invalid function argument. Expected parameter `{name}` of type List[torch.Tensor]\n             but got {type(xs)} instead.")
    for x in xs:
        check_tensor(x, name)


def same_kind(tensors, like, what):
    """Raises unless all have the dtype and number of elements of `like`."""
    for t in tensors:
        if t.dtype != like.dtype:
            raise ValueError(f"{what}: Invalid usage of tensors with different dtypes: found {like.dtype} and {t.dtype}")
        if t.numel() != like.numel():
            raise ValueError(f"{what}: tensors of one size are needed, got {tuple(like.shape)} and {tuple(t.shape)}")


def member(global_rank, group_rank, group, name):
    """A rank inside the group, from a number in the job or in the group."""
    if group_rank is not None:
        if global_rank is not None:
            raise ValueError(f"Can't specify both group_{name} and {name}")
        if not 0 <= group_rank < group.size:
            raise ValueError(f"Group rank {group_rank} is not part of the group of {int(group.size)} processes")
        return group_rank
    if global_rank is None:
        raise ValueError(f"Must specify {name} or group_{name}")
    if not 0 <= global_rank < world_group().size:
        raise RuntimeError(f"invalid root rank: {global_rank}: the job has ranks 0 to {world_group().size - 1}")
    return get_group_rank(group, global_rank)


def whole(tensor):
    """(contiguous, what copies it back): the tensor itself and None where it is contiguous."""
    plain = tensor.detach()
    if plain.is_contiguous():
        return plain, None
    copy = plain.contiguous()
    return copy, lambda: plain.copy_(copy)


def _run(group, what, function, tensors, args, async_op, result):
    """Calls `function(exchange, *tensors and other arguments)` on contiguous tensors and copies results back."""
    plain, back = [], []
    for t in tensors:
        if isinstance(t, (list, tuple)):
            pairs = [whole(x) for x in t]
            plain.append([p for p, _ in pairs])
            back += [b for _, b in pairs if b]
        else:
            p, b = (t, None) if t is None else whole(t)
            plain.append(p)
            back += [b] if b else []

    def carry_out(exchange):
        with facula.no_grad():
            function(exchange, *plain, *args)
            for b in back:
                b()

    return group.run(what, carry_out, async_op=async_op, result=result)


# ---------------------------------------------------------------- one tensor

def broadcast(tensor, src=None, group=None, async_op=False, group_src=None):
    """All get the source's tensor, in place."""
    check_tensor(tensor, "tensor")
    found = resolve(group)
    if found is None:
        return None
    return _run(found, "broadcast", collectives.broadcast, [tensor], (member(src, group_src, found, "src"),), async_op, [tensor])


def all_reduce(tensor, op=ReduceOp.SUM, group=None, async_op=False):
    """All get the combination (op) of everyone's tensor, in place.

    Args:
        tensor: Same size and dtype in all processes.
        op: SUM, AVG, PRODUCT, MIN, MAX, or for integers BAND, BOR, BXOR.
        group: Who takes part; None for all.
        async_op: Whether to return at once, with a Work to wait for.
    """
    check_tensor(tensor, "tensor")
    found = resolve(group)
    if found is None:
        return None
    if tensor.layout != facula.strided:
        return _all_reduce_sparse(found, tensor, op, async_op)
    return _run(found, "all_reduce", collectives.all_reduce, [tensor], (op,), async_op, [tensor])


def _all_reduce_sparse(group, tensor, op, async_op):
    def carry_out(exchange):
        with facula.no_grad():
            tensor.copy_(collectives.all_reduce_sparse(exchange, tensor.detach(), op))

    return group.run("all_reduce", carry_out, async_op=async_op, result=[tensor])


def reduce(tensor, dst=None, op=ReduceOp.SUM, group=None, async_op=False, group_dst=None):
    """The destination gets the combination of everyone's tensor, in place."""
    check_tensor(tensor, "tensor")
    found = resolve(group)
    if found is None:
        return None
    return _run(found, "reduce", collectives.reduce, [tensor], (op, member(dst, group_dst, found, "dst")), async_op, [tensor])


def barrier(group=None, async_op=False, device_ids=None, timeout=None):
    """Waits until all processes of the group have come here."""
    found = resolve(group)
    return None if found is None else found.run("barrier", collectives.barrier, None, async_op=async_op, result=[])


def monitored_barrier(group=None, timeout=None, wait_all_ranks=False):
    """A barrier that names the processes which did not come in time."""
    from .errors import DistBackendError
    from .store import seconds_of

    found = resolve(group)
    if found is None:
        return
    limit = seconds_of(timeout or found.timeout)

    def meet(x):
        if x.group.rank:
            x.send(0, b"")
            x.wait(x.post(0))
            return
        missing = []
        for p in x.others():
            try:
                x.post(p).wait(limit, "monitored_barrier")
            except DistBackendError as error:
                missing.append(p)
                if not wait_all_ranks:
                    raise DistBackendError(f"Rank {found.ranks[p]} failed to pass monitoredBarrier in {round(limit * 1000)} ms ({error})") from None
        if missing:
            raise DistBackendError(f"Ranks {', '.join(str(found.ranks[p]) for p in missing)} failed to pass monitoredBarrier in {round(limit * 1000)} ms")
        for p in x.others():
            x.send(p, b"")

    found.run("monitored_barrier", meet)


# ---------------------------------------------------------------- one tensor and many

def all_gather(tensor_list, tensor, group=None, async_op=False):
    """All get everyone's tensor: tensor_list[i] is that of rank i."""
    check_list(tensor_list, "tensor_list")
    check_tensor(tensor, "tensor")
    found = resolve(group)
    if found is None:
        return None
    if len(tensor_list) != found.size:
        raise ValueError(f"all_gather: tensor_list has {len(tensor_list)} tensors, the group {int(found.size)} processes")
    same_kind(tensor_list, tensor, "all_gather")
    return _run(found, "all_gather", collectives.all_gather, [tensor_list, tensor], (), async_op, [tensor_list])


def _pieces(tensor, count, what):
    """A contiguous tensor cut into equal parts, one per process."""
    if tensor.numel() % count:
        raise ValueError(f"{what}: a tensor of {tensor.numel()} elements cannot be cut into {count} parts")
    flat = tensor.detach().view(-1)
    size = tensor.numel() // count
    return [flat[i * size:(i + 1) * size] for i in range(count)]


def all_gather_into_tensor(output_tensor, input_tensor, group=None, async_op=False):
    """Like `all_gather`, into one tensor: the inputs side by side, or stacked."""
    check_tensor(output_tensor, "output_tensor")
    check_tensor(input_tensor, "input_tensor")
    found = resolve(group)
    if found is None:
        return None
    if output_tensor.numel() != input_tensor.numel() * found.size:
        raise ValueError("output tensor size must be equal to world_size times input tensor size")
    if output_tensor.dtype != input_tensor.dtype:
        raise TypeError("output tensor must have the same type as input tensor")
    result, back = whole(output_tensor)

    def carry_out(exchange, own):
        collectives.all_gather(exchange, _pieces(result, found.size, "all_gather_into_tensor"), own.view(-1))
        if back:
            back()

    return _run(found, "all_gather_into_tensor", carry_out, [input_tensor], (), async_op, [output_tensor])


def _check_list_of_group(name, argument, tensors, tensor, found):
    """One tensor for each process, each like `tensor`."""
    check_list(tensors, argument)
    if len(tensors) != found.size:
        raise ValueError(f"{name}: {argument} has {len(tensors)} tensors, the group {int(found.size)} processes")
    same_kind(tensors, tensor, name)


def _check_root_list(name, tensors, tensor, found, at_root, side):
    """The list that the root alone gives."""
    argument = f"{name}_list"
    if not at_root:
        if tensors:
            raise ValueError(f"Argument ``{argument}`` must NOT be specified on non-{side} ranks.")
        return
    if not tensors:
        raise ValueError(f"Argument ``{argument}`` must be specified on {side} rank.")
    _check_list_of_group(name, argument, tensors, tensor, found)


def gather(tensor, gather_list=None, dst=None, group=None, async_op=False, group_dst=None):
    """The destination gets everyone's tensor in gather_list."""
    check_tensor(tensor, "tensor")
    found = resolve(group)
    if found is None:
        return None
    root = member(0 if dst is None and group_dst is None else dst, group_dst, found, "dst")
    _check_root_list("gather", gather_list, tensor, found, found.rank == root, "destination")
    run = lambda x, own, outputs: collectives.gather(x, outputs, own, root)  # noqa: E731
    return _run(found, "gather", run, [tensor, gather_list or []], (), async_op, [gather_list])


def scatter(tensor, scatter_list=None, src=None, group=None, async_op=False, group_src=None):
    """Rank i gets the source's scatter_list[i] in `tensor`."""
    check_tensor(tensor, "tensor")
    found = resolve(group)
    if found is None:
        return None
    root = member(0 if src is None and group_src is None else src, group_src, found, "src")
    _check_root_list("scatter", scatter_list, tensor, found, found.rank == root, "source")
    run = lambda x, own, inputs: collectives.scatter(x, own, inputs, root)  # noqa: E731
    return _run(found, "scatter", run, [tensor, scatter_list or []], (), async_op, [tensor])


def reduce_scatter(output, input_list, op=ReduceOp.SUM, group=None, async_op=False):
    """Rank i gets the combination of everyone's input_list[i]."""
    check_tensor(output, "output")
    check_list(input_list, "input_list")
    found = resolve(group)
    if found is None:
        return None
    if len(input_list) != found.size:
        raise ValueError(f"reduce_scatter: input_list has {len(input_list)} tensors, the group {int(found.size)} processes")
    same_kind(input_list, output, "reduce_scatter")
    return _run(found, "reduce_scatter", collectives.reduce_scatter, [output, input_list], (op,), async_op, [output])


def reduce_scatter_tensor(output, input, op=ReduceOp.SUM, group=None, async_op=False):
    """Like `reduce_scatter`, from one tensor that holds the parts side by side."""
    check_tensor(output, "output")
    check_tensor(input, "input")
    found = resolve(group)
    if found is None:
        return None
    if output.numel() * found.size != input.numel():
        raise ValueError("input tensor must be the same size as output size times world size")

    def carry_out(exchange, result, given):
        collectives.reduce_scatter(exchange, result.view(-1), _pieces(given, found.size, "reduce_scatter_tensor"), op)

    return _run(found, "reduce_scatter_tensor", carry_out, [output, input], (), async_op, [output])


def all_to_all(output_tensor_list, input_tensor_list, group=None, async_op=False):
    """Rank i's input_tensor_list[j] goes to rank j's output_tensor_list[i]."""
    check_list(output_tensor_list, "output_tensor_list")
    check_list(input_tensor_list, "input_tensor_list")
    found = resolve(group)
    if found is None:
        return None
    if len(output_tensor_list) != found.size or len(input_tensor_list) != found.size:
        raise ValueError(f"all_to_all: one tensor per process is needed in each list, got {len(output_tensor_list)} and {len(input_tensor_list)} for "
                         f"{int(found.size)} processes")
    return _run(found, "all_to_all", collectives.all_to_all, [output_tensor_list, input_tensor_list], (), async_op, [output_tensor_list])


def all_to_all_single(output, input, output_split_sizes=None, input_split_sizes=None, group=None, async_op=False):
    """Like `all_to_all`, on rows of one tensor: by default equally many for each process."""
    check_tensor(output, "output")
    check_tensor(input, "input")
    found = resolve(group)
    if found is None:
        return None

    def rows(tensor, sizes, name):
        if sizes:
            if sum(sizes) != tensor.shape[0]:
                raise RuntimeError(f"Split sizes doesn't match total dim 0 size: {name}: {list(sizes)} and {tensor.shape[0]} rows")
            return list(tensor.split(list(sizes)))
        if tensor.shape[0] % found.size:
            raise RuntimeError(f"Tensor's dim 0 does not divide equally across group size: {name}: {tensor.shape[0]} rows, {int(found.size)} processes")
        return list(tensor.split(tensor.shape[0] // found.size)) if tensor.shape[0] else [tensor] * found.size

    def carry_out(exchange, result, given):
        collectives.all_to_all(exchange, rows(result, output_split_sizes, "output"), rows(given, input_split_sizes, "input"))

    return _run(found, "all_to_all_single", carry_out, [output, input], (), async_op, [output])


# ---------------------------------------------------------------- several at once

def all_reduce_coalesced(tensors, op=ReduceOp.SUM, group=None, async_op=False):
    """`all_reduce` of several tensors."""
    tensors = [tensors] if isinstance(tensors, facula.Tensor) else tensors
    check_list(tensors, "tensor")
    works = [all_reduce(t, op, group, async_op) for t in tensors]
    return _last(works, tensors) if async_op else None


def all_gather_coalesced(output_tensor_lists, input_tensor_list, group=None, async_op=False):
    """`all_gather` of several tensors: output_tensor_lists[rank][i]."""
    check_list(input_tensor_list, "tensor_list")
    works = [all_gather([o[i] for o in output_tensor_lists], t, group, async_op) for i, t in enumerate(input_tensor_list)]
    return _last(works, output_tensor_lists) if async_op else None


def _last(works, result):
    return None if not works or works[-1] is None else Work(works[-1]._future, result)  # they end in order
