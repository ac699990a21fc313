"""Sampling of images and volumes at given points, and the grids of points that affine maps give."""

from __future__ import annotations

import itertools

import facula

from ._table import composite, op

_MODES = {"bilinear": 0, "nearest": 1, "bicubic": 2}
_PADDINGS = {"zeros": 0, "border": 1, "reflection": 2}


def _define(n):
    name = f"_grid_sampler_{n}d"

    def gradients(grad, input, grid, mode, padding, align_corners, needs):
        if facula.is_grad_enabled():
            found = _written_out(grad, input, grid, mode, padding, align_corners)
        else:
            found = getattr(facula, name + "_back")(grad, input, grid, mode, padding, align_corners, needs[0])
        return tuple(g if need else None for g, need in zip(found, needs, strict=True))

    op(f"{name}(Tensor input, Tensor grid, int mode, int padding, bool align_corners)", kernel="grid_sample", method=False,
       node=f"GridSampler{n}DBackward0", vjp={"input, grid": gradients})
    op(f"{name}_back(Tensor grad_, Tensor input, Tensor grid, int mode, int padding, bool align_corners, bool wanted) -> (_, _)",
       kernel="grid_sample_back", method=False, differentiable=False)


for _n in (2, 3):
    _define(_n)


# ---------------------------------------------------------------- the gradients out of other operations, for second derivatives

def _pixel(x, size, align):
    return (x + 1) / 2 * (size - 1) if align else ((x + 1) * size - 1) / 2


def _padded(x, size, padding, align):
    if padding == 0:
        return x
    if padding == 2:
        low, span = (0.0, size - 1) if align else (-0.5, size)
        if span <= 0:
            return x * 0
        distance = (x - low).abs()
        extra, odd = facula.fmod(distance, span), (distance / span).floor().fmod(2) != 0
        x = facula.where(odd, span - extra, extra) + low
    return facula.where(x > 0, facula.where(x < size - 1, x, (x * 0 + (size - 1)).detach()), (x * 0).detach())


def _cubic(d, a=-0.75):
    d = d.abs()
    return facula.where(d <= 1, ((a + 2) * d - (a + 3)) * d * d + 1, ((a * d - 5 * a) * d + 8 * a) * d - 4 * a)


def _line(x, size, mode, padding, align):
    """Pairs (pixel numbers, weights) of one axis."""
    x = _pixel(x, size, align)
    if mode == 2:
        floor = x.detach().floor()
        return [(_padded(floor + k, size, padding, align), _cubic(x - floor - k)) for k in (-1, 0, 1, 2)]
    x = _padded(x, size, padding, align)
    if mode == 1:
        at = x.detach().round()
        return [(at, facula.ones_like(at))]
    floor = x.detach().floor()
    return [(floor, floor + 1 - x), (floor + 1, x - floor)]


def _composed(input, grid, mode, padding, align):
    """grid_sample out of other operations."""
    n = input.dim() - 2
    sizes = input.shape[2:][::-1]
    lines = [_line(grid[..., d], sizes[d], mode, padding, align) for d in range(n)]
    flat, out = input.flatten(2), 0
    for taps in itertools.product(*lines):
        index, weight, inside = 0, 1, True
        for d, (at, w) in reversed(list(enumerate(taps))):
            inside = (at >= 0) & (at < sizes[d]) & inside
            index = index * sizes[d] + at.clamp(0, sizes[d] - 1)
            weight = w * weight
        index = index.long().flatten(1).unsqueeze(1).expand(-1, input.shape[1], -1)
        picked = flat.gather(2, index).view(*input.shape[:2], *grid.shape[1:-1])
        out = out + picked * (weight * inside).unsqueeze(1)
    return out


def _written_out(grad, input, grid, mode, padding, align):
    with facula.enable_grad():
        x, g = (t if t.requires_grad else t.detach().requires_grad_() for t in (input, grid))
        return facula.autograd.grad(_composed(x, g, mode, padding, align), (x, g), grad, create_graph=True, allow_unused=True)


# ---------------------------------------------------------------- what users call

def _check(input, grid, mode):
    n = input.dim() - 2
    if input.device != grid.device:
        raise RuntimeError(f"grid_sampler(): expected input and grid to be on same device, but input is on {input.device} and grid is on {grid.device}")
    if input.shape[0] != grid.shape[0]:
        raise RuntimeError("grid_sampler(): expected grid and input to have same batch size, but got input with sizes "
                           f"{list(input.shape)} and grid with sizes {list(grid.shape)}")
    if grid.shape[-1] != n:
        raise RuntimeError(f"grid_sampler(): expected grid to have size {n} in last dimension, but got grid with sizes {list(grid.shape)}")
    if n not in (2, 3) or input.dim() != grid.dim():
        raise RuntimeError("grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got input with sizes "
                           f"{list(input.shape)} and grid with sizes {list(grid.shape)}")
    for d, size in enumerate(input.shape[2:], 2):
        if size == 0:
            raise RuntimeError(f"grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes {list(input.shape)} with "
                               f"dimension {d} being empty")
    if mode == 2 and n != 2:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    if input.dtype != grid.dtype:
        from .stats import _dtype_name

        raise RuntimeError(f"expected scalar type {_dtype_name(input)} but found {_dtype_name(grid)}")


@composite("grid_sampler", method=False)
def grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners):
    """`grid_sample` with numbers for the modes."""
    _check(input, grid, interpolation_mode)
    return getattr(facula, f"_grid_sampler_{input.dim() - 2}d")(input, grid, interpolation_mode, padding_mode, align_corners)


composite("grid_sampler_2d", method=False)(lambda *args: grid_sampler(*args))
composite("grid_sampler_3d", method=False)(lambda *args: grid_sampler(*args))


@composite("nn.functional.grid_sample")
def grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=None):
    """Samples images (N, C, H, W) or volumes (N, C, D, H, W) at points: grid (N, ..., 2 or 3), x first, -1 and 1 at the borders.

    Source: Jaderberg et al., "Spatial transformer networks", arXiv 1506.02025.
    """
    if mode not in _MODES:
        raise ValueError(f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'")
    if padding_mode not in _PADDINGS:
        raise ValueError("nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: "
                         f"'{padding_mode}'")
    if align_corners is None:
        _warn("grid_sample")
        align_corners = False
    return grid_sampler(input, grid, _MODES[mode], _PADDINGS[padding_mode], align_corners)


def _warn(name):
    import warnings

    warnings.warn(f"Default {name} and grid_sample behavior has changed to align_corners=False since 1.3.0. Please specify align_corners=True if the "
                  "old behavior is desired. See the documentation of grid_sample for details." if name != "grid_sample" else
                  "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please specify "
                  "align_corners=True if the old behavior is desired. See the documentation of grid_sample for details.", stacklevel=4)


def _axis(size, align, like):
    if size <= 1:
        return facula.zeros(size, dtype=like.dtype, device=like.device)
    line = facula.linspace(-1, 1, size, dtype=like.dtype, device=like.device)
    return line if align else line * (size - 1) / size


def _affine_grid(theta, size, align_corners):
    """The points that affine maps theta (N, n, n + 1) take the pixels of images of `size` (N, C, ...) to."""
    n, spatial = len(size) - 2, list(size[2:])
    base = facula.ones((size[0], *spatial, n + 1), dtype=theta.dtype, device=theta.device)
    for d, length in enumerate(spatial):
        shape = [1] * n
        shape[d] = length
        base[..., n - 1 - d] = _axis(length, align_corners, theta).view(shape)
    return base.view(size[0], -1, n + 1).bmm(theta.transpose(1, 2)).view(size[0], *spatial, n)


op("affine_grid_generator(Tensor theta, int[] size, bool align_corners)", compute=_affine_grid, vjp="retrace", method=False)


@composite("nn.functional.affine_grid")
def affine_grid(theta, size, align_corners=None):
    """A grid for `grid_sample`: where affine maps theta (N, 2, 3) or (N, 3, 4) take the pixels of images of `size`."""
    if align_corners is None:
        _warn("affine_grid")
        align_corners = False
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    n = len(size) - 2
    if n not in (2, 3):
        raise NotImplementedError("affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. "
                                  f"Got size {size}.")
    if theta.dim() != 3 or tuple(theta.shape[-2:]) != (n, n + 1):
        raise ValueError(f"Expected a batch of {n}D affine matrices of shape Nx{n}x{n + 1} for size {size}. Got {theta.shape}.")
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    return facula.affine_grid_generator(theta, list(size), align_corners)
