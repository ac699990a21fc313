"""Averages of a bucket: as it is, or sent in 16 bits."""

from __future__ import annotations

import facula

from ... import calls
from ...groups import world_group


def allreduce_hook(process_group, bucket):
    """The average over the processes."""
    group = process_group or world_group()
    flat = bucket.buffer().div_(int(group.size))
    return calls.all_reduce(flat, group=group, async_op=True).get_future().then(lambda f: f.value()[0])


def _compressed(dtype):
    def hook(process_group, bucket):
        group, flat = process_group or world_group(), bucket.buffer()
        small = flat.to(dtype).div_(int(group.size))
        return calls.all_reduce(small, group=group, async_op=True).get_future().then(lambda f: flat.copy_(f.value()[0]))

    return hook


fp16_compress_hook, bf16_compress_hook = _compressed(facula.float16), _compressed(facula.bfloat16)
