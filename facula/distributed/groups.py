"""Starting and ending distributed work, and the groups of processes in it."""

from __future__ import annotations

import atexit
import datetime
import multiprocessing.util
import os

from .mesh import Mesh
from .process_group import ProcessGroup
from .rendezvous import rendezvous
from .store import PrefixStore, seconds_of

default_pg_timeout = datetime.timedelta(minutes=30)
default_pg_nccl_timeout = datetime.timedelta(minutes=10)
_UNINITIALIZED = "Default process group has not been initialized, please make sure to call init_process_group."
_ABSENT = {"nccl": "Distributed package doesn't have NCCL built in", "ucc": "Distributed package doesn't have UCC built in",
           "xccl": "Distributed package doesn't have XCCL built in",
           "mpi": "Distributed package doesn't have MPI built in. MPI is only included if you build PyTorch from source on a host that has MPI installed."}


class GroupMember:
    """The default group, and the mark of groups that this process is not in."""

    NON_GROUP_MEMBER = -100
    _world: ProcessGroup | None = None


class _GroupMeta(type):
    @property
    def WORLD(cls):  # noqa: N802
        return GroupMember._world

    @WORLD.setter
    def WORLD(cls, group):  # noqa: N802
        GroupMember._world = group


class group(metaclass=_GroupMeta):  # noqa: N801
    """`group.WORLD` is the default group."""


class _Jobs:
    """What this process has made so far: it must be the same in all processes."""

    started = 0   # calls of init_process_group
    groups = 0    # groups of the present job
    live: list = []


class Backend(str):
    """A backend's name in lower case; gloo is the one there is."""

    UNDEFINED, GLOO, NCCL, UCC, MPI, XCCL, FAKE = "undefined", "gloo", "nccl", "ucc", "mpi", "xccl", "fake"
    backend_list = ["undefined", "gloo", "nccl", "xccl", "ucc", "mpi", "fake"]
    default_device_backend_map = {"cpu": "gloo"}

    def __new__(cls, name):
        if not isinstance(name, str):
            raise ValueError("Backend constructor parameter must be string-ish")
        return super().__new__(cls, name.lower())

    @classmethod
    def register_backend(cls, name, func, extended_api=False, devices=None):
        raise RuntimeError(f"backend {name!r}: Facula has its own transport over sockets (gloo) and takes no other backends")


class BackendConfig:
    """Which backend serves which device."""

    def __init__(self, backend):
        self.device_backend_map = {"cpu": backend}

    def get_device_backend_map(self):
        return self.device_backend_map

    def __repr__(self):
        return ",".join(f"{d}:{b}" for d, b in self.device_backend_map.items())


# ---------------------------------------------------------------- questions

def is_available():
    """Whether distributed work is possible here."""
    return True


def is_initialized():
    """Whether the default group is there."""
    return GroupMember._world is not None


def is_gloo_available():
    return True


def _never():
    return False


is_mpi_available = is_nccl_available = is_ucc_available = is_xccl_available = _never


def is_backend_available(backend):
    """Whether a backend can be used."""
    return backend.lower() == "gloo"


def is_torchelastic_launched():
    """Whether the launcher (`facula.distributed.run`) started this process."""
    return os.environ.get("TORCHELASTIC_RUN_ID") is not None


def world_group():
    """The default group; raises where there is none."""
    if GroupMember._world is None:
        raise ValueError(_UNINITIALIZED)
    return GroupMember._world


_get_default_group = world_group


def resolve(group):
    """The group that an argument means; None where this process is not in it."""
    if group is None:
        return world_group()
    if group is GroupMember.NON_GROUP_MEMBER:
        return None
    if not isinstance(group, ProcessGroup):
        raise TypeError(f"Invalid function argument. Expected parameter `group` of type ProcessGroup\n             but got {type(group)} instead.")
    return group


def get_rank(group=None):
    """This process's number in the group, -1 outside of it."""
    found = resolve(group)
    return -1 if found is None else int(found.rank)


def get_world_size(group=None):
    """Number of processes in the group, -1 outside of it."""
    found = resolve(group)
    return -1 if found is None else int(found.size)


def get_backend(group=None):
    """Name of the group's backend."""
    if resolve(group) is None:
        raise ValueError("Invalid process group specified")
    return Backend("gloo")


def get_backend_config(group=None):
    return "cpu:gloo"


def get_process_group_ranks(group):
    """The members' numbers in the whole job."""
    return list(resolve(group).ranks)


def get_node_local_rank(fallback_rank=None):
    """The number of this process on its machine, from LOCAL_RANK."""
    if "LOCAL_RANK" in os.environ:
        return int(os.environ["LOCAL_RANK"])
    if fallback_rank is not None:
        return int(fallback_rank)
    raise RuntimeError("LOCAL_RANK is not in the environment. Consider passing fallback_rank to allow `get_node_local_rank` to work, assuming you are "
                       "not running in a multi-device context and want the code to run locally instead.")


def get_group_rank(group, global_rank):
    """A process's number in a group."""
    found = resolve(group)
    if global_rank not in found.ranks:
        raise ValueError(f"Global rank {global_rank} is not part of group {group}")
    return found.ranks.index(global_rank)


def get_global_rank(group, group_rank):
    """The number in the whole job of a group's member."""
    found = resolve(group)
    if not 0 <= group_rank < found.size:
        raise ValueError(f"Group rank {group_rank} is not part of group {group}")
    return found.ranks[group_rank]


def get_pg_count():
    return len(_Jobs.live)


# ---------------------------------------------------------------- starting

def _check_backend(backend):
    """Raises unless a backend (also `cpu:gloo,cuda:nccl`) is one that we have for the CPU."""
    if backend is None:
        return
    names = dict(part.split(":") for part in backend.split(",")) if ":" in backend else {"cpu": backend}
    name = (names.get("cpu") or next(iter(names.values()))).lower()
    if name in _ABSENT:
        raise RuntimeError(_ABSENT[name] + ": use the backend 'gloo'" if name != "mpi" else _ABSENT[name])
    if name not in ("gloo", "undefined"):
        raise ValueError(f"Invalid backend: '{name}': use 'gloo'")


def init_process_group(backend=None, init_method=None, timeout=None, world_size=-1, rank=-1, store=None, group_name="", pg_options=None, device_id=None,
                       _ranks=None):
    """Joins the job: after it, all its processes can talk to each other.

    Args:
        backend: "gloo" (the default), or such as "cpu:gloo,cuda:nccl".
        init_method: Where to meet: "env://" (the default: RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT tell), "tcp://host:port" or
            "file:///path".
        timeout: How long a call waits for other processes, as timedelta; 30 minutes by default.
        world_size: Number of processes, if the address does not tell.
        rank: This process's number, if the address does not tell.
        store: A store to meet in, instead of init_method.

    Raises:
        ValueError: It was called before, or something is missing.
        RuntimeError: There is no such backend.
        DistNetworkError: The others cannot be reached.
    """
    if GroupMember._world is not None:
        raise ValueError("trying to initialize the default process group twice!")
    if store is not None and init_method is not None:
        raise AssertionError("Cannot specify both init_method and store.")
    if timeout is not None and not isinstance(timeout, datetime.timedelta):
        raise TypeError(f"Expected timeout argument to be of type datetime.timedelta, got {timeout}")
    if backend is not None and backend.lower() == "mpi":
        _check_backend(backend)
    timeout = timeout or default_pg_timeout
    if store is not None:
        if world_size <= 0:
            raise AssertionError("world_size must be positive if using store")
        if rank < 0:
            raise AssertionError("rank must be non-negative if using store")
        _check_backend(backend)
    else:
        store, rank, world_size = next(rendezvous(init_method or "env://", rank, world_size, timeout=timeout))
        _check_backend(backend)
    if not 0 <= rank < world_size:
        raise ValueError(f"rank {rank} is outside of [0, {world_size}), the numbers of the job's processes")
    mesh = Mesh(rank, world_size, PrefixStore(f"default_pg/{_Jobs.started}", store), seconds_of(timeout))
    _Jobs.started += 1
    _Jobs.groups = 0
    made = ProcessGroup(mesh, range(world_size), 0, timeout, group_name or "0", "default_pg")
    made.store = store
    GroupMember._world = made
    _Jobs.live = [made]
    _leave_at_exit()


_registered = set()


def _leave_at_exit():
    """Says goodbye at the end of the program, so that others do not take it for a failure."""
    if os.getpid() in _registered:
        return
    _registered.add(os.getpid())
    atexit.register(_leave)
    multiprocessing.util.Finalize(None, _leave, exitpriority=0)  # children of multiprocessing end without atexit


def _leave():
    if GroupMember._world is not None and GroupMember._world.mesh is not None:
        GroupMember._world.mesh.close()


def destroy_process_group(group=None):
    """Ends a group; the default group: all of them."""
    if group is GroupMember.NON_GROUP_MEMBER:
        return
    if group is None and GroupMember._world is None:
        raise AssertionError("Process group cannot be None")
    if group is not None and group is not GroupMember._world:
        if group not in _Jobs.live:
            raise ValueError("Invalid process group specified")
        _Jobs.live.remove(group)
        group.close()
        return
    world, GroupMember._world = GroupMember._world, None
    for g in reversed(_Jobs.live):
        g.close()
    _Jobs.live = []
    world.mesh.close()
    if hasattr(world.store, "close") and not hasattr(world.store, "_server"):
        world.store.close()
    elif getattr(world.store, "_server", None) is None and hasattr(world.store, "close"):
        world.store.close()


# ---------------------------------------------------------------- more groups

def new_group(ranks=None, timeout=None, backend=None, pg_options=None, use_local_synchronization=False, group_desc=None, device_id=None, sort_ranks=True):
    """A group of some of the processes. All processes must call this, in the same order, also those outside of the group.

    Args:
        ranks: The members' numbers; None for all.
        timeout: How long its calls wait; by default as the whole job.

    Returns:
        The group; GroupMember.NON_GROUP_MEMBER in processes outside of it.

    Raises:
        ValueError: A number appears twice or is outside of the job.
    """
    world = world_group()
    _check_backend(backend)
    if ranks is None:
        ranks = list(world.ranks)
    else:
        ranks = sorted(ranks) if sort_ranks else list(ranks)
        if len(ranks) > world.size:
            raise ValueError("the new group's world size should be less or equal to the world size set by init_process_group")
        for r in ranks:
            if not 0 <= r < world.size:
                raise ValueError("The new group's rank should be within the world_size set by init_process_group")
        if len(set(ranks)) != len(ranks):
            raise ValueError(f"ranks list must not contain duplicate entries, got {ranks}")
    _Jobs.groups += 1
    if world.rank not in ranks:
        return GroupMember.NON_GROUP_MEMBER
    number = _name_of(ranks) if use_local_synchronization else _Jobs.groups
    made = ProcessGroup(world.mesh, ranks, number, timeout or world.timeout, str(_Jobs.groups), group_desc or "undefined")
    made.store = world.store
    _Jobs.live.append(made)
    return made


def _name_of(ranks):
    """A number for a group that only its members know of: they cannot count together with the others."""
    import hashlib

    again = sum(g.ranks == ranks for g in _Jobs.live)
    return int.from_bytes(hashlib.sha256(f"{ranks}{again}".encode()).digest()[:7], "little") | 1 << 60


def new_subgroups(group_size=None, group=None, timeout=None, backend=None, pg_options=None, group_desc=None):
    """Cuts the job into groups of neighbours; gives this process's group and all groups."""
    size = get_world_size()
    if group_size is None:
        raise ValueError("group_size must be given: this machine has no accelerators to count")
    if group_size <= 0:
        raise ValueError(f"The arg 'group_size' ({group_size}) must be positive")
    if size < group_size:
        raise ValueError(f"The arg 'group_size' ({group_size}) must not exceed the world size ({size})")
    if size % group_size:
        raise ValueError(f"The world size ({size}) must be divisible by '{group_size=}'")
    return new_subgroups_by_enumeration([list(range(i, i + group_size)) for i in range(0, size, group_size)], timeout, backend, pg_options, group_desc)


def new_subgroups_by_enumeration(ranks_per_subgroup_list, timeout=None, backend=None, pg_options=None, group_desc=None):
    """Groups of the given members, none in two of them; gives this process's group (or None) and all groups."""
    if not ranks_per_subgroup_list:
        raise ValueError("The arg 'ranks_per_subgroup_list' cannot be empty")
    seen, mine, all_groups = {}, None, []
    for ranks in ranks_per_subgroup_list:
        made = new_group(ranks, timeout, backend, pg_options, group_desc=group_desc)
        all_groups.append(made)
        for r in ranks:
            if r in seen:
                raise ValueError(f"Rank {r} has appeared in both subgroup {seen[r]} and {ranks}")
            seen[r] = ranks
            if r == get_rank():
                mine = made
    return mine, all_groups


def split_group(parent_pg=None, split_ranks=None, timeout=None, pg_options=None, group_desc=None):
    """This process's group of several; all members of the parent call this."""
    return next((g for g in (new_group(r, timeout) for r in split_ranks) if g is not GroupMember.NON_GROUP_MEMBER), None)
