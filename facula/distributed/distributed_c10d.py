"""PyTorch's module name for what `facula.distributed` has."""

from . import *  # noqa: F403
from . import (Backend, GroupMember, ProcessGroup, Store, Work, _get_default_group, default_pg_timeout, group,  # noqa: F401
               is_torchelastic_launched)
from .groups import default_pg_nccl_timeout  # noqa: F401
