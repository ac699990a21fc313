"""Values, promotion and errors of elementwise operations."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import facula

numbers = st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=40)


@given(numbers)
@settings(deadline=None, max_examples=50)
def test_exp_is_close_to_the_library(values):
    got = facula.exp(facula.tensor(values)).tolist()
    assert all(math.isclose(g, math.exp(v), rel_tol=3e-7) for g, v in zip(got, values))


@given(numbers, numbers)
@settings(deadline=None, max_examples=50)
def test_addition_commutes(a, b):
    n = min(len(a), len(b))
    x, y = facula.tensor(a[:n]), facula.tensor(b[:n])
    assert facula.equal(x + y, y + x)


@pytest.mark.parametrize("a, b, expected", [
    (facula.int32, facula.float32, facula.float32), (facula.uint8, facula.int8, facula.int16), (facula.bool, facula.int64, facula.int64),
    (facula.float16, facula.bfloat16, facula.float32), (facula.float64, facula.complex64, facula.complex128)])
def test_promotion(a, b, expected):
    assert facula.promote_types(a, b) == expected
    assert (facula.ones(2, dtype=a) + facula.ones(2, dtype=b)).dtype == expected


def test_numbers_do_not_widen():
    assert (facula.ones(2, dtype=facula.float16) * 2.5).dtype == facula.float16
    assert (facula.ones(2, dtype=facula.int32) * 2.5).dtype == facula.float32
    assert (facula.ones(2, dtype=facula.int8) + facula.tensor(300)).dtype == facula.int8


def test_small_integers_wrap():
    assert (facula.tensor([200], dtype=facula.uint8) + 100).tolist() == [44]


def test_strided_and_broadcast_operands():
    x = facula.arange(12.0).reshape(3, 4)
    assert (x.t() + x.t()).tolist() == (x + x).t().tolist()
    assert (x + x[:, :1]).tolist() == [[r * 4 + c + r * 4 for c in range(4)] for r in range(3)]


def test_division_and_remainder_follow_python():
    x, y = facula.tensor([7, -7, 7, -7]), facula.tensor([3, 3, -3, -3])
    assert (x // y).tolist() == [2, -3, -3, 2]
    assert (x % y).tolist() == [1, 2, -2, -1]
    assert (x / y).dtype == facula.float32


def test_out_and_in_place():
    x, out = facula.tensor([1.0, 2.0]), facula.empty(2)
    assert facula.add(x, x, out=out) is out and out.tolist() == [2.0, 4.0]
    assert x.mul_(3) is x and x.tolist() == [3.0, 6.0]
    with pytest.raises(RuntimeError, match="result type Float can't be cast"):
        facula.tensor([1]).add_(1.5)


def test_shapes_that_do_not_fit():
    with pytest.raises(RuntimeError, match=r"The size of tensor a \(3\) must match the size of tensor b \(2\)"):
        facula.ones(3) + facula.ones(2)


def test_wrong_arguments():
    with pytest.raises(TypeError, match=r"exp\(\): argument 'input' \(position 1\) must be Tensor, not str"):
        facula.exp("x")


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_results_do_not_depend_on_threads(threads):
    x = facula.randn(300_000)
    before = facula.get_num_threads()
    facula.set_num_threads(1)
    expected = x.sum().item(), x.exp().sum().item(), x.reshape(300, 1000).var(0).sum().item()
    facula.set_num_threads(threads)
    assert (x.sum().item(), x.exp().sum().item(), x.reshape(300, 1000).var(0).sum().item()) == expected
    facula.set_num_threads(before)


def test_numbers_may_come_first():
    x = facula.tensor([1.0, 2.0])
    for name, by_hand in {"add": 3 + x, "sub": 3 - x, "mul": 3 * x, "div": 3 / x, "true_divide": 3 / x, "floor_divide": 3 // x, "remainder": 3 % x}.items():
        assert facula.equal(getattr(facula, name)(3.0, x), by_hand), name
    assert facula.multiply(2.0, x).tolist() == [2, 4] and x.multiply(x).tolist() == [1, 4] and x.subtract(x).tolist() == [0, 0]
    assert facula.subtract(3, x).tolist() == [2, 1] and x.divide(x).tolist() == [1, 1]
    assert facula.add(1, x, alpha=2).tolist() == [3, 5] and facula.add(1, facula.ones(1, dtype=facula.float16)).dtype == facula.float16
    with pytest.raises(TypeError, match="must be Tensor, not str"):
        facula.add("a", x)


def test_the_order_of_old_programs_still_works():
    with pytest.warns(UserWarning, match="This overload of add is deprecated"):
        assert facula.ones(2).add_(0.5, facula.ones(2)).tolist() == [1.5, 1.5]
    with pytest.warns(UserWarning, match="overload of addcmul"):
        x = facula.ones(2)
        x.addcmul_(0.5, facula.ones(2), facula.ones(2))
        assert x.tolist() == [1.5, 1.5]
    with pytest.raises(TypeError):
        facula.ones(2).add(facula.ones(2), facula.ones(2))
