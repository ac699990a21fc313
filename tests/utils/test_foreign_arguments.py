"""What functions do with arguments from elsewhere: arrays of the other byte order, objects with `__torch_function__`, no tensors at all."""

import warnings

import pytest

import facula
from facula import func, jit
from facula.nn import functional as F

np = pytest.importorskip("numpy")


class Boxed:
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return function.__name__, types, len(args)


class Old:
    def __init__(self, name):
        self.name = name

    def __torch_function__(self, function, types, args=(), kwargs=None):
        return f"{self.name} saw {function.__name__}"


@pytest.mark.parametrize("make", [facula.from_numpy, facula.tensor, facula.as_tensor, facula.asarray, facula.Tensor])
@pytest.mark.parametrize("kind", [">f4", ">i8", ">c16"])
def test_arrays_of_the_other_byte_order_are_refused(make, kind):
    with pytest.raises(ValueError, match="given numpy array has byte order different from the native byte order"):
        make(np.ones(3, kind))
    assert make(np.ones(3, kind).astype(kind.replace(">", "<"))).shape == (3,)


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "silu", "softmax", "hardtanh", "one_hot", "dropout"])
def test_any_object_may_take_over_a_call(name):
    assert getattr(F, name)(Boxed()) == (name, (Boxed,), 1)
    with pytest.warns(UserWarning, match="plain method is deprecated"):
        assert getattr(F, name)(Old("it")) == f"it saw {name}"


def test_settings_by_keyword_reach_the_object():
    assert F.relu(Boxed(), inplace=True)[0] == "relu"
    assert facula.nn.ReLU(inplace=True)(Boxed())[0] == "relu"


@pytest.mark.parametrize(("call", "message"), [
    (lambda: F.relu(object()), r"relu\(\): argument 'input' \(position 1\) must be Tensor, not object"),
    (lambda: F.leaky_relu([1.0], 0.1), r"leaky_relu\(\): argument 'input' \(position 1\) must be Tensor, not list"),
    (lambda: F.leaky_relu(facula.ones(1), "much"), r"leaky_relu\(\): argument 'negative_slope' \(position 2\) must be Number, not str"),
    (lambda: facula.softmax(object(), 0), r"softmax\(\): argument 'input' \(position 1\) must be Tensor, not object"),
    (lambda: facula.log_softmax(facula.ones(2), 0.5), r"log_softmax\(\): argument 'dim' \(position 2\) must be int, not float"),
])
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_one_hot_in_a_trace_and_for_each_example():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        traced = jit.trace(lambda x: F.one_hot(x, 3), facula.tensor([0, 1]))
    assert traced(facula.tensor([2, 0, 1])).tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert func.vmap(lambda x: F.one_hot(x, 2))(facula.tensor([1, 0])).tolist() == [[0, 1], [1, 0]]


P = facula.full((3,), 0.5)


@pytest.mark.parametrize(("draw", "name"), [
    (lambda p: facula.binomial(P * 4, p), "binomial"), (lambda p: facula.binomial(p, P), "binomial"),
    (lambda p: facula.bernoulli(p, 0.3), "bernoulli"), (lambda p: p.bernoulli(0.3), "bernoulli")])
def test_no_gradient_comes_through_a_draw(draw, name):
    drawn = draw(P.clone().requires_grad_())
    assert drawn.requires_grad
    with pytest.raises(RuntimeError, match=f"derivative for aten::{name} is not implemented"):
        drawn.sum().backward()
