"""Multiscale vision transformers. Sources: Fan et al., arXiv 2104.11227, and for the second version Li et al., arXiv 2112.01526."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import facula
from facula import nn
from facula.nn import functional as F

from ...ops.drop import StochasticDepth
from ...ops.misc import MLP
from .._api import fix, register_all
from .._init import truncated

__all__ = ["MViT"]


@dataclass
class MSBlockConfig:
    """Sizes of a block; empty lists stand for no pooling."""

    num_heads: int
    input_channels: int
    output_channels: int
    kernel_q: list
    kernel_kv: list
    stride_q: list
    stride_kv: list


class Pool(nn.Module):
    """Pools tokens (batch, heads, 1 + time * height * width, channels), but not the first, the class's.

    Args:
        pool: A module of videos.
        norm: Applied after it, or before with `norm_before_pool`; or None.
        activation: Applied after `norm`.
    """

    def __init__(self, pool, norm, activation=None, norm_before_pool=False):
        super().__init__()
        self.pool = pool
        layers = [layer for layer in (norm, activation) if layer is not None]
        self.norm_before_pool, self.norm_act = norm_before_pool, nn.Sequential(*layers) if layers else None

    def forward(self, x, thw):
        alone = x.dim() == 3
        x = x.unsqueeze(1) if alone else x
        token, x = x[:, :, :1], x[:, :, 1:].transpose(2, 3)
        batch, heads, channels = x.shape[:3]
        x = x.reshape(batch * heads, channels, *thw).contiguous()
        if self.norm_before_pool and self.norm_act is not None:
            x = self.norm_act(x)
        x = self.pool(x)
        thw = tuple(x.shape[2:])
        x = facula.cat([token, x.reshape(batch, heads, channels, -1).transpose(2, 3)], dim=2)
        if not self.norm_before_pool and self.norm_act is not None:
            x = self.norm_act(x)
        return x.squeeze(1) if alone else x, thw


def _distances(table, queries, keys):
    """Rows of a table of relative positions for all pairs along an axis, shape (queries, keys, channels)."""
    size = 2 * max(queries, keys) - 1
    if table.shape[0] != size:
        table = F.interpolate(table.permute(1, 0).unsqueeze(0), size=size, mode="linear").squeeze(0).permute(1, 0)
    apart = facula.arange(queries)[:, None] * max(keys / queries, 1.0) - (facula.arange(keys)[None, :] + (1.0 - keys)) * max(queries / keys, 1.0)
    return table[apart.long().to(table.device)]


def _relative_scores(q, q_thw, k_thw, tables):
    """Scores (batch, heads, queries, keys) by relative positions along time, height and width."""
    q = q.reshape(*q.shape[:2], *q_thw, q.shape[-1])
    t, h, w = (_distances(table, a, b) for table, a, b in zip(tables, q_thw, k_thw))
    along_t, along_h, along_w = (facula.einsum(f"bythwc,{axis}kc->bythwk", q, rows) for axis, rows in (("t", t), ("h", h), ("w", w)))
    scores = along_h[..., None, :, None] + along_w[..., None, None, :] + along_t[..., :, None, None]
    return scores.reshape(*q.shape[:2], math.prod(q_thw), math.prod(k_thw))


class MultiscaleAttention(nn.Module):
    """Attention whose queries, keys and values are pooled."""

    def __init__(self, input_size, embed_dim, output_dim, num_heads, kernel_q, kernel_kv, stride_q, stride_kv, residual_pool,
                 residual_with_cls_embed, rel_pos_embed, dropout=0.0, norm_layer=nn.LayerNorm):
        super().__init__()
        self.embed_dim, self.output_dim, self.num_heads, self.head_dim = embed_dim, output_dim, num_heads, output_dim // num_heads
        self.scaler = 1.0 / math.sqrt(self.head_dim)
        self.residual_pool, self.residual_with_cls_embed = residual_pool, residual_with_cls_embed
        self.qkv = nn.Linear(embed_dim, 3 * output_dim)
        self.project = nn.Sequential(nn.Linear(output_dim, output_dim), *([nn.Dropout(dropout, inplace=True)] if dropout > 0.0 else []))
        self.pool_q = self._pool(kernel_q, stride_q, norm_layer)
        self.pool_k = self._pool(kernel_kv, stride_kv, norm_layer)
        self.pool_v = self._pool(kernel_kv, stride_kv, norm_layer)
        self.rel_pos_h = self.rel_pos_w = self.rel_pos_t = None
        if rel_pos_embed:
            side = max(input_size[1:])
            spatial = 2 * max(side // (stride[1] if stride else 1) for stride in (stride_q, stride_kv)) - 1
            for name, rows in (("h", spatial), ("w", spatial), ("t", 2 * input_size[0] - 1)):
                setattr(self, f"rel_pos_{name}", nn.Parameter(facula.zeros(rows, self.head_dim)))
            for table in (self.rel_pos_h, self.rel_pos_w, self.rel_pos_t):
                nn.init.trunc_normal_(table, std=0.02)

    def _pool(self, kernel, stride, norm_layer):
        if math.prod(kernel) <= 1 and math.prod(stride) <= 1:
            return None
        return Pool(nn.Conv3d(self.head_dim, self.head_dim, tuple(kernel), stride=tuple(stride), padding=tuple(k // 2 for k in kernel),
                              groups=self.head_dim, bias=False), norm_layer(self.head_dim))

    def forward(self, x, thw):
        batch, tokens, _ = x.shape
        q, k, v = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, self.head_dim).transpose(1, 3).unbind(dim=2)
        k, k_thw = (k, thw) if self.pool_k is None else self.pool_k(k, thw)
        v = v if self.pool_v is None else self.pool_v(v, thw)[0]
        q, thw = (q, thw) if self.pool_q is None else self.pool_q(q, thw)
        scores = (self.scaler * q) @ k.transpose(2, 3)
        if self.rel_pos_h is not None:
            scores[:, :, 1:, 1:] += _relative_scores(q[:, :, 1:], thw, k_thw, (self.rel_pos_t, self.rel_pos_h, self.rel_pos_w))
        x = scores.softmax(dim=-1) @ v
        if self.residual_pool:
            if self.residual_with_cls_embed:
                x = x + q
            else:
                x[:, :, 1:, :] += q[:, :, 1:, :]
        return self.project(x.transpose(1, 2).reshape(batch, -1, self.output_dim)), thw


class MultiscaleBlock(nn.Module):
    """Attention and two linear layers; the short cut is pooled where queries are."""

    def __init__(self, input_size, cnf, residual_pool, residual_with_cls_embed, rel_pos_embed, proj_after_attn, dropout=0.0,
                 stochastic_depth_prob=0.0, norm_layer=nn.LayerNorm):
        super().__init__()
        self.proj_after_attn, self.pool_skip = proj_after_attn, None
        if math.prod(cnf.stride_q) > 1:
            kernel = [s + 1 if s > 1 else s for s in cnf.stride_q]
            self.pool_skip = Pool(nn.MaxPool3d(kernel, stride=cnf.stride_q, padding=[k // 2 for k in kernel]), None)
        width = cnf.output_channels if proj_after_attn else cnf.input_channels
        self.norm1, self.norm2 = norm_layer(cnf.input_channels), norm_layer(width)
        self.attn = MultiscaleAttention(input_size, cnf.input_channels, width, cnf.num_heads, cnf.kernel_q, cnf.kernel_kv, cnf.stride_q,
                                        cnf.stride_kv, residual_pool, residual_with_cls_embed, rel_pos_embed, dropout, norm_layer)
        self.mlp = MLP(width, [4 * width, cnf.output_channels], activation_layer=nn.GELU, dropout=dropout, inplace=None)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.project = nn.Linear(cnf.input_channels, cnf.output_channels) if cnf.input_channels != cnf.output_channels else None

    def forward(self, x, thw):
        normed = self.norm1(x)
        attended, new_thw = self.attn(normed, thw)
        x = self.project(normed) if self.project is not None and self.proj_after_attn else x
        x = (x if self.pool_skip is None else self.pool_skip(x, thw)[0]) + self.stochastic_depth(attended)
        normed = self.norm2(x)
        x = self.project(normed) if self.project is not None and not self.proj_after_attn else x
        return x + self.stochastic_depth(self.mlp(normed)), new_thw


class PositionalEncoding(nn.Module):
    """Puts the class's token first, and adds positions in space and time unless they are relative."""

    def __init__(self, embed_size, spatial_size, temporal_size, rel_pos_embed):
        super().__init__()
        self.spatial_size, self.temporal_size = spatial_size, temporal_size
        self.class_token = nn.Parameter(facula.zeros(embed_size))
        self.spatial_pos = self.temporal_pos = self.class_pos = None
        if not rel_pos_embed:
            self.spatial_pos = nn.Parameter(facula.zeros(spatial_size[0] * spatial_size[1], embed_size))
            self.temporal_pos = nn.Parameter(facula.zeros(temporal_size, embed_size))
            self.class_pos = nn.Parameter(facula.zeros(embed_size))

    def forward(self, x):
        x = facula.cat([self.class_token.expand(x.size(0), -1).unsqueeze(1), x], dim=1)
        if self.spatial_pos is None:
            return x
        positions = (self.temporal_pos[:, None] + self.spatial_pos).flatten(0, 1)  # (time * height * width, channels)
        return x + facula.cat([self.class_pos.unsqueeze(0), positions], dim=0).unsqueeze(0)


class MViT(nn.Module):
    """Blocks of falling resolution and growing width, for videos of `temporal_size` frames of `spatial_size`."""

    def __init__(self, spatial_size, temporal_size, block_setting, residual_pool, residual_with_cls_embed, rel_pos_embed, proj_after_attn,
                 dropout=0.5, attention_dropout=0.0, stochastic_depth_prob=0.0, num_classes=400, block=None, norm_layer=None,
                 patch_embed_kernel=(3, 7, 7), patch_embed_stride=(2, 4, 4), patch_embed_padding=(1, 3, 3)):
        super().__init__()
        if not block_setting:
            raise ValueError("The configuration parameter can't be empty.")
        block, norm_layer = block or MultiscaleBlock, norm_layer or partial(nn.LayerNorm, eps=1e-6)
        self.conv_proj = nn.Conv3d(3, block_setting[0].input_channels, kernel_size=patch_embed_kernel, stride=patch_embed_stride,
                                   padding=patch_embed_padding)
        size = [n // s for n, s in zip((temporal_size, *spatial_size), self.conv_proj.stride)]
        self.pos_encoding = PositionalEncoding(block_setting[0].input_channels, (size[1], size[2]), size[0], rel_pos_embed)
        self.blocks = nn.ModuleList()
        for i, cnf in enumerate(block_setting):
            self.blocks.append(block(input_size=size, cnf=cnf, residual_pool=residual_pool, residual_with_cls_embed=residual_with_cls_embed,
                                     rel_pos_embed=rel_pos_embed, proj_after_attn=proj_after_attn, dropout=attention_dropout,
                                     stochastic_depth_prob=stochastic_depth_prob * i / (len(block_setting) - 1.0), norm_layer=norm_layer))
            if cnf.stride_q:
                size = [n // s for n, s in zip(size, cnf.stride_q)]
        self.norm = norm_layer(block_setting[-1].output_channels)
        self.head = nn.Sequential(nn.Dropout(dropout, inplace=True), nn.Linear(block_setting[-1].output_channels, num_classes))
        for m in self.modules():
            if isinstance(m, nn.Linear):
                truncated(0.02)(m.weight)
                nn.init.zeros_(m.bias)
            elif isinstance(m, PositionalEncoding):
                for p in m.parameters():
                    truncated(0.02)(p)

    def forward(self, x):
        x = x.unsqueeze(2) if x.dim() == 4 else x  # an image is a video of one frame
        x = self.pos_encoding(self.conv_proj(x).flatten(2).transpose(1, 2))
        thw = (self.pos_encoding.temporal_size, *self.pos_encoding.spatial_size)
        for block in self.blocks:
            x, thw = block(x, thw)
        return self.head(self.norm(x)[:, 0])


def _mvit(blocks, settings, weights, **kwargs):
    if weights is not None:
        fix(kwargs, "spatial_size", tuple(weights.meta["min_size"]))
        fix(kwargs, "temporal_size", weights.meta["min_temporal_size"])
    three, configs = [3, 3, 3], []
    for heads, channels, out, stride_q, stride_kv in blocks:
        configs.append(MSBlockConfig(heads, channels, out, three if stride_q else [], three, [1, stride_q, stride_q] if stride_q else [],
                                     [1, stride_kv, stride_kv]))
    defaults = {"spatial_size": (224, 224), "temporal_size": 16, "stochastic_depth_prob": 0.2, "residual_with_cls_embed": False, **settings}
    return MViT(block_setting=configs, **{**defaults, **kwargs})


_MODELS = {  # heads, channels in and out, steps of queries (0: they are not pooled) and of keys and values
    "mvit_v1_b": ([(1, 96, 192, 0, 8), (2, 192, 192, 2, 4), (2, 192, 384, 0, 4), (4, 384, 384, 2, 2), *[(4, 384, 384, 0, 2)] * 9,
                   (4, 384, 768, 0, 2), (8, 768, 768, 2, 1), (8, 768, 768, 0, 1)],
                  {"residual_pool": False, "rel_pos_embed": False, "proj_after_attn": False}),
    "mvit_v2_s": ([(1, 96, 96, 1, 8), (2, 96, 192, 2, 4), (2, 192, 192, 1, 4), (4, 192, 384, 2, 2), *[(4, 384, 384, 1, 2)] * 10,
                   (8, 384, 768, 2, 1), (8, 768, 768, 1, 1)],
                  {"residual_pool": True, "rel_pos_embed": True, "proj_after_attn": True})}
register_all(globals(), _mvit, _MODELS)
__all__ += _MODELS
