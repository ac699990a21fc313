"""Messages from one process to another."""

from __future__ import annotations

from .calls import check_tensor
from .groups import get_global_rank, get_group_rank, resolve


def _peer(other, group_other, group, name):
    """The other side's rank inside the group."""
    if group_other is not None:
        if other is not None:
            raise ValueError(f"Can't specify both group_{name} and {name}")
        get_global_rank(group, group_other)
        return group_other
    if other is None:
        raise ValueError(f"Must specify {name} or group_{name}")
    return get_group_rank(group, other)


def isend(tensor, dst=None, group=None, tag=0, group_dst=None):
    """Sends a tensor without waiting for its receiver; gives a Work."""
    check_tensor(tensor, "tensor")
    found = resolve(group)
    if found is None:
        return None
    peer = _peer(dst, group_dst, found, "dst")
    if peer == found.rank:
        raise ValueError("Invalid destination rank: destination rank should not be the same as the rank of the current process.")
    return found.send_to(tensor, peer, tag)


def send(tensor, dst=None, group=None, tag=0, group_dst=None):
    """Sends a tensor to the process `dst`.

    Args:
        tensor: What to send; the receiver's tensor has the same size and dtype.
        dst: The receiver's number in the job.
        tag: Only receives with the same tag get it.
        group_dst: The receiver's number in the group, instead of dst.
    """
    isend(tensor, dst, group, tag, group_dst)


def irecv(tensor, src=None, group=None, tag=0, group_src=None):
    """Receives into a tensor; gives a Work that ends when the message is there."""
    check_tensor(tensor, "tensor")
    found = resolve(group)
    if found is None:
        return None
    peer = None if src is None and group_src is None else _peer(src, group_src, found, "src")
    if peer == found.rank:
        raise ValueError("Invalid source rank: source rank should not be the same as the rank of the current process.")
    return found.receive(tensor, peer, tag)


def recv(tensor, src=None, group=None, tag=0, group_src=None):
    """Receives into a tensor, from `src` or from any process; gives the sender's number in the job, -1 outside of the group."""
    work = irecv(tensor, src, group, tag, group_src)
    if work is None:
        return -1
    work.wait()
    return work.source_rank() if src is None and group_src is None else src if src is not None else get_global_rank(resolve(group), group_src)


class P2POp:
    """A message of `batch_isend_irecv`.

    Args:
        op: `isend` or `irecv`.
        tensor: What to send, or where to receive.
        peer: The other side's number in the job.
    """

    def __init__(self, op, tensor, peer=None, group=None, tag=0, group_peer=None):
        if op not in (isend, irecv):
            raise ValueError("Invalid ``op``. Expected ``op`` to be of type ``torch.distributed.isend`` or ``torch.distributed.irecv``.")
        check_tensor(tensor, "tensor")
        self.op, self.tensor, self.peer, self.group, self.tag, self.group_peer = op, tensor, peer, group, tag, group_peer


def batch_isend_irecv(p2p_op_list):
    """Starts several messages; gives their Works."""
    if not isinstance(p2p_op_list, list) or not all(isinstance(p, P2POp) for p in p2p_op_list):
        raise ValueError("Invalid ``p2p_op_list``. Each op is expected to to be of type ``torch.distributed.P2POp``.")
    return [p.op(p.tensor, p.peer, p.group, p.tag, p.group_peer) for p in p2p_op_list]
