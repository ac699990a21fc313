"""A module whose gradients are averaged over processes."""

from __future__ import annotations

from contextlib import contextmanager

import facula

from ...utils._pytree import tree_leaves
from ..modules.module import Module

__all__ = ["DistributedDataParallel"]
_BUCKET_MB = 25


class DistributedDataParallel(Module):
    """Calls a module that every process has a copy of; backward averages the gradients of all copies.

    Args:
        module: The module; all processes get the parameters and buffers of rank 0.
        device_ids: None on CPUs.
        broadcast_buffers: Whether buffers (running means, say) become those of rank 0 before each forward pass; by default yes.
        init_sync: Whether parameters are checked and made equal at the start.
        process_group: Who takes part; by default all.
        bucket_cap_mb: Gradients are sent in pieces of about this many MiB.
        find_unused_parameters: Whether some parameters may take no part in some forward passes.
        gradient_as_bucket_view: Whether gradients become views of what is sent, which saves a copy.
        static_graph: Promises that the same parameters are used every time.

    Raises:
        ValueError: The distributed work has not been started.
        RuntimeError: No parameter wants gradients, or the processes' modules differ.
    """

    def __init__(self, module, device_ids=None, output_device=None, dim=0, broadcast_buffers=None, init_sync=True, process_group=None, bucket_cap_mb=None,
                 find_unused_parameters=False, check_reduction=False, gradient_as_bucket_view=False, static_graph=False,
                 delay_all_reduce_named_params=None, param_to_hook_all_reduce=None, mixed_precision=None, device_mesh=None,
                 skip_all_reduce_unused_params=False, bucket_cap_mb_list=None, batched_grad_copy=False):
        super().__init__()
        from ...distributed.buckets import Reducer
        from ...distributed.groups import world_group

        self.process_group = world_group() if process_group is None else process_group
        if not any(p.requires_grad for p in module.parameters()):
            raise RuntimeError("DistributedDataParallel is not needed when a module doesn't have any parameters that require a gradient.")
        if device_ids is not None and len(device_ids) > 0:
            raise ValueError("DistributedDataParallel device_ids and output_device arguments only work with single-device/multiple-device GPU modules or "
                             f"CPU modules, but got device_ids {device_ids}, output_device {output_device}: leave them out for modules on the CPU.")
        if mixed_precision is not None or device_mesh is not None:
            raise NotImplementedError("DistributedDataParallel: mixed_precision and device_mesh are not there yet; use autocast, and process_group")
        self.module, self.device, self.dim = module, next(module.parameters()).device, dim
        self.device_ids = self.output_device = None
        self.is_multi_device_module, self.device_type = False, "cpu"
        self.broadcast_buffers = broadcast_buffers is None or broadcast_buffers
        self.find_unused_parameters, self.static_graph = find_unused_parameters, static_graph
        self.gradient_as_bucket_view = gradient_as_bucket_view
        self.require_backward_grad_sync = self.require_forward_param_sync = True
        self.bucket_bytes_cap = int((bucket_cap_mb or _BUCKET_MB) * 1024 * 1024)
        ignored = set(getattr(module, "_ddp_params_and_buffers_to_ignore", ()))
        self.parameters_to_ignore = ignored
        named = [(n, p) for n, p in module.named_parameters() if p.requires_grad and n not in ignored]
        self.modules_buffers = [b for n, b in module.named_buffers() if n not in ignored]
        if init_sync:
            self._check_equal(named)
            self._from_rank_0([p.detach() for n, p in module.named_parameters() if n not in ignored] + self.modules_buffers)
        sparse = [m.weight for m in module.modules() if isinstance(m, (facula.nn.Embedding, facula.nn.EmbeddingBag)) and m.sparse]
        self.reducer = Reducer([p for _, p in named], [n for n, _ in named], self.process_group, self.bucket_bytes_cap, sparse,
                               find_unused_parameters or static_graph, gradient_as_bucket_view)
        self._joining = None

    # ------------------------------------------------------------ all the same

    def _check_equal(self, named):
        """Raises unless all processes have the same parameters."""
        from ...distributed.objects import all_gather_object

        rank, size = int(self.process_group.rank), int(self.process_group.size)
        everyone = [None] * size
        all_gather_object(everyone, [(tuple(p.shape), str(p.dtype)) for _, p in named], self.process_group)
        for other, theirs in enumerate(everyone):
            if len(theirs) != len(named):
                raise RuntimeError(f"DDP expects same model across all ranks, but Rank {rank} has {len(named)} params, while rank {other} has inconsistent "
                                   f"{len(theirs)} params.")
            for i, ((n, p), (shape, dtype)) in enumerate(zip(named, theirs, strict=True)):
                if tuple(p.shape) != shape or str(p.dtype) != dtype:
                    raise RuntimeError(f"[{rank}]: params[{i}] in this process with sizes {list(p.shape)} appears not to match sizes of the same param in "
                                       f"process {other}: {n} is there {list(shape)}, {dtype}.")

    def _from_rank_0(self, tensors, root=0):
        """Gives all processes one's tensors, those of a dtype in one message."""
        from ...distributed.calls import broadcast

        kinds = {}
        for t in tensors:
            kinds.setdefault(t.dtype, []).append(t)
        with facula.no_grad():
            for same in kinds.values():
                flat = facula.cat([t.detach().reshape(-1) for t in same])
                broadcast(flat, group=self.process_group, group_src=root)
                for t, part in zip(same, flat.split([t.numel() for t in same]), strict=True):
                    t.detach().copy_(part.view(t.shape))

    # ------------------------------------------------------------ a pass

    def forward(self, *inputs, **kwargs):
        syncs = facula.is_grad_enabled() and self.require_backward_grad_sync
        buffers = self.require_forward_param_sync and self.broadcast_buffers and bool(self.modules_buffers)
        if self._joining is not None:
            self._joining.announce(syncs, buffers)
        if buffers:
            self._from_rank_0(self.modules_buffers, 0 if self._joining is None else self._joining.first)
        output = self.module(*inputs, **kwargs)
        if syncs:
            self.require_forward_param_sync = True
            self.reducer.prepare([x for x in tree_leaves(output) if isinstance(x, facula.Tensor)] if self.reducer.find_unused else ())
        else:
            self.require_forward_param_sync = False
            self.reducer.expecting = False
        return output

    @contextmanager
    def no_sync(self):
        """Inside, backward passes add to this process's own gradients; the next pass outside averages the sums."""
        before, self.require_backward_grad_sync = self.require_backward_grad_sync, False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before

    def join(self, divide_by_initial_world_size=True, enable=True, throw_on_early_termination=False):
        """A context in which processes may have different numbers of batches: those that are done shadow the others."""
        from ...distributed.uneven import Join

        return Join(self, divide_by_initial_world_size, enable, throw_on_early_termination)

    def register_comm_hook(self, state, hook):
        """Sets what sums a bucket: `hook(state, bucket)` returns a `futures.Future` of the averaged flat gradients."""
        if not callable(hook):
            raise TypeError("Communication hook must be callable.")
        if self.reducer.hook is not None:
            raise RuntimeError("register_comm_hook or register_builtin_comm_hook can only be called once.")
        self.reducer.hook = (state, hook)

    def _set_static_graph(self):
        self.static_graph = self.reducer.find_unused = True

    @staticmethod
    def _set_params_and_buffers_to_ignore_for_model(module, params_and_buffers_to_ignore):
        module._ddp_params_and_buffers_to_ignore = params_and_buffers_to_ignore

    def train(self, mode=True):
        super().train(mode)
        return self

    def __getstate__(self):
        state = dict(self.__dict__)
        for name in ("process_group", "reducer", "_joining"):
            state.pop(name)
        return state

    def __setstate__(self, state):
        from ...distributed.buckets import Reducer
        from ...distributed.groups import world_group

        super().__setstate__(state)
        self.process_group, self._joining = world_group(), None
        named = [(n, p) for n, p in self.module.named_parameters() if p.requires_grad and n not in self.parameters_to_ignore]
        self.reducer = Reducer([p for _, p in named], [n for n, _ in named], self.process_group, self.bucket_bytes_cap, (),
                               self.find_unused_parameters or self.static_graph, self.gradient_as_bucket_view)
