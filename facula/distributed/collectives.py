"""What each collective sends and receives. Every function runs on all processes of a group, with the same `call` number.

Sums are taken in the order of ranks, so all processes get the same bits whatever arrives first. Large reductions are cut
into one part per process: each adds up its part and hands it on, which moves no byte more than it must.
"""

from __future__ import annotations

import facula

from ..storage import memory_of
from .reduce_op import combine, conclude

_BLOCK = 1 << 22  # bytes of one process's part of a large reduction, at a time
_SMALL = 1 << 15  # bytes up to which one round of whole tensors is quicker than two rounds of parts


def view_of(tensor):
    """The bytes of a contiguous CPU tensor."""
    if not tensor.numel():
        return memoryview(b"")
    start = tensor.storage_offset() * tensor.element_size()
    return memory_of(tensor.detach())[start:start + tensor.numel() * tensor.element_size()]


class Exchange:
    """Messages of one call of a collective in a group; ranks are those inside the group."""

    def __init__(self, group, call, what):
        self.group, self.call, self.what = group, call, what

    def send(self, peer, view, phase=0):
        self.group.mesh.send(self.group.ranks[peer], self.group.number, self.call * 8 + phase, view)

    def post(self, peer, view=None, phase=0):
        return self.group.mesh.post(self.group.ranks[peer], self.group.number, self.call * 8 + phase, view)

    def wait(self, receipt):
        return self.group.await_receipt(receipt, self.what)

    def others(self):
        """The other ranks, beginning after this one, so that not all send to the same first."""
        n, me = self.group.size, self.group.rank
        return [(me + i) % n for i in range(1, n)]


def barrier(x, _=None):
    """In round k everyone tells the one 2^k further on."""
    n, me, step, phase = x.group.size, x.group.rank, 1, 0
    while step < n:
        got = x.post((me - step) % n, None, phase)
        x.send((me + step) % n, b"", phase)
        x.wait(got)
        step, phase = step * 2, (phase + 1) % 8


def broadcast(x, tensor, root):
    """Along a binomial tree."""
    n, me = x.group.size, (x.group.rank - root) % x.group.size
    view, step = view_of(tensor), 1
    while step < n:
        step *= 2
    while step > 1:
        step //= 2
        if me % (2 * step) == 0 and me + step < n:
            x.send((me + step + root) % n, view)
        elif me % (2 * step) == step:
            x.wait(x.post((me - step + root) % n, view))


def all_gather(x, outputs, tensor):
    """Everyone sends to everyone."""
    got = [x.post(p, view_of(outputs[p])) for p in x.others()]
    view = view_of(tensor)
    for p in x.others():
        x.send(p, view)
    mine = outputs[x.group.rank]
    if mine.data_ptr() != tensor.data_ptr():
        mine.copy_(tensor)
    for receipt in got:
        x.wait(receipt)


def gather(x, outputs, tensor, root):
    if x.group.rank != root:
        return x.send(root, view_of(tensor))
    got = [x.post(p, view_of(outputs[p])) for p in x.others()]
    outputs[root].copy_(tensor)
    for receipt in got:
        x.wait(receipt)
    return None


def scatter(x, tensor, inputs, root):
    if x.group.rank != root:
        return x.wait(x.post(root, view_of(tensor)))
    for p in x.others():
        x.send(p, view_of(inputs[p]))
    tensor.copy_(inputs[root])
    return None


def all_to_all(x, outputs, inputs):
    got = [x.post(p, view_of(outputs[p])) for p in x.others()]
    for p in x.others():
        x.send(p, view_of(inputs[p]))
    outputs[x.group.rank].copy_(inputs[x.group.rank])
    for receipt in got:
        x.wait(receipt)


def _combined(x, mine, op, phase=0):
    """The values that all others send for `mine` (dense, contiguous), combined with it in the order of ranks."""
    buffers = [facula.empty_like(mine) if p != x.group.rank else mine for p in range(x.group.size)]
    got = {p: x.post(p, view_of(buffers[p]), phase) for p in x.others()}
    return buffers, got


def _fold(x, buffers, got, op):
    total = None
    for p, buffer in enumerate(buffers):
        if p in got:
            x.wait(got[p])
        total = buffer if total is None else combine(total, buffer, op)  # this rank's own values have been sent: their place is free
    return conclude(total, op, len(buffers))


def reduce_scatter(x, output, inputs, op):
    """Rank p gets the combination of everyone's inputs[p]."""
    buffers, got = _combined(x, inputs[x.group.rank], op)
    for p in x.others():
        x.send(p, view_of(inputs[p]))
    output.copy_(_fold(x, buffers, got, op))


def all_reduce(x, tensor, op):
    """Small tensors: everyone sends all to everyone. Large ones: parts are combined, then gathered."""
    if x.group.size == 1:
        conclude(tensor, op, 1)
        return
    if tensor.numel() * tensor.element_size() <= _SMALL:
        buffers, got = _combined(x, tensor, op)
        view = view_of(tensor)
        for p in x.others():
            x.send(p, view)
        tensor.copy_(_fold(x, buffers, got, op))
        return
    for block in _blocks(tensor, x.group.size):
        parts = _parts(block, x.group.size)
        got = [x.post(p, view_of(parts[p]), 1) for p in x.others()]
        _reduce_parts(x, parts, op)
        mine = view_of(parts[x.group.rank])
        for p in x.others():
            x.send(p, mine, 1)
        for receipt in got:
            x.wait(receipt)


def reduce(x, tensor, op, root):
    """Like `all_reduce`, but only the root gets the result."""
    if x.group.size == 1:
        conclude(tensor, op, 1)
    elif tensor.numel() * tensor.element_size() <= _SMALL:
        if x.group.rank != root:
            return x.send(root, view_of(tensor))
        tensor.copy_(_fold(x, *_combined(x, tensor, op), op))
    else:
        parts = _parts((tensor if x.group.rank == root else tensor.clone()).detach().view(-1), x.group.size)
        _reduce_parts(x, parts, op)
        if x.group.rank != root:
            return x.send(root, view_of(parts[x.group.rank]), 1)
        for receipt in [x.post(p, view_of(parts[p]), 1) for p in x.others()]:
            x.wait(receipt)
    return None


def _blocks(tensor, count):
    """Pieces of a large tensor: what arrives is added while it is in the cache, into memory that was used before."""
    flat = tensor.detach().view(-1)
    return flat.split(max(_BLOCK * count // tensor.element_size(), 1))


def _parts(flat, count):
    size = -(-flat.numel() // count)
    return [flat[min(i * size, flat.numel()):min((i + 1) * size, flat.numel())] for i in range(count)]


def _reduce_parts(x, parts, op):
    """This rank's part becomes the combination of everyone's."""
    buffers, got = _combined(x, parts[x.group.rank], op)
    for p in x.others():
        x.send(p, view_of(parts[p]))
    total = _fold(x, buffers, got, op)
    if total is not parts[x.group.rank]:
        parts[x.group.rank].copy_(total)


def all_reduce_sparse(x, tensor, op):
    """The sum of sparse tensors: everyone's coordinates and values, one after the other."""
    tensor = tensor.coalesce()
    indices, values = tensor.indices(), tensor.values()
    counts = [facula.zeros(1, dtype=facula.int64) for _ in range(x.group.size)]
    all_gather(x, counts, facula.tensor([indices.shape[1]]))
    inner = Exchange(x.group, x.call, x.what)
    all_indices = [facula.empty((indices.shape[0], int(n)), dtype=facula.int64) for n in counts]
    all_values = [facula.empty((int(n), *values.shape[1:]), dtype=values.dtype) for n in counts]
    for phase, (into, own) in enumerate(((all_indices, indices.contiguous()), (all_values, values.contiguous())), 2):
        got = [inner.post(p, view_of(into[p]), phase) for p in inner.others()]
        for p in inner.others():
            inner.send(p, view_of(own), phase)
        into[x.group.rank].copy_(own)
        for receipt in got:
            inner.wait(receipt)
    total = facula.sparse_coo_tensor(facula.cat(all_indices, 1), facula.cat(all_values), tensor.shape).coalesce()
    return total / x.group.size if op.name == "AVG" else total
