import pytest

import facula
from facula import optim

NAMES = ["SGD", "Adam", "AdamW", "NAdam", "RAdam", "Adamax", "Adadelta", "Adagrad", "RMSprop", "Rprop", "ASGD", "Adafactor"]


@pytest.mark.parametrize("name", NAMES)
def test_steps_lower_a_square(name):
    p = facula.nn.Parameter(facula.tensor([3.0, -2.0]))
    o = getattr(optim, name)([p])
    before = (p * p).sum().item()
    for _ in range(20):
        o.zero_grad()
        (p * p).sum().backward()
        o.step()
    assert (p * p).sum().item() < before


@pytest.mark.parametrize("name,options", [("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}), ("Adam", {"amsgrad": True, "weight_decay": 0.1})])
def test_the_fused_pass_agrees_with_the_plain_one(name, options):
    results = []
    for make in (lambda x: x, lambda x: facula.stack([x, x], -1)[..., 0]):  # contiguous and strided parameters
        p = facula.nn.Parameter(make(facula.arange(6.0).reshape(2, 3)))
        o = getattr(optim, name)([p], lr=0.1, **options)
        for k in range(4):
            p.grad = facula.full((2, 3), 1.0 + k)
            o.step()
        results.append(p.detach())
    assert facula.allclose(*results, rtol=1e-5)


def test_zeroing_large_and_odd_gradients():
    """Beyond the caches' size zeros are streamed past them, whatever the alignment of the arrays."""
    memory = facula.ones((9 << 20) + 37)
    pieces = [memory[1:1000], memory[1003:(9 << 20) + 1]]
    parameters = [facula.nn.Parameter(facula.ones_like(g)) for g in pieces]
    for p, g in zip(parameters, pieces):
        p.grad = g
    facula.optim.SGD(parameters, lr=0.1).zero_grad(set_to_none=False)
    assert memory.count_nonzero() == 1 + 3 + 36 and parameters[1].grad.data_ptr() == pieces[1].data_ptr()


def test_clipping_leaves_short_gradients_alone():
    p = facula.nn.Parameter(facula.zeros(3))
    p.grad = facula.tensor([0.3, 0.0, 0.4])
    assert facula.nn.utils.clip_grad_norm_([p], 1.0).item() == 0.5 and p.grad.tolist() == facula.tensor([0.3, 0.0, 0.4]).tolist()
    facula.nn.utils.clip_grad_norm_([p], 0.25)
    assert facula.allclose(p.grad, facula.tensor([0.15, 0.0, 0.2]))
