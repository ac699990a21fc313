"""Gradients of several parameters in one tensor, averaged over the processes while backward still runs.

Parameters are put into buckets in reverse order, as backward reaches them. When the last gradient of a bucket is there its
sum is started; buckets are started in one order, the same in all processes. When all are started their results are
awaited and written to the gradients.
"""

from __future__ import annotations

import weakref

import facula

from . import calls

FIRST_BUCKET = 1 << 20  # bytes; a small first one starts early


class GradBucket:
    """What a communication hook gets: the flat gradients of some parameters."""

    def __init__(self, index, parameters, buffer, last):
        self._index, self._parameters, self._buffer, self._last = index, parameters, buffer, last

    def index(self):
        return self._index

    def buffer(self):
        """One dense vector of all gradients."""
        return self._buffer

    def set_buffer(self, buffer):
        self._buffer = buffer

    def parameters(self):
        return list(self._parameters)

    def gradients(self):
        """The gradients as views of the buffer."""
        return [v.view_as(p) for v, p in zip(self._buffer.split([p.numel() for p in self._parameters]), self._parameters, strict=True)]

    def is_last(self):
        """Whether no bucket comes after this one."""
        return self._last


class _Bucket:
    def __init__(self, index, parameters):
        self.index, self.parameters = index, parameters
        self.waiting = len(parameters)
        self.pending = self.flat = None


def cut(parameters, first, limit, alone=()):
    """Lists of parameters of one dtype and at most `limit` bytes, in reverse order; those in `alone` have their own."""
    buckets, open_, sizes = [], {}, {}
    for p in reversed(parameters):
        if p in alone:
            buckets.append([p])
            continue
        kind, size = (p.dtype, p.device), p.numel() * p.element_size()
        if kind in open_ and sizes[kind] + size > (first if open_[kind] is buckets[0] else limit):
            del open_[kind]
        if kind not in open_:
            open_[kind], sizes[kind] = [], 0
            buckets.append(open_[kind])
        open_[kind].append(p)
        sizes[kind] += size
    return buckets


class _Identical(list):
    """A list whose `in` compares objects, not elements."""

    def __contains__(self, x):
        return any(x is y for y in self)


class Reducer:
    """Averages the gradients of parameters over a group.

    Args:
        parameters: Those that want gradients, in the same order in all processes.
        names: Theirs, for messages.
        group: The processes.
        bucket_bytes: How large a bucket may be.
        sparse: Those whose gradients are sparse.
        find_unused: Whether some may take no part in a backward pass.
        as_views: Whether gradients become views of the buckets.
    """

    def __init__(self, parameters, names, group, bucket_bytes, sparse=(), find_unused=False, as_views=False):
        self.parameters, self.names, self.group = parameters, names, group
        self.find_unused, self.as_views, self.hook = find_unused, as_views, None
        self.sparse = _Identical(sparse)
        self.divisor = int(group.size)
        self.buckets = [_Bucket(i, ps) for i, ps in enumerate(cut(parameters, min(FIRST_BUCKET, bucket_bytes), bucket_bytes, self.sparse))]
        self.place = {id(p): b for b in self.buckets for p in b.parameters}
        self.expecting = self.unfinished = False
        self.ready: set[int] = set()
        self.unused: list = []
        me = weakref.ref(self)
        self._handles = [p.register_post_accumulate_grad_hook(_notify(me)) for p in parameters]

    # ------------------------------------------------------------ a pass

    def prepare(self, outputs):
        """Begins a forward pass whose backward pass will be averaged."""
        if self.unfinished and self.ready != {id(p) for p in self.parameters}:
            self._complain()
        for b in self.buckets:
            b.waiting, b.pending, b.flat = len(b.parameters), None, None
        self.next, self.expecting, self.unfinished = 0, True, True
        self.ready, self.unused = set(), []
        if self.find_unused:
            used = reached(outputs)
            self.unused = [p for p in self.parameters if id(p) not in used]
            self.used = _Identical(p for p in self.parameters if id(p) in used)

    def _complain(self):
        missing = [(i, n) for i, (p, n) in enumerate(zip(self.parameters, self.names, strict=True)) if id(p) not in self.ready]
        raise RuntimeError("Expected to have finished reduction in the prior iteration before starting a new one. This error indicates that your module has "
                           "parameters that were not used in producing loss. You can enable unused parameter detection by passing the keyword argument "
                           "`find_unused_parameters=True` to `torch.nn.parallel.DistributedDataParallel`, and by making sure all `forward` function outputs "
                           "participate in calculating loss. Parameters which did not receive grad for rank "
                           f"{int(self.group.rank)}: {', '.join(n for _, n in missing)}\nParameter indices which did not receive grad for rank "
                           f"{int(self.group.rank)}: {' '.join(str(i) for i, _ in missing)}")

    def mark(self, parameter):
        """A gradient is there."""
        if not self.expecting:
            return
        if self.unused:
            unused, self.unused = self.unused, []
            for p in unused:
                self._arrived(p)
        if id(parameter) in self.ready:
            name = self.names[next(i for i, p in enumerate(self.parameters) if p is parameter)]
            raise RuntimeError(f"Expected to mark a variable ready only once: parameter {name} got a gradient twice in one backward pass (it is shared by "
                               "reentrant passes, or was said to be unused)")
        self._arrived(parameter)
        if self.next == len(self.buckets):
            self._finish()

    def _arrived(self, parameter):
        self.ready.add(id(parameter))
        self.place[id(parameter)].waiting -= 1
        while self.next < len(self.buckets) and self.buckets[self.next].waiting == 0:
            self._start(self.buckets[self.next])
            self.next += 1

    def _start(self, bucket):
        with facula.no_grad():
            if bucket.parameters[0] in self.sparse:
                return self._start_sparse(bucket)
            grads = [p.grad.reshape(-1) if p.grad is not None else p.new_zeros(p.numel()) for p in bucket.parameters]
            bucket.flat = facula.cat([g.detach() for g in grads])
            if self.hook is None:
                bucket.flat.mul_(1 / self.divisor)
                bucket.pending = calls.all_reduce(bucket.flat, group=self.group, async_op=True)
            else:
                state, hook = self.hook
                bucket.pending = hook(state, GradBucket(bucket.index, bucket.parameters, bucket.flat, bucket.index == len(self.buckets) - 1))
        return None

    def _start_sparse(self, bucket):
        p, = bucket.parameters
        bucket.flat = p.grad.detach().clone() if p.grad is not None else no_rows(p)
        if bucket.flat.layout == facula.strided:
            bucket.flat = bucket.flat.to_sparse(1)
        bucket.pending = calls.all_reduce(bucket.flat, group=self.group, async_op=True)

    def _finish(self):
        self.expecting = self.unfinished = False
        used = self._used_anywhere()
        with facula.no_grad():
            for bucket in self.buckets:
                result = bucket.pending.wait()
                if self.hook is not None and bucket.parameters[0] not in self.sparse:
                    bucket.flat = result[0] if isinstance(result, (list, tuple)) else result
                self._hand_out(bucket, used)

    def _used_anywhere(self):
        """The parameters that any process used; None: all."""
        if not self.find_unused:
            return None
        marks = facula.tensor([int(p in self.used) for p in self.parameters], dtype=facula.int32)
        calls.all_reduce(marks, group=self.group)
        return {id(p) for p, n in zip(self.parameters, marks.tolist(), strict=True) if n}

    def _hand_out(self, bucket, used):
        if bucket.parameters[0] in self.sparse:
            p, = bucket.parameters
            if used is None or id(p) in used:
                p.grad = bucket.flat / self.divisor
            return
        for p, part in zip(bucket.parameters, bucket.flat.split([p.numel() for p in bucket.parameters]), strict=True):
            if used is not None and id(p) not in used:
                continue
            part = part.view(p.shape)
            if self.as_views:
                p.grad = part
            elif p.grad is None:
                p.grad = part.clone()
            else:
                p.grad.copy_(part)

    def shadow(self):
        """Takes part in the others' pass with gradients of zero."""
        for bucket in self.buckets:
            if bucket.parameters[0] in self.sparse:
                p, = bucket.parameters
                calls.all_reduce(no_rows(p), group=self.group)
            else:
                calls.all_reduce(bucket.parameters[0].new_zeros(sum(p.numel() for p in bucket.parameters)), group=self.group)
        if self.find_unused:
            calls.all_reduce(facula.zeros(len(self.parameters), dtype=facula.int32), group=self.group)


def no_rows(p):
    """A sparse gradient of zero."""
    return facula.sparse_coo_tensor(facula.zeros((1, 0), dtype=facula.int64), p.new_zeros((0, *p.shape[1:])), p.shape)


def _notify(reducer):
    def hook(parameter):
        found = reducer()
        if found is not None:
            found.mark(parameter)

    return hook


def reached(outputs):
    """The ids of the leaves that gradients of these tensors would reach."""
    nodes, found, seen = [], set(), set()
    for t in outputs:
        if t.grad_fn is not None:
            nodes.append(t.grad_fn)
        elif t.requires_grad:
            found.add(id(t))
    while nodes:
        node = nodes.pop()
        if node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)
        if variable is not None:
            found.add(id(variable))
        nodes += [n for n, _ in node.next_functions if n is not None and n not in seen]
    return found
