"""Moving channels to space and back, and among each other."""

import facula

from .._table import composite, op


def _pixel_shuffle(input, upscale_factor):
    """(*, C r^2, H, W) to (*, C, H r, W r)."""
    r = upscale_factor
    if input.dim() < 3:
        raise RuntimeError(f"pixel_shuffle expects input to have at least 3 dimensions, but got input with {input.dim()} dimension(s)")
    if r <= 0:
        raise RuntimeError(f"pixel_shuffle expects a positive upscale_factor, but got {r}")
    *batch, c, h, w = input.shape
    if c % (r * r):
        raise RuntimeError("pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, "
                           f"but input.size(-3)={c} is not divisible by {r * r}")
    n = len(batch)
    split = input.reshape(*batch, c // (r * r), r, r, h, w)
    order = [*range(n), n, n + 3, n + 1, n + 4, n + 2]
    return split.permute(order).reshape(*batch, c // (r * r), h * r, w * r)


def _pixel_unshuffle(input, downscale_factor):
    """(*, C, H r, W r) to (*, C r^2, H, W)."""
    r = downscale_factor
    if input.dim() < 3:
        raise RuntimeError(f"pixel_unshuffle expects input to have at least 3 dimensions, but got input with {input.dim()} dimension(s)")
    if r <= 0:
        raise RuntimeError(f"pixel_unshuffle expects a positive downscale_factor, but got {r}")
    *batch, c, h, w = input.shape
    for name, size in (("height", h), ("width", w)):
        if size % r:
            raise RuntimeError(f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but input.size("
                               f"{-2 if name == 'height' else -1})={size} is not divisible by {r}")
    n = len(batch)
    split = input.reshape(*batch, c, h // r, r, w // r, r)
    order = [*range(n), n, n + 2, n + 4, n + 1, n + 3]
    return split.permute(order).reshape(*batch, c * r * r, h // r, w // r)


def _channel_shuffle(input, groups):
    """Interleaves the channels of `groups` groups."""
    if input.dim() < 3:
        raise RuntimeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(input.shape)}")
    if groups <= 0:
        raise RuntimeError(f"Number of groups to divide channels in must be positive. Value of groups:{groups}")
    n, c = input.shape[:2]
    if c % groups:
        raise RuntimeError(f"Number of channels must be divisible by groups. Got {c} channels and {groups} groups.")
    return input.reshape(n, groups, c // groups, *input.shape[2:]).transpose(1, 2).reshape(input.shape)


op("pixel_shuffle(Tensor input, int upscale_factor)", compute=_pixel_shuffle, method=False,
   vjp={"input": lambda grad, upscale_factor: facula.pixel_unshuffle(grad, upscale_factor)})
op("pixel_unshuffle(Tensor input, int downscale_factor)", compute=_pixel_unshuffle, method=False,
   vjp={"input": lambda grad, downscale_factor: facula.pixel_shuffle(grad, downscale_factor)})
op("channel_shuffle(Tensor input, int groups)", compute=_channel_shuffle, method=False,
   vjp={"input": lambda grad, groups: facula.channel_shuffle(grad, grad.shape[1] // groups)})
