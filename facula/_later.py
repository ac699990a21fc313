"""Modules of PyTorch that Facula does not have, but whose classes libraries name in `isinstance` and annotations as soon as they are imported.

Under the alias they can be imported; whatever is made or called of them refuses and says so.
"""

from __future__ import annotations

import types

from . import _names

_CHECKPOINT = "save load async_save FileSystemReader FileSystemWriter StorageReader StorageWriter LoadPlanner SavePlanner save_state_dict load_state_dict"
_FSDP = ("FullyShardedDataParallel CPUOffload MixedPrecision BackwardPrefetch ShardingStrategy StateDictType OptimStateKeyType FullStateDictConfig "
         "LocalStateDictConfig ShardedStateDictConfig StateDictConfig FullOptimStateDictConfig LocalOptimStateDictConfig ShardedOptimStateDictConfig "
         "OptimStateDictConfig StateDictSettings FlatParameter FSDPModule MixedPrecisionPolicy OffloadPolicy CPUOffloadPolicy fully_shard "
         "register_fsdp_forward_method UnshardHandle")
_TENSOR = ("DTensor Placement Shard Replicate Partial distribute_tensor distribute_module DeviceMesh init_device_mesh empty full ones rand randn zeros")
_STATES = ("StateDictOptions get_model_state_dict get_optimizer_state_dict get_state_dict set_model_state_dict set_optimizer_state_dict set_state_dict")
TABLE = {
    "torch.distributed.tensor": _TENSOR,
    "torch.distributed._tensor": _TENSOR,
    "torch.distributed.tensor.placement_types": "Placement Shard Replicate Partial _StridedShard DTensorSpec",
    "torch.distributed.tensor.parallel": "ColwiseParallel RowwiseParallel SequenceParallel PrepareModuleInput PrepareModuleOutput parallelize_module "
                                         "loss_parallel ParallelStyle",
    "torch.distributed.tensor.experimental": "context_parallel local_map implicit_replication",
    "torch.distributed.tensor._utils": "compute_local_shape_and_global_offset",
    "torch.distributed.device_mesh": "DeviceMesh init_device_mesh",
    "torch.distributed.fsdp": _FSDP,
    "torch.distributed.fsdp.fully_sharded_data_parallel": _FSDP,
    "torch.distributed.fsdp.api": _FSDP,
    "torch.distributed.fsdp.wrap": "ModuleWrapPolicy CustomPolicy enable_wrap wrap size_based_auto_wrap_policy transformer_auto_wrap_policy "
                                   "lambda_auto_wrap_policy always_wrap_policy _or_policy",
    "torch.distributed.fsdp.sharded_grad_scaler": "ShardedGradScaler",
    "torch.distributed.checkpoint": _CHECKPOINT,
    "torch.distributed.checkpoint.state_dict": _STATES,
    "torch.distributed.checkpoint.default_planner": "DefaultLoadPlanner DefaultSavePlanner",
    "torch.distributed.checkpoint.optimizer": "load_sharded_optimizer_state_dict",
    "torch.distributed.checkpoint.stateful": "Stateful",
    "torch.distributed.checkpoint.state_dict_loader": "_load_state_dict",
    "torch.distributed.checkpoint.format_utils": "_EmptyStateDictLoadPlanner dcp_to_torch_save torch_save_to_dcp",
    "torch.distributed.algorithms": "",
    "torch.distributed.algorithms.join": "Join Joinable JoinHook",
    "torch.distributed.algorithms._checkpoint.checkpoint_wrapper": "checkpoint_wrapper CheckpointImpl apply_activation_checkpointing CheckpointWrapper",
    "torch.distributed.algorithms._checkpoint": "",
    "torch.distributed.algorithms.ddp_comm_hooks": "default_hooks powerSGD_hook post_localSGD_hook",
    "torch.distributed.algorithms.model_averaging.averagers": "ModelAverager PeriodicModelAverager",
    "torch.distributed.algorithms.model_averaging": "",
    "torch.distributed.optim": "ZeroRedundancyOptimizer DistributedOptimizer PostLocalSGDOptimizer",
    "torch.distributed.pipelining": "ScheduleGPipe SplitPoint pipeline PipelineStage",
    "torch.distributed._functional_collectives": "all_reduce all_gather_tensor reduce_scatter_tensor wait_tensor AsyncCollectiveTensor all_to_all_single "
                                                "all_to_all_single_autograd",
    "torch.distributed._composable": "checkpoint contract replicate", "torch.distributed._composable.fsdp": "FSDPModule fully_shard MixedPrecisionPolicy CPUOffloadPolicy",
    "torch.distributed._composable.replicate": "replicate",
    "torch.distributed._state_dict_utils": "_broadcast_tensors _iterate_state_dict _offload_state_dict_to_cpu",
    "torch.distributed._shard": "", "torch.distributed._shard.sharded_tensor": "ShardedTensor",
    "torch.distributed.utils": "_sync_module_states",
    "torch.nn.parallel.distributed": "DistributedDataParallel",
    "torch.fx.experimental": "", "torch.fx.experimental.proxy_tensor": "make_fx get_proxy_mode",
    "torch.numa": "", "torch.numa.binding": "AffinityMode NumaOptions",
    "torch.utils.data.datapipes": "", "torch.utils.data.datapipes.iter": "IterableWrapper", "torch.utils.data.datapipes.iter.combinatorics": "ShufflerIterDataPipe",
    "torch._inductor": "", "torch._inductor.cpu_vec_isa": "pick_vec_isa", "torch._inductor.runtime": "",
    "torch.ao": "", "torch.ao.quantization": "quantize_dynamic prepare convert QConfig FakeQuantizeBase ObserverBase",
    "torch.nn.attention.flex_attention": "BlockMask create_block_mask flex_attention create_mask and_masks or_masks noop_mask AuxRequest",
}


class _Absent(type):
    def __call__(cls, *args, **kwargs):
        if cls.absent is not cls:  # a library's own subclass
            return super().__call__(*args, **kwargs)
        raise NotImplementedError(f"{cls.__module__}.{cls.__name__}: Facula does not have it (yet); the README's status table lists what works")


class Placement:
    """How a tensor would lie on several devices; nothing here can place one so."""

    def __init__(self, dim=None, **options):
        self.dim, self.options = dim, options

    def __repr__(self):
        return f"{type(self).__name__}({'' if self.dim is None else f'dim={self.dim}'})"

    def __eq__(self, other):
        return type(other) is type(self) and (self.dim, self.options) == (other.dim, other.options)

    def __hash__(self):
        return hash((type(self), self.dim))

    def is_shard(self, dim=None):
        return type(self).__name__ == "Shard" and dim in (None, self.dim)

    def is_replicate(self):
        return type(self).__name__ == "Replicate"

    def is_partial(self, reduce_op=None):
        return type(self).__name__ == "Partial"


_placements = {"Placement": Placement, **{name: type(name, (Placement,), {}) for name in ("Shard", "Replicate", "Partial", "_StridedShard")}}


def classes(module, words):
    """{name: a class that cannot be used} for names of a module; placements can be made and compared."""
    found = {}
    for word in words.split():
        if word in _placements:
            found[word] = _placements[word]
            continue
        made = _Absent(word, (), {"__module__": module, "__doc__": "Not there (yet): making or calling it raises NotImplementedError."})
        made.absent = made
        found[word] = made
    return found


def make(name):
    """The module of a name in the table; None for other names."""
    inside = name.startswith(tuple(f"torch.distributed.{part}." for part in ("checkpoint", "fsdp", "tensor", "_composable", "algorithms")))
    if name not in TABLE and not inside:
        return None
    module = types.ModuleType(name, "Names only: Facula does not have this module (yet).")
    module.__path__ = []
    module._DEFAULT_SPARSE_BLOCK_SIZE = 128  # of flex_attention's blocks
    vars(module).update(classes(name, TABLE.get(name, "")))
    if inside:
        module.__getattr__ = lambda word: _any_class(module, word)
    return module


def _any_class(module, word):
    if word.startswith("__"):
        raise AttributeError(word)
    vars(module).update(classes(module.__name__, word))
    return vars(module)[word]


class AbsentDtype:
    """The name of an element type that Facula does not have: it can be compared and printed, and no operation takes it."""

    is_floating_point, is_signed, is_complex, itemsize = True, True, False, 1

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return f"{_names.prefix}.{self.name}"

    def __reduce__(self):
        return self.name


float8_e4m3fn, float8_e5m2, float8_e4m3fnuz, float8_e5m2fnuz, float8_e8m0fnu, float4_e2m1fn_x2 = map(
    AbsentDtype, "float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu float4_e2m1fn_x2".split())
AbsentDtype.__module__ = "facula"
