"""Convolutions: values against plain loops, adjointness, messages."""

from itertools import product

import pytest

import facula
from facula.nn import functional as F


def numbers(*shape):
    n = 1
    for d in shape:
        n *= d
    return (facula.arange(n).reshape(shape) % 7 - 3).double()


def plain_conv2d(x, w, stride, padding, dilation, groups):
    (n, _, height, width), (out, per_group, kh, kw) = x.shape, w.shape
    rows = (height + 2 * padding - dilation * (kh - 1) - 1) // stride + 1
    cols = (width + 2 * padding - dilation * (kw - 1) - 1) // stride + 1
    X, W = x.tolist(), w.tolist()
    y = facula.zeros(n, out, rows, cols, dtype=x.dtype)
    for b, o, i, j in product(range(n), range(out), range(rows), range(cols)):
        total = 0.0
        for c, p, q in product(range(per_group), range(kh), range(kw)):
            h, v = i * stride - padding + p * dilation, j * stride - padding + q * dilation
            if 0 <= h < height and 0 <= v < width:
                total += X[b][o // (out // groups) * per_group + c][h][v] * W[o][c][p][q]
        y[b, o, i, j] = total
    return y


CASES = [(1, 0, 1, 1), (1, 1, 1, 1), (2, 1, 1, 1), (3, 2, 2, 1), (1, 1, 1, 2), (2, 1, 2, 4)]


@pytest.mark.parametrize("stride, padding, dilation, groups", CASES)
def test_conv2d_is_the_sum_over_patches(stride, padding, dilation, groups):
    x, w = numbers(2, 4, 9, 8), numbers(8 if groups < 4 else 4, 4 // groups, 3, 2)
    expected = plain_conv2d(x, w, stride, padding, dilation, groups)
    assert facula.equal(F.conv2d(x, w, None, stride, padding, dilation, groups), expected)


@pytest.mark.parametrize("stride, padding, dilation, groups", CASES)
def test_gradients_are_adjoint(stride, padding, dilation, groups):
    x, w = numbers(2, 4, 9, 8).requires_grad_(), numbers(4, 4 // groups, 3, 2).requires_grad_()
    y = F.conv2d(x, w, None, stride, padding, dilation, groups)
    g = numbers(*y.shape)
    y.backward(g)
    value = (y.detach() * g).sum()  # the map is linear in x and in w
    assert facula.equal((x.grad * x.detach()).sum(), value)
    assert facula.equal((w.grad * w.detach()).sum(), value)


def test_transposed_convolution_is_the_gradient_of_the_plain_one():
    x, w = numbers(1, 3, 5, 6), numbers(3, 2, 3, 3)
    y = F.conv_transpose2d(x, w, stride=2, padding=1, output_padding=1)
    big = numbers(*y.shape).requires_grad_()
    F.conv2d(big, w, stride=2, padding=1).backward(x)
    assert facula.equal(big.grad, y)


def test_other_ranks_are_the_same_convolution():
    x, w = numbers(2, 3, 7), numbers(4, 3, 3)
    flat = F.conv1d(x, w, padding=1)
    assert facula.equal(flat, F.conv2d(x.unsqueeze(2), w.unsqueeze(2), padding=(0, 1)).squeeze(2))
    assert facula.equal(flat, F.conv3d(x[:, :, None, None], w[:, :, None, None], padding=(0, 0, 1))[:, :, 0, 0])
    assert facula.equal(flat[1], F.conv1d(x[1], w, padding="same"))


def test_unfold_and_fold():
    x = numbers(1, 2, 4, 5)
    columns = F.unfold(x, (2, 3), padding=1)
    w = numbers(3, 2, 2, 3)
    assert facula.equal((w.reshape(3, -1) @ columns).reshape(1, 3, 5, 5), F.conv2d(x, w, padding=1))
    counts = F.fold(F.unfold(facula.ones(1, 1, 3, 3), 2), (3, 3), 2)
    assert counts.tolist() == [[[[1, 2, 1], [2, 4, 2], [1, 2, 1]]]]


@pytest.mark.parametrize("call, text", [
    (lambda: F.conv2d(numbers(1, 3, 4, 4), numbers(2, 2, 3, 3)),
     r"Given groups=1, weight of size \[2, 2, 3, 3\], expected input\[1, 3, 4, 4\] to have 2 channels, but got 3 channels instead"),
    (lambda: F.conv2d(numbers(1, 2, 2, 2), numbers(2, 2, 3, 3)), r"padded input size per channel: \(2 x 2\). Kernel size: \(3 x 3\)"),
    (lambda: F.conv2d(numbers(2, 2), numbers(2, 2, 3, 3)), r"Expected 3D \(unbatched\) or 4D \(batched\) input to conv2d"),
    (lambda: F.conv2d(numbers(1, 2, 4, 4), numbers(2, 2, 3, 3), stride=0), "non-positive stride is not supported"),
    (lambda: F.conv2d(numbers(1, 2, 4, 4), numbers(2, 2, 3, 3), padding="full"), "Invalid padding string: 'full'")])
def test_messages(call, text):
    with pytest.raises(RuntimeError, match=text):
        call()
