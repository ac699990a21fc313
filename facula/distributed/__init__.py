"""Work in several processes: who takes part, messages, collectives; over sockets, between processes and machines."""

from __future__ import annotations

from .buckets import GradBucket  # noqa: F401
from .calls import (all_gather, all_gather_coalesced, all_gather_into_tensor, all_reduce, all_reduce_coalesced, all_to_all,  # noqa: F401
                    all_to_all_single, barrier, broadcast, gather, monitored_barrier, reduce, reduce_scatter, reduce_scatter_tensor, scatter)
from .errors import DistBackendError, DistError, DistNetworkError, DistStoreError, QueueEmptyError  # noqa: F401
from .groups import (Backend, BackendConfig, GroupMember, _get_default_group, default_pg_timeout, destroy_process_group, get_backend,  # noqa: F401
                     get_backend_config, get_global_rank, get_group_rank, get_node_local_rank, get_pg_count, get_process_group_ranks, get_rank,
                     get_world_size, group, init_process_group, is_available, is_backend_available, is_gloo_available, is_initialized,
                     is_mpi_available, is_nccl_available, is_torchelastic_launched, is_ucc_available, is_xccl_available, new_group, new_subgroups,
                     new_subgroups_by_enumeration, split_group)
from .objects import (all_gather_object, broadcast_object_list, gather_object, recv_object_list, scatter_object_list,  # noqa: F401
                      send_object_list)
from .point_to_point import P2POp, batch_isend_irecv, irecv, isend, recv, send  # noqa: F401
from .process_group import ProcessGroup  # noqa: F401
from .reduce_op import ReduceOp, reduce_op  # noqa: F401
from .rendezvous import register_rendezvous_handler, rendezvous  # noqa: F401
from .store import FileStore, HashStore, PrefixStore, Store  # noqa: F401
from .tcp_store import TCPStore  # noqa: F401
from .work import Work  # noqa: F401


def supports_complex(reduceOp):  # noqa: N803
    """Whether complex numbers can be combined so."""
    return reduceOp in (ReduceOp.SUM, ReduceOp.AVG, ReduceOp.PRODUCT)


def get_default_backend_for_device(device):
    """The backend that serves a device."""
    return "gloo"


_all_gather_base, _reduce_scatter_base = all_gather_into_tensor, reduce_scatter_tensor
_LAZY = ("distributed_c10d", "run", "launch", "elastic", "optim", "nn", "algorithms", "utils")
_ABSENT = {"fsdp": "DistributedDataParallel", "rpc": "send and recv, or the object collectives", "pipelining": "send and recv",
           "tensor": "DistributedDataParallel", "device_mesh": "new_group", "checkpoint": "facula.save on rank 0",
           "init_device_mesh": "new_group", "DeviceMesh": "new_group"}


def __getattr__(name):
    if name in _LAZY:
        import importlib

        try:
            return importlib.import_module(f"{__name__}.{name}")
        except ModuleNotFoundError:
            pass
    if name in _ABSENT:
        raise AttributeError(f"module 'torch.distributed' has no attribute {name!r}: Facula does not have it (yet); use {_ABSENT[name]}")
    raise AttributeError(f"module 'torch.distributed' has no attribute {name!r}")
