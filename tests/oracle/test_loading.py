"""Samplers, splits and loaders beside PyTorch's: the same orders, and the same random state afterwards."""

import pytest

import facula

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle


class Draws:
    """A dataset whose samples tell the random state of the process that fetches them."""

    def __init__(self, module):
        self.module = module

    def __len__(self):
        return 10

    def __getitem__(self, i):
        return i, self.module.rand(()), self.module.initial_seed()


def weights(m):
    return m.arange(1.0, 41)


CASES = {
    "random": lambda m, d: d.RandomSampler(range(37)),
    "random, generator": lambda m, d: d.RandomSampler(range(37), generator=m.Generator().manual_seed(3)),
    "replacement": lambda m, d: d.RandomSampler(range(37), replacement=True, num_samples=70),
    "more than there are": lambda m, d: d.RandomSampler(range(37), num_samples=80),
    "subset": lambda m, d: d.SubsetRandomSampler(range(5, 30)),
    "weighted": lambda m, d: d.WeightedRandomSampler(weights(m), 50),
    "weighted, no replacement": lambda m, d: d.WeightedRandomSampler(weights(m), 20, replacement=False),
    "weighted, generator": lambda m, d: d.WeightedRandomSampler(weights(m), 20, replacement=False, generator=m.Generator().manual_seed(1)),
    "batches": lambda m, d: d.BatchSampler(d.RandomSampler(range(11)), 4, False),
    "distributed": lambda m, d: d.DistributedSampler(range(11), 3, 1, seed=4),
    "split": lambda m, d: [list(part) for part in d.random_split(range(13), [0.25, 0.75])],
    "loader": lambda m, d: [b.tolist() for _ in range(2) for b in d.DataLoader(range(11), 3, shuffle=True)],
    "loader, generator": lambda m, d: [b.tolist() for b in d.DataLoader(range(11), 3, shuffle=True, generator=m.Generator().manual_seed(5))],
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", [0, 7])
def test_orders(case, seed):
    found = []
    for module in (facula, torch):
        module.manual_seed(seed)
        found.append((list(CASES[case](module, module.utils.data)), module.rand(3).tolist()))
    assert found[0] == found[1]


@pytest.mark.parametrize("options", [{}, {"persistent_workers": True}, {"drop_last": True}, {"batch_size": None}], ids=str)
def test_workers(options):
    found = []
    for module in (facula, torch):
        module.manual_seed(1)
        loader = module.utils.data.DataLoader(Draws(module), **{"batch_size": 3, "shuffle": True, "num_workers": 2, **options})
        epochs = [[[v.tolist() if hasattr(v, "tolist") else v for v in batch] for batch in loader] for _ in range(2)]
        found.append((epochs, module.rand(3).tolist()))
    assert found[0] == found[1]
