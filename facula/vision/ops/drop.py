"""Parts of activations dropped in training: whole samples, or blocks of neighbours."""

from __future__ import annotations

import facula
from facula import nn
from facula.nn import functional as F

__all__ = ["DropBlock2d", "DropBlock3d", "StochasticDepth", "drop_block2d", "drop_block3d", "stochastic_depth"]


def _probability(p):
    if p < 0.0 or p > 1.0:
        raise ValueError(f"drop probability has to be between 0 and 1, but got {p}")


def stochastic_depth(input, p, mode, training=True):
    """Drops whole samples ("row") or the whole batch ("batch"). Source: Huang et al., arXiv 1603.09382."""
    _probability(p)
    if mode not in ("batch", "row"):
        raise ValueError(f"mode has to be either 'batch' or 'row', but got {mode}")
    if not training or p == 0.0:
        return input
    size = [input.shape[0] if mode == "row" else 1] + [1] * (input.ndim - 1)
    noise = facula.empty(size, dtype=input.dtype, device=input.device).bernoulli_(1.0 - p)
    return input * (noise.div_(1.0 - p) if p < 1.0 else noise)


class StochasticDepth(nn.Module):
    """See `stochastic_depth`."""

    def __init__(self, p, mode):
        super().__init__()
        self.p, self.mode = p, mode

    def forward(self, input):
        return stochastic_depth(input, self.p, self.mode, self.training)

    def __repr__(self):
        return f"{type(self).__name__}(p={self.p}, mode={self.mode})"


def _drop_block(input, p, block_size, inplace, eps, training, rank):
    _probability(p)
    if input.ndim != rank + 2:
        raise ValueError(f"input should be {rank + 2} dimensional. Got {input.ndim} dimensions.")
    if not training or p == 0.0:
        return input
    sizes = input.shape[2:]
    block = min(block_size, *sizes)
    centres, cells = 1, 1
    for n in sizes:
        centres, cells = centres * (n - block + 1), cells * n
    gamma = p * cells / (block ** rank * centres)
    noise = facula.empty((*input.shape[:2], *(n - block + 1 for n in sizes)), dtype=input.dtype, device=input.device).bernoulli_(gamma)
    noise = F.pad(noise, [block // 2] * (2 * rank), value=0)
    pool = F.max_pool2d if rank == 2 else F.max_pool3d
    kept = 1 - pool(noise, stride=1, kernel_size=block, padding=block // 2)
    scale = kept.numel() / (eps + kept.sum())
    return input.mul_(kept).mul_(scale) if inplace else input * kept * scale


def drop_block2d(input, p, block_size, inplace=False, eps=1e-06, training=True):
    """Drops square blocks of (batch, channels, height, width). Source: Ghiasi, Lin and Le, arXiv 1810.12890."""
    return _drop_block(input, p, block_size, inplace, eps, training, 2)


def drop_block3d(input, p, block_size, inplace=False, eps=1e-06, training=True):
    """Drops cubes of (batch, channels, depth, height, width). Source: Ghiasi, Lin and Le, arXiv 1810.12890."""
    return _drop_block(input, p, block_size, inplace, eps, training, 3)


class DropBlock2d(nn.Module):
    """See `drop_block2d`."""

    function = staticmethod(drop_block2d)

    def __init__(self, p, block_size, inplace=False, eps=1e-06):
        super().__init__()
        self.p, self.block_size, self.inplace, self.eps = p, block_size, inplace, eps

    def forward(self, input):
        return self.function(input, self.p, self.block_size, self.inplace, self.eps, self.training)

    def __repr__(self):
        return f"{type(self).__name__}(p={self.p}, block_size={self.block_size}, inplace={self.inplace})"


class DropBlock3d(DropBlock2d):
    """See `drop_block3d`."""

    function = staticmethod(drop_block3d)
