"""Python objects between processes, pickled. As with `pickle`, only processes that trust each other should do this."""

from __future__ import annotations

import io
import pickle

import facula

from .calls import all_gather, broadcast, member, scatter
from .collectives import view_of
from .groups import get_global_rank, resolve
from .point_to_point import recv, send


def _to_tensor(obj):
    file = io.BytesIO()
    pickle.Pickler(file, pickle.HIGHEST_PROTOCOL).dump(obj)
    data = bytearray(file.getvalue())
    return facula.frombuffer(data, dtype=facula.uint8), facula.tensor([len(data)])


def _to_object(tensor, size):
    return pickle.loads(view_of(tensor)[:int(size)])


def all_gather_object(object_list, obj, group=None):
    """All get everyone's object: object_list[i] is that of rank i."""
    found = resolve(group)
    if found is None:
        return
    data, size = _to_tensor(obj)
    sizes = [facula.zeros(1, dtype=facula.int64) for _ in range(found.size)]
    all_gather(sizes, size, found)
    longest = max(int(n) for n in sizes)
    padded = facula.zeros(longest, dtype=facula.uint8)
    padded[:data.numel()] = data
    parts = [facula.empty(longest, dtype=facula.uint8) for _ in range(found.size)]
    all_gather(parts, padded, found)
    for i, (part, n) in enumerate(zip(parts, sizes, strict=True)):
        object_list[i] = _to_object(part, n)


def gather_object(obj, object_gather_list=None, dst=None, group=None, group_dst=None):
    """The destination gets everyone's object."""
    found = resolve(group)
    if found is None:
        return
    root = member(0 if dst is None and group_dst is None else dst, group_dst, found, "dst")
    if found.rank == root and not object_gather_list:
        raise ValueError("Argument ``object_gather_list`` must be specified on destination rank.")
    if found.rank != root and object_gather_list:
        raise ValueError("Argument ``object_gather_list`` must NOT be specified on non-destination ranks.")
    everything = [None] * found.size
    all_gather_object(everything, obj, found)
    if found.rank == root:
        object_gather_list[:] = everything


def broadcast_object_list(object_list, src=None, group=None, device=None, group_src=None):
    """All get the source's objects, in place of their own."""
    found = resolve(group)
    if found is None:
        return
    root = member(0 if src is None and group_src is None else src, group_src, found, "src")
    source = get_global_rank(found, root)
    if found.rank == root:
        data, size = _to_tensor(list(object_list))
    else:
        data, size = None, facula.zeros(1, dtype=facula.int64)
    broadcast(size, source, found)
    if data is None:
        data = facula.empty(int(size), dtype=facula.uint8)
    broadcast(data, source, found)
    if found.rank != root:
        object_list[:] = _to_object(data, size)


def scatter_object_list(scatter_object_output_list, scatter_object_input_list=None, src=None, group=None, group_src=None):
    """Rank i gets the source's scatter_object_input_list[i] as the first element of its output list."""
    found = resolve(group)
    if found is None:
        return
    if not isinstance(scatter_object_output_list, list) or not scatter_object_output_list:
        raise ValueError("Expected argument scatter_object_output_list to be a list of size at least 1.")
    root = member(0 if src is None and group_src is None else src, group_src, found, "src")
    source = get_global_rank(found, root)
    if found.rank == root and len(scatter_object_input_list or []) != found.size:
        raise ValueError(f"scatter_object_list: one object per process is needed, got {len(scatter_object_input_list or [])} for {int(found.size)} processes")
    pairs = [_to_tensor(o) for o in scatter_object_input_list] if found.rank == root else []
    size, longest = facula.zeros(1, dtype=facula.int64), facula.tensor([max((int(n) for _, n in pairs), default=0)])
    broadcast(longest, source, found)
    scatter(size, [n for _, n in pairs] or None, source, found)
    padded = []
    for data, _ in pairs:
        padded.append(facula.zeros(int(longest), dtype=facula.uint8))
        padded[-1][:data.numel()] = data
    mine = facula.empty(int(longest), dtype=facula.uint8)
    scatter(mine, padded or None, source, found)
    scatter_object_output_list[0] = _to_object(mine, size)


def send_object_list(object_list, dst=None, group=None, device=None, group_dst=None, use_batch=False):
    """Sends objects to one process."""
    data, size = _to_tensor(list(object_list))
    send(size, dst, group, group_dst=group_dst)
    send(data, dst, group, group_dst=group_dst)


def recv_object_list(object_list, src=None, group=None, device=None, group_src=None, use_batch=False):
    """Receives the objects of `send_object_list`; gives the sender's number."""
    size = facula.zeros(1, dtype=facula.int64)
    sender = recv(size, src, group, group_src=group_src)
    data = facula.empty(int(size), dtype=facula.uint8)
    recv(data, sender, group)
    object_list[:] = _to_object(data, size)
    return sender
