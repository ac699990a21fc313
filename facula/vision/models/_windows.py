"""Windows of images and videos for attention, and positions relative to each other within one."""

from __future__ import annotations

import itertools
import math

import facula


def relative_position_index(*window):
    """Which row of a bias table each pair of a window's tokens reads, shape (tokens, tokens)."""
    axes = [t.flatten() for t in facula.meshgrid(*(facula.arange(n) for n in window), indexing="ij")]
    index = 0
    for places, size in zip(axes, window):
        index = index * (2 * size - 1) + places[:, None] - places + size - 1
    return index


def bias_of_pairs(table, index, tokens):
    """Rows of a table (positions, heads) for all pairs, shape (1, heads, tokens, tokens)."""
    return table[index.flatten()].reshape(tokens, tokens, -1).permute(2, 0, 1).unsqueeze(0)


def partition(x, window):
    """(batch, *sizes, channels) as (batch, windows, tokens, channels)."""
    batch, *sizes, channels = x.shape
    n = len(window)
    x = x.reshape(batch, *(v for s, w in zip(sizes, window) for v in (s // w, w)), channels)
    x = x.permute(0, *range(1, 2 * n, 2), *range(2, 2 * n + 1, 2), 2 * n + 1)
    return x.reshape(batch, -1, math.prod(window), channels)


def departition(x, window, sizes):
    """The inverse of `partition`."""
    batch, channels, n = x.shape[0], x.shape[-1], len(window)
    x = x.reshape(batch, *(s // w for s, w in zip(sizes, window)), *window, channels)
    x = x.permute(0, *(d for i in range(n) for d in (1 + i, 1 + n + i)), 2 * n + 1)
    return x.reshape(batch, *sizes, channels)


def foreign(sizes, window, shift, like):
    """-100 where two tokens of a rolled window come from different sides of the image, shape (windows, tokens, tokens)."""
    regions = like.new_zeros(tuple(sizes))
    parts = [(slice(0, -w), slice(-w, -s), slice(-s, None)) for w, s in zip(window, shift)]
    for i, region in enumerate(itertools.product(*parts)):
        regions[region] = i
    regions = partition(regions[None, ..., None], window)[0, :, :, 0]
    apart = regions[:, None] - regions[:, :, None]
    return apart.masked_fill(apart != 0, -100.0)
