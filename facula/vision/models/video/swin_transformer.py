"""Swin transformers of videos. Source: Liu et al., arXiv 2106.13230."""

from __future__ import annotations

import math
from functools import partial

from facula import nn
from facula.nn import functional as F

from .._api import register_all
from .._init import initialize, truncated
from .._windows import bias_of_pairs, relative_position_index
from ..swin_transformer import PatchMerging, ShiftedWindowAttention, SwinTransformerBlock, shifted_window_attention, stages

__all__ = ["SwinTransformer3d"]


class ShiftedWindowAttention3d(ShiftedWindowAttention):
    """See `shifted_window_attention`; windows are no larger than the video."""

    rank = 3

    def define_relative_position_index(self):
        self.register_buffer("relative_position_index", relative_position_index(*self.window_size))

    def get_relative_position_bias(self, window_size=None):
        tokens = math.prod(window_size or self.window_size)
        return bias_of_pairs(self.relative_position_bias_table, self.relative_position_index[:tokens, :tokens], tokens)

    def forward(self, x):
        window = [min(w, n) for w, n in zip(self.window_size, x.shape[1:-1])]
        shift = [0 if n <= w else s for w, n, s in zip(self.window_size, x.shape[1:-1], self.shift_size)]
        return shifted_window_attention(x, self.qkv.weight, self.proj.weight, self.get_relative_position_bias(window), window, self.num_heads, shift,
                                        self.attention_dropout, self.dropout, self.qkv.bias, self.proj.bias, training=self.training)


class PatchEmbed3d(nn.Module):
    """Patches (batch, time, height, width, channels) of a video, whose sizes are padded to whole patches."""

    def __init__(self, patch_size, in_channels=3, embed_dim=96, norm_layer=None):
        super().__init__()
        self.tuple_patch_size = tuple(patch_size)
        self.proj = nn.Conv3d(in_channels, embed_dim, kernel_size=self.tuple_patch_size, stride=self.tuple_patch_size)
        self.norm = nn.Identity() if norm_layer is None else norm_layer(embed_dim)

    def forward(self, x):
        x = F.pad(x, tuple(v for n, p in zip(x.shape[:1:-1], self.tuple_patch_size[::-1]) for v in (0, -n % p)))
        return self.norm(self.proj(x).permute(0, 2, 3, 4, 1))


class SwinTransformer3d(nn.Module):
    """Stages of blocks on videos (batch, time, height, width, channels); between them the resolution of frames halves."""

    def __init__(self, patch_size, embed_dim, depths, num_heads, window_size, mlp_ratio=4.0, dropout=0.0, attention_dropout=0.0,
                 stochastic_depth_prob=0.1, num_classes=400, norm_layer=None, block=None, downsample_layer=PatchMerging, patch_embed=None):
        super().__init__()
        self.num_classes = num_classes
        block = block or partial(SwinTransformerBlock, attn_layer=ShiftedWindowAttention3d)
        norm_layer = norm_layer or partial(nn.LayerNorm, eps=1e-5)
        self.patch_embed = (patch_embed or PatchEmbed3d)(patch_size=patch_size, embed_dim=embed_dim, norm_layer=norm_layer)
        self.pos_drop = nn.Dropout(p=dropout)
        self.features = nn.Sequential(*stages(block, downsample_layer, embed_dim, depths, num_heads, window_size, mlp_ratio, dropout,
                                              attention_dropout, stochastic_depth_prob, norm_layer))
        self.num_features = embed_dim * 2 ** (len(depths) - 1)
        self.norm = norm_layer(self.num_features)
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.head = nn.Linear(self.num_features, num_classes)
        initialize(self, conv=None, linear=truncated(0.02), norm=False)

    def forward(self, x):
        x = self.norm(self.features(self.pos_drop(self.patch_embed(x))))
        return self.head(self.avgpool(x.permute(0, 4, 1, 2, 3)).flatten(1))


def _swin3d(width, blocks, heads, weights, **kwargs):
    return SwinTransformer3d(patch_size=[2, 4, 4], embed_dim=width, depths=[2, 2, blocks, 2], num_heads=[heads, 2 * heads, 4 * heads, 8 * heads],
                             window_size=[8, 7, 7], **{"stochastic_depth_prob": 0.1, **kwargs})


_MODELS = {"swin3d_t": (96, 6, 3), "swin3d_s": (96, 18, 3), "swin3d_b": (128, 18, 4)}
register_all(globals(), _swin3d, _MODELS)
__all__ += _MODELS
