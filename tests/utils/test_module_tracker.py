"""Which modules ModuleTracker sees; the values were recorded from PyTorch 2.13."""

import pytest

import facula
from facula import nn
from facula.utils.checkpoint import checkpoint
from facula.utils.module_tracker import ModuleTracker


@pytest.fixture
def tracker():
    return ModuleTracker()


def names(tracker):
    return " ".join(sorted(tracker.parents))


def test_forward_and_backward(tracker):
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU(), nn.Linear(2, 2)))
    seen = []

    def note(*_):
        seen.append((names(tracker), tracker.is_bw))

    model[1][0].register_forward_pre_hook(note)
    model[1][0].register_forward_hook(note)
    model[1][1].weight.register_hook(note)
    model[0].weight.register_hook(note)
    with tracker:
        out = model(facula.ones(1, 2, requires_grad=True))
        assert names(tracker) == "Global"
        out.sum().backward()
        assert (names(tracker), tracker.is_bw) == ("Global", False)
    assert seen == [("Global Sequential Sequential.1 Sequential.1.0", False), ("Global Sequential Sequential.1", False),
                    ("Global Sequential Sequential.1 Sequential.1.1", True), ("Global", True)]
    model(facula.ones(1, 2))
    assert len(seen) == 6 and seen[4][0] == "Global"  # outside nothing is followed


def test_a_module_whose_forward_raises_stays(tracker):
    class Bad(nn.Module):
        def forward(self, x):
            raise ValueError

    with tracker, pytest.raises(ValueError):
        nn.Sequential(Bad())(facula.ones(1))
    assert names(tracker) == "Global Sequential Sequential.0"


def test_recomputation_happens_inside_the_backward_pass(tracker):
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    seen = []
    model[0].register_forward_pre_hook(lambda *_: seen.append((names(tracker), tracker.is_bw)))
    with tracker:
        checkpoint(model, facula.ones(1, 2, requires_grad=True), use_reentrant=False).sum().backward()
    assert seen == [("Global Sequential Sequential.0", False), ("Global Sequential Sequential.0 Sequential.1", True)]
    assert names(tracker) == "Global"
