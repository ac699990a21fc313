"""Swin transformers. Sources: Liu et al., arXiv 2103.14030, and for the second version arXiv 2111.09883."""

from __future__ import annotations

import math
from functools import partial

import facula
from facula import nn
from facula.nn import functional as F

from ..ops.drop import StochasticDepth
from ..ops.misc import MLP, Permute
from ._api import register_all
from ._init import initialize, truncated
from ._windows import bias_of_pairs, departition, foreign, partition, relative_position_index

__all__ = ["SwinTransformer"]


def quarters(x):
    """(batch, rows, columns, channels) at half the resolution and four times the channels; odd sizes are padded."""
    x = F.pad(x, (0, 0, 0, x.shape[-2] % 2, 0, x.shape[-3] % 2))
    return facula.cat([x[..., i::2, j::2, :] for j in (0, 1) for i in (0, 1)], -1)


class PatchMerging(nn.Module):
    """Four neighbours become one: normalised, then projected to twice the channels."""

    def __init__(self, dim, norm_layer=nn.LayerNorm):
        super().__init__()
        self.dim = dim
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(4 * dim)

    def forward(self, x):
        return self.reduction(self.norm(quarters(x)))


class PatchMergingV2(nn.Module):
    """Four neighbours become one: projected to twice the channels, then normalised."""

    def __init__(self, dim, norm_layer=nn.LayerNorm):
        super().__init__()
        self.dim = dim
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(2 * dim)

    def forward(self, x):
        return self.norm(self.reduction(quarters(x)))


def shifted_window_attention(input, qkv_weight, proj_weight, relative_position_bias, window_size, num_heads, shift_size,
                             attention_dropout=0.0, dropout=0.0, qkv_bias=None, proj_bias=None, logit_scale=None, training=True):
    """Attention within windows of an image or a video that was rolled by `shift_size`.

    Args:
        input: Shape (batch, *sizes, channels), with as many sizes as `window_size` has.
        relative_position_bias: Added to the scores, shape (1, heads, tokens, tokens).
        logit_scale: Logarithms of factors of cosines, shape (heads, 1, 1); None for ordinary products.

    Returns:
        Shape of `input`.
    """
    batch, *sizes, channels = input.shape
    x = F.pad(input, (0, 0, *(v for n, w in zip(sizes[::-1], window_size[::-1]) for v in (0, -n % w))))
    padded, dims = x.shape[1:-1], tuple(range(1, x.dim() - 1))
    # Where one window covers the image there is nothing to exchange.
    shift = [0 if w >= n else s for w, n, s in zip(window_size, padded, shift_size)]
    if sum(shift) > 0:
        x = facula.roll(x, shifts=tuple(-s for s in shift), dims=dims)
    x = partition(x, window_size)
    windows, tokens = x.shape[1:3]
    x = x.reshape(batch * windows, tokens, channels)
    if logit_scale is not None and qkv_bias is not None:  # keys have no shift
        qkv_bias = qkv_bias.clone()
        qkv_bias[channels:2 * channels].zero_()
    q, k, v = F.linear(x, qkv_weight, qkv_bias).reshape(batch * windows, tokens, 3, num_heads, -1).permute(2, 0, 3, 1, 4)
    if logit_scale is not None:
        scores = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1) * facula.clamp(logit_scale, max=math.log(100.0)).exp()
    else:
        scores = (q * (channels // num_heads) ** -0.5) @ k.transpose(-2, -1)
    scores = scores + relative_position_bias  # (batch * windows, heads, tokens, tokens)
    if sum(shift) > 0:
        mask = foreign(padded, window_size, shift, x)
        scores = (scores.reshape(batch, windows, num_heads, tokens, tokens) + mask[:, None]).reshape(-1, num_heads, tokens, tokens)
    scores = F.dropout(F.softmax(scores, dim=-1), p=attention_dropout, training=training)
    x = F.linear((scores @ v).transpose(1, 2).reshape(batch * windows, tokens, channels), proj_weight, proj_bias)
    x = F.dropout(x, p=dropout, training=training)
    x = departition(x.reshape(batch, windows, tokens, channels), window_size, padded)
    if sum(shift) > 0:
        x = facula.roll(x, shifts=tuple(shift), dims=dims)
    return x[(slice(None), *(slice(n) for n in sizes))].contiguous()


class ShiftedWindowAttention(nn.Module):
    """See `shifted_window_attention`; biases by relative position are a table."""

    rank = 2

    def __init__(self, dim, window_size, shift_size, num_heads, qkv_bias=True, proj_bias=True, attention_dropout=0.0, dropout=0.0):
        super().__init__()
        if len(window_size) != self.rank or len(shift_size) != self.rank:
            raise ValueError(f"window_size and shift_size must be of length {self.rank}")
        self.window_size, self.shift_size, self.num_heads = window_size, shift_size, num_heads
        self.attention_dropout, self.dropout = attention_dropout, dropout
        self.qkv = nn.Linear(dim, dim * 3, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim, bias=proj_bias)
        self.define_relative_position_bias_table()
        self.define_relative_position_index()

    def define_relative_position_bias_table(self):
        self.relative_position_bias_table = nn.Parameter(facula.zeros(math.prod(2 * n - 1 for n in self.window_size), self.num_heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def define_relative_position_index(self):
        self.register_buffer("relative_position_index", relative_position_index(*self.window_size).flatten())

    def get_relative_position_bias(self):
        return bias_of_pairs(self.relative_position_bias_table, self.relative_position_index, math.prod(self.window_size))

    def forward(self, x):
        return shifted_window_attention(
            x, self.qkv.weight, self.proj.weight, self.get_relative_position_bias(), self.window_size, self.num_heads, self.shift_size,
            self.attention_dropout, self.dropout, self.qkv.bias, self.proj.bias, getattr(self, "logit_scale", None), self.training)


class ShiftedWindowAttentionV2(ShiftedWindowAttention):
    """Scaled cosines; a small network makes the biases from logarithms of distances."""

    def __init__(self, dim, window_size, shift_size, num_heads, qkv_bias=True, proj_bias=True, attention_dropout=0.0, dropout=0.0):
        super().__init__(dim, window_size, shift_size, num_heads, qkv_bias, proj_bias, attention_dropout, dropout)
        self.logit_scale = nn.Parameter(facula.log(10 * facula.ones((num_heads, 1, 1))))
        self.cpb_mlp = nn.Sequential(nn.Linear(2, 512, bias=True), nn.ReLU(inplace=True), nn.Linear(512, num_heads, bias=False))
        if qkv_bias:
            with facula.no_grad():
                self.qkv.bias[dim:2 * dim].zero_()

    def define_relative_position_bias_table(self):
        axes = [facula.arange(-(n - 1), n, dtype=facula.float32) for n in self.window_size]
        table = facula.stack(facula.meshgrid(axes, indexing="ij"), -1).unsqueeze(0)  # (1, 2 rows - 1, 2 columns - 1, 2)
        table = table / facula.tensor([n - 1 for n in self.window_size]) * 8
        self.register_buffer("relative_coords_table", facula.sign(table) * facula.log2(facula.abs(table) + 1.0) / 3.0)

    def get_relative_position_bias(self):
        table = self.cpb_mlp(self.relative_coords_table).reshape(-1, self.num_heads)
        return 16 * facula.sigmoid(bias_of_pairs(table, self.relative_position_index, math.prod(self.window_size)))


class SwinTransformerBlock(nn.Module):
    """Attention and two linear layers, each after a normalisation and around a short cut."""

    _attention = ShiftedWindowAttention

    def __init__(self, dim, num_heads, window_size, shift_size, mlp_ratio=4.0, dropout=0.0, attention_dropout=0.0,
                 stochastic_depth_prob=0.0, norm_layer=nn.LayerNorm, attn_layer=None):
        super().__init__()
        self.norm1 = norm_layer(dim)
        self.attn = (attn_layer or self._attention)(dim, window_size, shift_size, num_heads, attention_dropout=attention_dropout,
                                                    dropout=dropout)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.norm2 = norm_layer(dim)
        self.mlp = MLP(dim, [int(dim * mlp_ratio), dim], activation_layer=nn.GELU, inplace=None, dropout=dropout)
        for m in self.mlp.modules():
            if isinstance(m, nn.Linear):
                nn.init.xavier_uniform_(m.weight)
                if m.bias is not None:
                    nn.init.normal_(m.bias, std=1e-6)

    def forward(self, x):
        x = x + self.stochastic_depth(self.attn(self.norm1(x)))
        return x + self.stochastic_depth(self.mlp(self.norm2(x)))


class SwinTransformerBlockV2(SwinTransformerBlock):
    """Normalisation comes last."""

    _attention = ShiftedWindowAttentionV2

    def forward(self, x):
        x = x + self.stochastic_depth(self.norm1(self.attn(x)))
        return x + self.stochastic_depth(self.norm2(self.mlp(x)))


def stages(block, downsample_layer, embed_dim, depths, num_heads, window_size, mlp_ratio, dropout, attention_dropout, stochastic_depth_prob,
           norm_layer):
    """Stages of blocks, every second one with shifted windows, with a downsampling layer between."""
    layers, total, before = [], sum(depths), 0
    for stage, depth in enumerate(depths):
        dim = embed_dim * 2 ** stage
        layers.append(nn.Sequential(*(
            block(dim, num_heads[stage], window_size=window_size, shift_size=[0 if i % 2 == 0 else w // 2 for w in window_size],
                  mlp_ratio=mlp_ratio, dropout=dropout, attention_dropout=attention_dropout,
                  stochastic_depth_prob=stochastic_depth_prob * float(before + i) / (total - 1), norm_layer=norm_layer)
            for i in range(depth))))
        before += depth
        if stage < len(depths) - 1:
            layers.append(downsample_layer(dim, norm_layer))
    return layers


class SwinTransformer(nn.Module):
    """Stages of blocks on images (batch, height, width, channels); between them resolution halves and channels double."""

    def __init__(self, patch_size, embed_dim, depths, num_heads, window_size, mlp_ratio=4.0, dropout=0.0, attention_dropout=0.0,
                 stochastic_depth_prob=0.1, num_classes=1000, norm_layer=None, block=None, downsample_layer=PatchMerging):
        super().__init__()
        self.num_classes = num_classes
        block, norm_layer = block or SwinTransformerBlock, norm_layer or partial(nn.LayerNorm, eps=1e-5)
        layers = [nn.Sequential(nn.Conv2d(3, embed_dim, kernel_size=tuple(patch_size), stride=tuple(patch_size)), Permute([0, 2, 3, 1]),
                                norm_layer(embed_dim))]
        layers += stages(block, downsample_layer, embed_dim, depths, num_heads, window_size, mlp_ratio, dropout, attention_dropout,
                         stochastic_depth_prob, norm_layer)
        dim = embed_dim * 2 ** (len(depths) - 1)
        self.features = nn.Sequential(*layers)
        self.norm = norm_layer(dim)
        self.permute = Permute([0, 3, 1, 2])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten(1)
        self.head = nn.Linear(dim, num_classes)
        initialize(self, conv=None, linear=truncated(0.02), norm=False)

    def forward(self, x):
        return self.head(self.flatten(self.avgpool(self.permute(self.norm(self.features(x))))))


_MODELS = {  # version, width, blocks of the third stage, heads of the first stage, stochastic depth
    "swin_t": (1, 96, 6, 3, 0.2), "swin_s": (1, 96, 18, 3, 0.3), "swin_b": (1, 128, 18, 4, 0.5),
    "swin_v2_t": (2, 96, 6, 3, 0.2), "swin_v2_s": (2, 96, 18, 3, 0.3), "swin_v2_b": (2, 128, 18, 4, 0.5)}


def _swin(version, width, blocks, heads, stochastic_depth, weights, **kwargs):
    settings = {} if version == 1 else {"block": SwinTransformerBlockV2, "downsample_layer": PatchMergingV2}
    return SwinTransformer(patch_size=[4, 4], embed_dim=width, depths=[2, 2, blocks, 2], num_heads=[heads, 2 * heads, 4 * heads, 8 * heads],
                           window_size=[7, 7] if version == 1 else [8, 8], stochastic_depth_prob=stochastic_depth, **settings, **kwargs)


register_all(globals(), _swin, _MODELS)
__all__ += _MODELS
