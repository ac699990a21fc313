"""MaxViT. Source: Tu et al., arXiv 2204.01697."""

from __future__ import annotations

import math
from collections import OrderedDict
from functools import partial

import facula
from facula import nn
from facula.nn import functional as F

from ..ops.drop import StochasticDepth
from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ._api import fix, register_all
from ._init import initialize, normal
from ._windows import bias_of_pairs, departition, partition, relative_position_index

__all__ = ["MaxVit"]


def _halved(size):
    """What a 3x3 convolution of stride 2 leaves of (height, width)."""
    return tuple((n - 1) // 2 + 1 for n in size)


class MBConv(nn.Module):
    """Expansion, depthwise convolution, squeeze and excitation, projection, around a short cut."""

    def __init__(self, in_channels, out_channels, expansion_ratio, squeeze_ratio, stride, activation_layer, norm_layer,
                 p_stochastic_dropout=0.0):
        super().__init__()
        if stride != 1 or in_channels != out_channels:
            pool = [nn.AvgPool2d(kernel_size=3, stride=stride, padding=1)] if stride == 2 else []
            self.proj = nn.Sequential(*pool, nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=True))
        else:
            self.proj = nn.Identity()
        middle = int(out_channels * expansion_ratio)
        self.stochastic_depth = StochasticDepth(p_stochastic_dropout, mode="row") if p_stochastic_dropout else nn.Identity()
        conv = partial(Conv2dNormActivation, activation_layer=activation_layer, norm_layer=norm_layer, inplace=None)
        self.layers = nn.Sequential(OrderedDict(
            pre_norm=norm_layer(in_channels), conv_a=conv(in_channels, middle, kernel_size=1, padding=0),
            conv_b=conv(middle, middle, kernel_size=3, stride=stride, padding=1, groups=middle),
            squeeze_excitation=SqueezeExcitation(middle, int(out_channels * squeeze_ratio), activation=nn.SiLU),
            conv_c=nn.Conv2d(middle, out_channels, kernel_size=1, bias=True)))

    def forward(self, x):
        return self.proj(x) + self.stochastic_depth(self.layers(x))


class RelativePositionalMultiHeadAttention(nn.Module):
    """Attention within windows (batch, windows, tokens, channels), with a bias for each relative position."""

    def __init__(self, feat_dim, head_dim, max_seq_len):
        super().__init__()
        if feat_dim % head_dim:
            raise ValueError(f"feat_dim: {feat_dim} must be divisible by head_dim: {head_dim}")
        self.n_heads, self.head_dim, self.size, self.max_seq_len = feat_dim // head_dim, head_dim, int(math.sqrt(max_seq_len)), max_seq_len
        self.to_qkv = nn.Linear(feat_dim, self.n_heads * head_dim * 3)
        self.scale_factor = feat_dim ** -0.5
        self.merge = nn.Linear(head_dim * self.n_heads, feat_dim)
        self.relative_position_bias_table = nn.Parameter(facula.empty(((2 * self.size - 1) ** 2, self.n_heads), dtype=facula.float32))
        self.register_buffer("relative_position_index", relative_position_index(self.size, self.size))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def get_relative_positional_bias(self):
        return bias_of_pairs(self.relative_position_bias_table, self.relative_position_index, self.max_seq_len)

    def forward(self, x):
        batch, windows, tokens, channels = x.shape
        q, k, v = (t.reshape(batch, windows, tokens, self.n_heads, self.head_dim).transpose(2, 3) for t in self.to_qkv(x).chunk(3, -1))
        scores = q @ (k * self.scale_factor).transpose(-2, -1) + self.get_relative_positional_bias()
        out = F.softmax(scores, dim=-1) @ v  # (batch, windows, heads, tokens, head_dim)
        return self.merge(out.transpose(2, 3).reshape(batch, windows, tokens, channels))


class SwapAxes(nn.Module):
    """`Tensor.swapaxes` as a module."""

    def __init__(self, a, b):
        super().__init__()
        self.a, self.b = a, b

    def forward(self, x):
        return facula.swapaxes(x, self.a, self.b)


class WindowPartition(nn.Module):
    """(batch, channels, height, width) as (batch, windows, tokens, channels)."""

    def forward(self, x, p):
        return partition(x.permute(0, 2, 3, 1), (p, p))


class WindowDepartition(nn.Module):
    """The inverse of `WindowPartition`; `h_partitions` and `w_partitions` count windows."""

    def forward(self, x, p, h_partitions, w_partitions):
        return departition(x, (p, p), (h_partitions * p, w_partitions * p)).permute(0, 3, 1, 2)


class PartitionAttentionLayer(nn.Module):
    """Attention among neighbours ("window") or among pixels on a grid ("grid"), and two linear layers."""

    def __init__(self, in_channels, head_dim, partition_size, partition_type, grid_size, mlp_ratio, activation_layer, norm_layer,
                 attention_dropout, mlp_dropout, p_stochastic_dropout):
        super().__init__()
        self.n_heads, self.head_dim = in_channels // head_dim, head_dim
        self.n_partitions, self.partition_type, self.grid_size = grid_size[0] // partition_size, partition_type, grid_size
        if partition_type not in ("grid", "window"):
            raise ValueError("partition_type must be either 'grid' or 'window'")
        grid = partition_type == "grid"
        self.p, self.g = (self.n_partitions, partition_size) if grid else (partition_size, self.n_partitions)
        self.partition_op, self.departition_op = WindowPartition(), WindowDepartition()
        self.partition_swap = SwapAxes(-2, -3) if grid else nn.Identity()
        self.departition_swap = SwapAxes(-2, -3) if grid else nn.Identity()
        self.attn_layer = nn.Sequential(norm_layer(in_channels),
                                        RelativePositionalMultiHeadAttention(in_channels, head_dim, partition_size ** 2),
                                        nn.Dropout(attention_dropout))
        self.mlp_layer = nn.Sequential(nn.LayerNorm(in_channels), nn.Linear(in_channels, in_channels * mlp_ratio), activation_layer(),
                                       nn.Linear(in_channels * mlp_ratio, in_channels), nn.Dropout(mlp_dropout))
        self.stochastic_dropout = StochasticDepth(p_stochastic_dropout, mode="row")

    def forward(self, x):
        rows, columns = self.grid_size[0] // self.p, self.grid_size[1] // self.p
        if self.grid_size[0] % self.p or self.grid_size[1] % self.p:
            raise AssertionError(f"Grid size must be divisible by partition size. Got grid size of {self.grid_size} and partition size of "
                                 f"{self.p}")
        x = self.partition_swap(self.partition_op(x, self.p))
        x = x + self.stochastic_dropout(self.attn_layer(x))
        x = x + self.stochastic_dropout(self.mlp_layer(x))
        return self.departition_op(self.departition_swap(x), self.p, rows, columns)


class MaxVitLayer(nn.Module):
    """A convolution block, attention in windows, attention on grids."""

    def __init__(self, in_channels, out_channels, squeeze_ratio, expansion_ratio, stride, norm_layer, activation_layer, head_dim, mlp_ratio,
                 mlp_dropout, attention_dropout, p_stochastic_dropout, partition_size, grid_size):
        super().__init__()
        attention = partial(PartitionAttentionLayer, in_channels=out_channels, head_dim=head_dim, partition_size=partition_size,
                            grid_size=grid_size, mlp_ratio=mlp_ratio, activation_layer=activation_layer, norm_layer=nn.LayerNorm,
                            attention_dropout=attention_dropout, mlp_dropout=mlp_dropout, p_stochastic_dropout=p_stochastic_dropout)
        self.layers = nn.Sequential(OrderedDict(
            MBconv=MBConv(in_channels, out_channels, expansion_ratio, squeeze_ratio, stride, activation_layer, norm_layer,
                          p_stochastic_dropout),
            window_attention=attention(partition_type="window"), grid_attention=attention(partition_type="grid")))

    def forward(self, x):
        return self.layers(x)


class MaxVitBlock(nn.Module):
    """Layers of one resolution; the first halves it."""

    def __init__(self, in_channels, out_channels, squeeze_ratio, expansion_ratio, norm_layer, activation_layer, head_dim, mlp_ratio,
                 mlp_dropout, attention_dropout, partition_size, input_grid_size, n_layers, p_stochastic):
        super().__init__()
        if len(p_stochastic) != n_layers:
            raise ValueError(f"p_stochastic must have length n_layers={n_layers}, got p_stochastic={p_stochastic}.")
        self.grid_size = _halved(input_grid_size)
        self.layers = nn.ModuleList(
            MaxVitLayer(out_channels if i else in_channels, out_channels, squeeze_ratio, expansion_ratio, 1 if i else 2, norm_layer,
                        activation_layer, head_dim, mlp_ratio, mlp_dropout, attention_dropout, p, partition_size, self.grid_size)
            for i, p in enumerate(p_stochastic))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class MaxVit(nn.Module):
    """A stem of two convolutions, blocks, a classifier; for images of `input_size`."""

    def __init__(self, input_size, stem_channels, partition_size, block_channels, block_layers, head_dim, stochastic_depth_prob,
                 norm_layer=None, activation_layer=nn.GELU, squeeze_ratio=0.25, expansion_ratio=4, mlp_ratio=4, mlp_dropout=0.0,
                 attention_dropout=0.0, num_classes=1000):
        super().__init__()
        norm_layer = norm_layer or partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)
        size = input_size = _halved(input_size)
        for i in range(len(block_channels)):
            size = _halved(size)
            if size[0] % partition_size or size[1] % partition_size:
                raise ValueError(f"Input size {size} of block {i} is not divisible by partition size {partition_size}. Consider changing "
                                 f"the partition size or the input size.\nCurrent configuration yields the following block input sizes: "
                                 f"{self._sizes(input_size, len(block_channels))}.")
        self.stem = nn.Sequential(
            Conv2dNormActivation(3, stem_channels, 3, stride=2, norm_layer=norm_layer, activation_layer=activation_layer, bias=False,
                                 inplace=None),
            Conv2dNormActivation(stem_channels, stem_channels, 3, stride=1, norm_layer=None, activation_layer=None, bias=True))
        self.partition_size = partition_size
        total = sum(block_layers)
        depth = [i * (stochastic_depth_prob / (total - 1)) for i in range(total - 1)] + [stochastic_depth_prob]
        self.blocks, before, size, channels = nn.ModuleList(), 0, input_size, stem_channels
        for out_channels, n in zip(block_channels, block_layers):
            self.blocks.append(MaxVitBlock(channels, out_channels, squeeze_ratio, expansion_ratio, norm_layer, activation_layer, head_dim,
                                           mlp_ratio, mlp_dropout, attention_dropout, partition_size, size, n, depth[before:before + n]))
            channels, size, before = out_channels, self.blocks[-1].grid_size, before + n
        self.classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(channels), nn.Linear(channels, channels),
                                        nn.Tanh(), nn.Linear(channels, num_classes, bias=False))
        initialize(self, conv=normal(0.02), linear=normal(0.02))

    @staticmethod
    def _sizes(size, count):
        sizes = []
        for _ in range(count):
            size = _halved(size)
            sizes.append(size)
        return sizes

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.classifier(x)


def _maxvit(stem_channels, block_channels, block_layers, head_dim, stochastic_depth_prob, partition_size, weights, **kwargs):
    if weights is not None:
        fix(kwargs, "input_size", weights.meta["min_size"])
    return MaxVit(kwargs.pop("input_size", (224, 224)), stem_channels, partition_size, list(block_channels), list(block_layers), head_dim,
                  stochastic_depth_prob, **kwargs)


_MODELS = {"maxvit_t": (64, (64, 128, 256, 512), (2, 2, 5, 2), 32, 0.2, 7)}
register_all(globals(), _maxvit, _MODELS)
__all__ += _MODELS
