"""Views, joins and rearrangements: shapes, aliasing, gradients, messages."""

import pytest

import facula


def grid(*shape):
    n = 1
    for s in shape:
        n *= s
    return facula.arange(float(n)).reshape(*shape)


VIEWS = {
    "transpose": lambda x: x.transpose(0, 2),
    "permute": lambda x: x.permute(2, 0, 1),
    "select": lambda x: x.select(1, -1),
    "narrow": lambda x: x.narrow(2, 1, 2),
    "diagonal": lambda x: x.diagonal(1, 1, 2),
    "unfold": lambda x: x.unfold(2, 2, 1),
    "movedim": lambda x: x.movedim(0, -1),
    "expand": lambda x: x.unsqueeze(0).expand(2, -1, -1, -1),
    "split": lambda x: x.split([1, 3], 2)[1],
    "chunk": lambda x: x.chunk(2, 2)[0],
    "unbind": lambda x: x.unbind(1)[2],
    "as_strided": lambda x: x.as_strided((2, 2), (1, 2), 3),
    "flatten": lambda x: x.flatten(1),
}
COPIES = {
    "flip": lambda x: x.flip([0, 2]),
    "roll": lambda x: x.roll((1, -1), (0, 2)),
    "repeat": lambda x: x.repeat(2, 1, 1, 2),
    "tril": lambda x: x.tril(1),
    "cat": lambda x: facula.cat([x, x.double(), x[:, :1]], 1),
    "stack": lambda x: facula.stack([x, x * 2], 1),
    "diag_embed": lambda x: facula.diag_embed(x, 1),
    "pad": lambda x: facula.constant_pad_nd(x, [1, -1, 2, 0]),
    "reflect": lambda x: facula.nn.functional.pad(x, (2, 1), mode="reflect"),
    "repeat_interleave": lambda x: x.repeat_interleave(facula.tensor([1, 0, 2]), 1),
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_share_memory(name):
    x = grid(2, 3, 4)
    view = VIEWS[name](x)
    view.fill_(-1)
    assert (x == -1).any()


@pytest.mark.parametrize("name", [*VIEWS, *COPIES])
def test_gradient_is_the_transpose(name):
    # For a linear f: <f(x), w> has the gradient g with <g, y> == <f(y), w> for every y.
    f = (VIEWS | COPIES)[name]
    x = grid(2, 3, 4).double().requires_grad_()
    out = f(x)
    w = facula.arange(float(out.numel())).double().reshape(out.shape).sin()
    (g,) = facula.autograd.grad((out * w).sum(), x)
    y = (grid(2, 3, 4).double() * 0.7).cos()
    assert facula.allclose((g * y).sum(), (f(y) * w).sum())


def test_in_place_on_a_view_reaches_the_base():
    x = grid(3, 4).requires_grad_()
    y = x * 1
    y[1] = 0
    y.sum().backward()
    assert x.grad.tolist() == [[1.0] * 4, [0.0] * 4, [1.0] * 4]


def test_reshape_copies_only_where_it_must():
    x = grid(2, 3)
    assert x.reshape(3, 2).data_ptr() == x.data_ptr()
    assert x.t().reshape(6).data_ptr() != x.data_ptr()
    assert x.contiguous() is x


@pytest.mark.parametrize("call, error, text", [
    (lambda x: x.view(4), RuntimeError, r"shape '\[4\]' is invalid for input of size 6"),
    (lambda x: x.t().view(6), RuntimeError, "Use .reshape"),
    (lambda x: x.permute(0, 0), RuntimeError, "duplicate dims"),
    (lambda x: x.transpose(0, 2), IndexError, r"expected to be in range of \[-2, 1\], but got 2"),
    (lambda x: x.narrow(0, 1, 5), RuntimeError, r"start \(1\) \+ length \(5\) exceeds dimension size \(2\)"),
    (lambda x: facula.cat([x, x[:, :2]]), RuntimeError, "Expected size 3 but got size 2 for tensor number 1"),
    (lambda x: facula.stack([x, x[0]]), RuntimeError, "equal size"),
    (lambda x: x.expand(2, 4), RuntimeError, "must match the existing size"),
])
def test_messages(call, error, text):
    with pytest.raises(error, match=text):
        call(grid(2, 3))


def test_in_place_geometry():
    x = grid(2, 3)
    assert x.t_().shape == (3, 2) and x.unsqueeze_(0).shape == (1, 3, 2) and x.squeeze_().shape == (3, 2)
    assert x.resize_(4).tolist() == [0.0, 1.0, 2.0, 3.0]


def test_flipped_bytes():
    x = facula.arange(200).to(facula.uint8).view(2, 100)
    assert facula.equal(x.flip(-1), x[:, facula.arange(99, -1, -1)])
