"""Resizing and sampling of images."""

import pytest

import facula
from facula.nn.functional import grid_sample, interpolate


@pytest.mark.parametrize(("mode", "antialias", "wanted"), [  # recorded from PyTorch 2.13
    ("bilinear", True, [[68, 51, 104, 156], [181, 96, 57, 103], [149, 188, 108, 50]]),
    ("bilinear", False, [[62, 54, 109, 165], [197, 61, 52, 108], [140, 196, 123, 51]]),
    ("bicubic", True, [[66, 39, 110, 162], [194, 93, 44, 106], [147, 204, 103, 42]]),
    ("bicubic", False, [[57, 48, 113, 169], [204, 53, 54, 110], [135, 213, 123, 45]]),
])
def test_bytes_are_resized_in_whole_numbers(mode, antialias, wanted):
    x = ((facula.arange(30) * 37) % 256).to(facula.uint8).view(1, 1, 5, 6)
    made = interpolate(x, size=(3, 4), mode=mode, antialias=antialias)
    assert made.dtype == facula.uint8 and made[0, 0].tolist() == wanted
    last = interpolate(x.expand(2, 3, 5, 6).contiguous(memory_format=facula.channels_last), size=(3, 4), mode=mode, antialias=antialias)
    assert last[1, 2].tolist() == wanted and last.is_contiguous(memory_format=facula.channels_last)


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_blocks_of_points_are_sampled_as_single_points(mode, padding):
    facula.manual_seed(0)
    image, grid = facula.randn(2, 3, 5, 7), facula.rand(2, 19, 23, 2) * 3 - 1.5  # more points than a block holds, some outside
    whole = grid_sample(image, grid, mode, padding, align_corners=False)
    volume = grid_sample(image.unsqueeze(2), facula.cat([grid, facula.zeros(2, 19, 23, 1)], -1).unsqueeze(1), mode, padding,
                         align_corners=False).squeeze(2)  # three dimensions take another path
    assert facula.allclose(whole, volume, atol=1e-6)


def test_an_identity_grid_gives_the_image():
    image = facula.randn(1, 2, 4, 6)
    ys, xs = facula.meshgrid(facula.linspace(-1, 1, 4), facula.linspace(-1, 1, 6), indexing="ij")
    assert facula.allclose(grid_sample(image, facula.stack([xs, ys], -1)[None], align_corners=True), image, atol=1e-5)
