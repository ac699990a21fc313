import pickle

import pytest

import facula
from facula import nn


def model():
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 2)))


def test_state_round_trip_says_all_keys_matched():
    assert repr(model().load_state_dict(model().state_dict())) == "<All keys matched successfully>"


def test_loading_names_every_fault_at_once():
    state = model().state_dict()
    state["extra"] = state.pop("0.bias")
    state["0.weight"] = facula.zeros(1, 1)
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "0.bias"(.|\n)*Unexpected(.|\n)*"extra"(.|\n)*size mismatch for 0.weight'):
        model().load_state_dict(state)


def test_shape_errors_name_the_module():
    with pytest.raises(RuntimeError) as caught:
        model()(facula.zeros(2, 5))
    assert caught.value.__notes__ == ["in module 0 (Linear of Sequential)"]


def test_hooks_see_and_change_the_call():
    m = nn.Linear(2, 2)
    m.register_forward_pre_hook(lambda mod, args: (args[0] * 0,))
    handle = m.register_forward_hook(lambda mod, args, out: out - mod.bias + 1)
    assert m(facula.ones(1, 2)).tolist() == [[1.0, 1.0]]
    handle.remove()
    assert facula.equal(m(facula.ones(1, 2))[0], m.bias)


def test_pickling_keeps_the_weights():
    m = model()
    assert all(facula.equal(a, b) for a, b in zip(m.parameters(), pickle.loads(pickle.dumps(m)).parameters()))


def test_backward_hooks_change_and_check_gradients():
    layer = nn.Linear(2, 2)
    x = facula.ones(1, 2, requires_grad=True)
    with layer.register_full_backward_hook(lambda m, grad_input, grad_output: (grad_input[0] * 0,)):
        layer(x).sum().backward()
    assert x.grad.tolist() == [[0.0, 0.0]]
    with layer.register_full_backward_pre_hook(lambda m, grad_output: (*grad_output, None)), pytest.raises(RuntimeError, match="got 2, but expected 1"):
        layer(x).sum().backward()


def test_always_called_hooks_run_after_failures():
    seen = []
    layer = nn.Linear(2, 2)
    layer.register_forward_hook(lambda m, args, out: seen.append(out), always_call=True)
    with pytest.raises(RuntimeError):
        layer(facula.ones(1, 3))
    assert seen == [None]


def test_lazy_buffers_become_tensors():
    norm = nn.LazyBatchNorm1d()
    norm(facula.ones(2, 3))
    assert type(norm) is nn.BatchNorm1d and type(norm.running_mean) is facula.Tensor and norm.running_mean.shape == (3,)


def test_uninitialised_parameters_refuse_to_compute():
    with pytest.raises(ValueError, match="uninitialized parameter"):
        nn.LazyLinear(2).weight + 1
