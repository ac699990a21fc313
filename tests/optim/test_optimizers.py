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
