"""gradcheck's fast mode: one random combination of the Jacobian's entries."""

import pytest

import facula
from facula.autograd import Function, gradcheck, gradgradcheck
from facula.autograd.gradcheck import GradcheckError

REAL = facula.linspace(-1, 2, 12, dtype=facula.float64).reshape(3, 4)


class Doubled(Function):
    """exp whose gradient is off in one element only."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x.exp())
        return x.exp()

    @staticmethod
    def backward(ctx, grad):
        (result,) = ctx.saved_tensors
        scale = facula.ones_like(result)
        scale.view(-1)[-1] = 1.5
        return grad * result * scale


@pytest.mark.parametrize("make", [lambda: REAL.clone(), lambda: facula.complex(REAL, REAL.flip(0)), lambda: facula.tensor(0.5, dtype=facula.float64)])
@pytest.mark.parametrize("function", [lambda x: x.exp(), lambda x: (x * x, x.sum()), lambda x: x.abs(), lambda x: (x * (2 + 1j)).sin()])
def test_accepts_right_derivatives(make, function):
    x = make().requires_grad_()
    assert gradcheck(function, (x,), fast_mode=True)


def test_sees_one_wrong_entry_and_calls_the_function_three_times():
    calls = []

    def function(x):
        calls.append(1)
        return Doubled.apply(x)

    x = REAL.clone().requires_grad_()
    with pytest.raises(GradcheckError, match="Jacobian mismatch for output 0 with respect to input 0"):
        gradcheck(function, (x,), fast_mode=True)
    assert len(calls) == 3
    assert gradcheck(function, (x,), fast_mode=True, raise_exception=False) is False
    with pytest.raises(GradcheckError):
        gradcheck(function, (x,))


def test_draws_do_not_move_the_global_stream():
    facula.manual_seed(3)
    before = facula.get_rng_state()
    gradcheck(facula.exp, (REAL.clone().requires_grad_(),), fast_mode=True)
    assert facula.equal(before, facula.get_rng_state())


def test_second_derivatives():
    assert gradgradcheck(lambda x, y: (x * y).sin(), (REAL.clone().requires_grad_(), REAL.clone().requires_grad_()), fast_mode=True)
