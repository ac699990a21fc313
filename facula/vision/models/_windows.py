"""Windows of images for attention, and positions relative to each other within one."""

from __future__ import annotations

import facula


def relative_position_index(height, width):
    """Which row of a bias table each pair of a window's tokens reads, shape (tokens, tokens)."""
    rows, columns = (t.flatten() for t in facula.meshgrid(facula.arange(height), facula.arange(width), indexing="ij"))
    return (rows[:, None] - rows + height - 1) * (2 * width - 1) + columns[:, None] - columns + width - 1


def bias_of_pairs(table, index, tokens):
    """Rows of a table (positions, heads) for all pairs, shape (1, heads, tokens, tokens)."""
    return table[index.flatten()].reshape(tokens, tokens, -1).permute(2, 0, 1).unsqueeze(0)


def partition(x, height, width):
    """(batch, rows, columns, channels) as (batch, windows, tokens, channels)."""
    batch, rows, columns, channels = x.shape
    x = x.reshape(batch, rows // height, height, columns // width, width, channels).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(batch, -1, height * width, channels)


def departition(x, height, width, rows, columns):
    """The inverse of `partition`."""
    batch, _, _, channels = x.shape
    x = x.reshape(batch, rows // height, columns // width, height, width, channels).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(batch, rows, columns, channels)
