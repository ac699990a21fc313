"""3x3 convolutions of many channels: the fast algorithm against sums in double precision."""

import pytest

import facula
import facula.nn.functional as F

SHAPES = [  # batch, channels in and out, height, width, padding, groups
    (4, 16, 16, 8, 8, 1, 1), (2, 12, 13, 9, 7, (1, 1), 1), (1, 20, 30, 33, 17, (0, 2), 1), (3, 16, 24, 5, 5, 2, 1), (40, 12, 12, 2, 2, 1, 1),
    (2, 32, 64, 12, 12, 1, 2), (5, 24, 24, 4, 3, (1, 0), 1), (33, 16, 16, 1, 1, 1, 1), (2, 300, 20, 10, 10, 1, 1)]


def plain(x, w, bias, padding, groups):
    """Nine shifted products, in double precision."""
    ph, pw = padding if isinstance(padding, tuple) else (padding, padding)
    padded = F.pad(x.double(), (pw, pw, ph, ph))
    height, width = padded.shape[2] - 2, padded.shape[3] - 2
    out = 0
    for i in range(3):
        for j in range(3):
            piece = padded[:, :, i:i + height, j:j + width].unflatten(1, (groups, -1))
            out = out + facula.einsum("ngchw,gkc->ngkhw", piece, w.double()[:, :, i, j].unflatten(0, (groups, -1)))
    return out.flatten(1, 2) + bias.double()[:, None, None]


def inputs(n, c, k, h, w, padding, groups):
    return facula.randn(n, c, h, w), facula.randn(k, c // groups, 3, 3) / (9 * c / groups) ** 0.5, facula.randn(k)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_forward_and_gradients(shape):
    arrays, padding, groups = inputs(*shape), *shape[5:]
    fast = [a.clone().requires_grad_() for a in arrays]
    slow = [a.double().requires_grad_() for a in arrays]
    y, expected = F.conv2d(*fast, padding=padding, groups=groups), plain(*slow, padding, groups)
    g = facula.randn(y.shape)
    y.backward(g)
    expected.backward(g.double())
    for a, e in zip([y, *(t.grad for t in fast)], [expected, *(t.grad for t in slow)]):
        assert (a.double() - e).norm() <= 6e-7 * e.norm()


def test_infinities_stay_where_they_belong():
    x, w = facula.zeros(4, 16, 8, 8), facula.rand(16, 16, 3, 3) + 0.1
    x[1, 3, 4, 4] = float("inf")
    y = F.conv2d(x, w, padding=1)
    expected = facula.zeros(4, 16, 8, 8)
    expected[1, :, 3:6, 3:6] = float("inf")
    assert facula.equal(y, expected)
    x[1, 3, 4, 4] = float("nan")
    assert facula.equal(F.conv2d(x, w, padding=1).isnan(), expected.isinf())


def test_threads_do_not_change_results():
    x, w = facula.randn(8, 32, 16, 16), facula.randn(32, 32, 3, 3)
    before, results = facula.get_num_threads(), []
    try:
        for n in (1, 2, 3):
            facula.set_num_threads(n)
            results.append(F.conv2d(x, w, padding=1))
    finally:
        facula.set_num_threads(before)
    assert all(facula.equal(results[0], r) for r in results)
