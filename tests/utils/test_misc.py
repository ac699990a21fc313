"""set_module and swap_tensors."""

import weakref

import pytest

import facula
from facula import nn
from facula.utils import set_module, swap_tensors


def test_set_module():
    def f():
        """Has a module."""

    set_module(f, "somewhere.else")
    assert f.__module__ == "somewhere.else"
    with pytest.raises(TypeError, match="The mod argument should be a string"):
        set_module(f, 4)


def test_all_of_a_tensor_is_exchanged():
    a, b = nn.Parameter(facula.ones(2)), facula.zeros(3, dtype=facula.float64)
    a.mark, a.grad = "a's", facula.full((2,), 5.0)
    swap_tensors(a, b)
    assert type(a) is facula.Tensor and type(b) is nn.Parameter
    assert a.dtype == facula.float64 and a.tolist() == [0, 0, 0] and not a.requires_grad and a.grad is None and not hasattr(a, "mark")
    assert b.tolist() == [1, 1] and b.requires_grad and b.grad.tolist() == [5, 5] and b.mark == "a's"


def test_subclasses_move_with_their_tensors():
    class Kind(facula.Tensor):
        pass

    a, b = facula.ones(2).as_subclass(Kind), facula.ones(3, dtype=facula.int64)
    swap_tensors(a, b)
    assert type(a + 1) is facula.Tensor and type(b + 1) is Kind


def test_a_swapped_parameter_is_what_the_optimizer_steps():
    layer = nn.Linear(2, 2, bias=False)
    step = facula.optim.SGD(layer.parameters(), 0.5)
    swap_tensors(layer.weight, nn.Parameter(facula.ones(2, 2)))
    layer(facula.ones(1, 2)).sum().backward()
    step.step()
    assert layer.weight.tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_refusals():
    a = facula.ones(2)
    watch = weakref.ref(a)
    with pytest.raises(RuntimeError, match="Cannot swap t1 because it has weakref associated with it"):
        swap_tensors(a, facula.ones(2))
    with pytest.raises(RuntimeError, match="Cannot swap t2 because it has weakref associated with it"):
        swap_tensors(facula.ones(2), watch())

    class Slotted(facula.Tensor):
        __slots__ = ("q",)

    with pytest.raises(RuntimeError, match="Cannot swap t1 and t2 if they have different slots"):
        swap_tensors(facula.ones(2).as_subclass(Slotted), facula.ones(2))
    with pytest.raises(RuntimeError, match="only leaves"):
        swap_tensors(facula.ones(2), facula.ones(2, requires_grad=True).exp())
