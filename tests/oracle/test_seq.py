"""Resampling, pooling, distances, recurrence and attention beside PyTorch's."""

import pytest

import facula

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle


def both(*shape, dtype="float64", seed=0):
    """The same normal numbers on both sides, as leaves."""
    torch.manual_seed(seed)
    theirs = torch.randn(*shape, dtype=torch.float64).to(getattr(torch, dtype))
    ours = facula.from_numpy(theirs.double().numpy()).to(getattr(facula, dtype))
    return ours.requires_grad_(), theirs.clone().requires_grad_()


def same(ours, theirs, **tolerance):
    torch.testing.assert_close(torch.from_numpy(ours.detach().numpy()), theirs.detach(), equal_nan=True, **tolerance)


def same_with_gradients(function, *pairs, **tolerance):
    """Results, node names and gradients of function(package, *tensors)."""
    ours, theirs = function(facula, *[p[0] for p in pairs]), function(torch, *[p[1] for p in pairs])
    assert type(ours.grad_fn).__name__ == type(theirs.grad_fn).__name__
    same(ours, theirs, **tolerance)
    weights = torch.randn(theirs.shape, dtype=theirs.dtype)
    (ours * facula.from_numpy(weights.numpy())).sum().backward()
    (theirs * weights).sum().backward()
    for a, b in pairs:
        if b.grad is None:
            assert a.grad is None
        else:
            same(a.grad, b.grad, **tolerance)


INTERPOLATIONS = [dict(size=(7, 9), mode="nearest"), dict(scale_factor=1.6, mode="nearest"), dict(scale_factor=2, mode="nearest"),
                  dict(size=(3, 9), mode="nearest-exact"), dict(size=(7, 3), mode="bilinear"), dict(scale_factor=1.7, mode="bilinear"),
                  dict(size=(7, 9), mode="bilinear", align_corners=True), dict(scale_factor=(0.6, 1.7), mode="bicubic"),
                  dict(scale_factor=1.7, mode="bicubic", recompute_scale_factor=True), dict(size=(3, 2), mode="bilinear", antialias=True),
                  dict(size=(3, 11), mode="bicubic", antialias=True), dict(size=(3, 4), mode="lanczos", antialias=True),
                  dict(size=(3, 4), mode="bicubic", antialias=True, align_corners=True), dict(size=(3, 4), mode="area")]


@pytest.mark.parametrize("options", INTERPOLATIONS, ids=str)
def test_interpolate(options):
    same_with_gradients(lambda t, x: t.nn.functional.interpolate(x, **options), both(2, 3, 6, 5))


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_interpolate_keeps_channels_last_and_bytes(mode):
    x = torch.randn(2, 3, 6, 5).to(memory_format=torch.channels_last)
    ours = facula.from_numpy(x.numpy()).to(memory_format=facula.channels_last)
    assert facula.nn.functional.interpolate(ours, size=(4, 8), mode=mode).stride() == torch.nn.functional.interpolate(x, size=(4, 8), mode=mode).stride()
    b = torch.arange(60, dtype=torch.uint8).view(1, 2, 6, 5) * 4
    for antialias in (False, True):
        mine = facula.nn.functional.interpolate(facula.from_numpy(b.numpy()), size=(4, 8), mode=mode, antialias=antialias)
        same(mine, torch.nn.functional.interpolate(b, size=(4, 8), mode=mode, antialias=antialias), atol=1, rtol=0)


POOLS = [("max_pool1d", (3, 10), dict(kernel_size=3, stride=2, padding=1)), ("max_pool2d", (2, 9, 8), dict(kernel_size=(3, 2), dilation=2, ceil_mode=True)),
         ("max_pool3d", (2, 6, 5, 7), dict(kernel_size=2)), ("avg_pool1d", (3, 10), dict(kernel_size=3, padding=1, count_include_pad=False)),
         ("avg_pool2d", (2, 9, 8), dict(kernel_size=3, divisor_override=4)), ("avg_pool3d", (2, 6, 5, 7), dict(kernel_size=2, ceil_mode=True)),
         ("adaptive_avg_pool1d", (3, 10), dict(output_size=4)), ("adaptive_avg_pool2d", (2, 9, 8), dict(output_size=1)),
         ("adaptive_avg_pool2d", (2, 9, 8), dict(output_size=(None, 3))), ("adaptive_avg_pool3d", (2, 6, 5, 7), dict(output_size=(2, 3, 4))),
         ("adaptive_max_pool1d", (3, 10), dict(output_size=4)), ("adaptive_max_pool2d", (2, 9, 8), dict(output_size=(4, 3))),
         ("adaptive_max_pool3d", (2, 6, 5, 7), dict(output_size=4)), ("lp_pool1d", (3, 10), dict(norm_type=2, kernel_size=3)),
         ("lp_pool2d", (2, 9, 8), dict(norm_type=3, kernel_size=2)), ("lp_pool3d", (2, 6, 5, 7), dict(norm_type=2, kernel_size=2))]


@pytest.mark.parametrize("name, shape, options", POOLS, ids=str)
def test_pooling(name, shape, options):
    for lead in ((), (2,)):
        same_with_gradients(lambda t, x: getattr(t.nn.functional, name)(x, **options), both(*lead, *shape))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_unpooling(n):
    def back(t, x):
        F = t.nn.functional
        values, indices = getattr(F, f"max_pool{n}d")(x, 2, return_indices=True)
        return getattr(F, f"max_unpool{n}d")(values, indices, 2, output_size=x.shape)

    same_with_gradients(back, both(2, 3, *[7, 6, 5][:n]))


@pytest.mark.parametrize("n", [2, 3])
def test_fractional_pooling(n):
    samples = torch.rand(2, 3, n, dtype=torch.float64)
    same_with_gradients(lambda t, x: getattr(t.nn.functional, f"fractional_max_pool{n}d")(
        x, 2, output_ratio=[0.5] * n, _random_samples=samples if t is torch else facula.from_numpy(samples.numpy())), both(2, 3, *[9, 10, 7][:n]))


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("align", [False, True])
def test_grid_sample(n, mode, padding, align):
    if mode == "bicubic" and n == 3:
        pytest.skip("images only")
    x, grid = both(2, 3, *[5, 4, 6][:n]), both(2, *[3, 7, 4][:n], n, seed=1)

    def sample(t, x, grid):
        return t.nn.functional.grid_sample(x, grid, mode, padding, align)

    same_with_gradients(sample, x, grid)

    def second(t, x, grid):
        x, grid = (v.detach().requires_grad_() for v in (x, grid))
        by_x, by_grid = t.autograd.grad(sample(t, x, grid).sin().sum(), (x, grid), create_graph=True)
        return ((by_x ** 2).sum() + (by_grid ** 2).sum()).reshape(()), x, grid

    if mode == "bilinear" and not align:  # finite differences along one direction
        value, a, b = second(facula, x[0], grid[0])
        value.backward()
        step, direction = 1e-6, both(*grid[0].shape, seed=2)[0].detach()
        up, down = (second(facula, x[0], grid[0].detach() + s * direction)[0].item() for s in (step, -step))
        assert (b.grad * direction).sum().item() == pytest.approx((up - down) / (2 * step), rel=1e-4)


@pytest.mark.parametrize("align", [False, True])
def test_affine_grid(align):
    same_with_gradients(lambda t, theta: t.nn.functional.affine_grid(theta, (2, 3, 4, 5), align), both(2, 2, 3))
    same_with_gradients(lambda t, theta: t.nn.functional.affine_grid(theta, (2, 3, 4, 5, 1), align), both(2, 3, 4))


@pytest.mark.parametrize("p", [0, 1, 2, 2.5, 0.5, float("inf")])
def test_distances(p):
    same_with_gradients(lambda t, a, b: t.cdist(a, b, p), both(2, 1, 5, 4), both(3, 7, 4, seed=1))
    same_with_gradients(lambda t, a, b: t.cdist(a, b, p), both(30, 4), both(7, 4, seed=1), rtol=1e-5, atol=1e-5)
    same_with_gradients(lambda t, a: t.nn.functional.pdist(a, p), both(6, 4))


@pytest.mark.parametrize("mode", ["reflect", "replicate"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_padding(mode, n):
    pad = [2, 1, -1, 2, 0, 3][:2 * n]
    same_with_gradients(lambda t, x: t.nn.functional.pad(x, pad, mode), both(2, 3, *[5, 4, 6][:n]))


def test_circular_padding():
    x, y = both(2, 3, 5, 4)
    same(facula.nn.functional.pad(x, (2, 1, -1, 2), "circular"), torch.nn.functional.pad(y, (2, 1, -1, 2), "circular"))


@pytest.mark.parametrize("function", [lambda t, x: t.nn.functional.pixel_shuffle(x, 2), lambda t, x: t.nn.functional.pixel_unshuffle(x, 2),
                                      lambda t, x: t.nn.functional.channel_shuffle(x, 4)])
def test_shuffles(function):
    same_with_gradients(function, both(2, 8, 4, 6))
