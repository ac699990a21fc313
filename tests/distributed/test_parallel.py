"""DistributedDataParallel in real processes, against one process with all of the data."""

import os
import sys

import pytest

import facula
from facula import distributed as dist
from facula import nn
from facula.nn.parallel import DistributedDataParallel

sys.path.insert(0, os.path.dirname(__file__))
from processes import outcomes, run  # noqa: E402


class Net(nn.Module):
    def __init__(self, hidden=7):
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(5, hidden), nn.BatchNorm1d(hidden), nn.Linear(hidden, 2)
        self.spare = nn.Linear(hidden, 2)

    def forward(self, x, spare=False):
        x = self.norm(self.first(x)).tanh()
        return self.spare(x) if spare else self.last(x)


def data(n=24):
    generator = facula.Generator().manual_seed(1)
    return facula.randn(n, 5, generator=generator), facula.randn(n, 2, generator=generator)


def mlp(seed=0):
    facula.manual_seed(seed)
    return nn.Sequential(nn.Linear(5, 300), nn.Tanh(), nn.Linear(300, 300), nn.Tanh(), nn.Linear(300, 2))


def train(model, batches, steps=4):
    optimizer = facula.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for i in range(steps):
        optimizer.zero_grad()
        x, y = batches[i % len(batches)]
        (model(x) - y).square().mean().backward()
        optimizer.step()
    return [p.detach().tolist() for p in model.parameters()]


def trained(rank, size, options):
    x, y = data()
    model = DistributedDataParallel(mlp(seed=rank), **options)
    assert list(model.state_dict())[0] == "module.0.weight"
    return train(model, [(x[rank::size], y[rank::size])])


@pytest.mark.parametrize("options", [{}, {"bucket_cap_mb": 0.1}, {"find_unused_parameters": True}, {"gradient_as_bucket_view": True}])
def test_as_one_process(options):
    expected = train(mlp(), [data()])
    first, second = run(trained, 2, arguments=(options,))
    assert first == second  # to the last bit
    for a, b in zip(first, expected, strict=True):
        assert facula.allclose(facula.tensor(a), facula.tensor(b), atol=1e-5)


def partly_used(rank, size):
    facula.manual_seed(0)
    model = DistributedDataParallel(Net(), find_unused_parameters=True)
    x, _ = data()
    model(x, spare=rank == 0).sum().backward()  # rank 0 uses one head, rank 1 the other
    heads = [p.grad is not None for p in (model.module.spare.weight, model.module.last.weight)]
    model.zero_grad()
    model(x).sum().backward()
    return heads, model.module.spare.weight.grad is None, model.module.last.weight.grad.tolist()


def test_unused_parameters():
    a, b = run(partly_used, 2)
    assert a == b and a[0] == [True, True] and a[1]


def unused_untold(rank, size):
    model = DistributedDataParallel(Net())
    x, _ = data()
    model(x).sum().backward()
    model(x)


def test_unused_parameters_must_be_announced():
    for kind, name, text, _ in outcomes(unused_untold, 2):
        assert (kind, name) == ("raised", "RuntimeError") and "find_unused_parameters=True" in text and "spare.weight, spare.bias" in text


def without_sync(rank, size):
    model = DistributedDataParallel(mlp())
    x, y = data()
    with model.no_sync():
        (model(x[rank::size]) * (rank + 1)).sum().backward()
    own = model.module[0].weight.grad.clone()
    model(x[rank::size]).sum().backward()
    return own.tolist() == model.module[0].weight.grad.tolist(), own[0].tolist(), model.module[0].weight.grad[0].tolist()


def test_no_sync():
    a, b = run(without_sync, 2)
    assert not a[0] and a[1] != b[1] and a[2] == b[2]


def buffers(rank, size):
    model = DistributedDataParallel(Net(), find_unused_parameters=True)
    x, _ = data()
    for _ in range(2):
        model(x * (rank + 1)).sum().backward()
    with facula.no_grad():
        model(x)
    return model.module.norm.running_mean.tolist()


def test_buffers_come_from_rank_0():
    a, b = run(buffers, 2)
    assert a == b


def sparse(rank, size):
    facula.manual_seed(0)
    model = DistributedDataParallel(nn.Sequential(nn.Embedding(6, 3, sparse=True), nn.Linear(3, 1)))
    model(facula.tensor([rank, 4])).sum().backward()
    grad = model.module[0].weight.grad
    return grad.is_sparse, grad.to_dense()[:, 0].ne(0).tolist(), grad.to_dense().tolist()


def test_sparse_gradients():
    a, b = run(sparse, 2)
    assert a == b and a[0] and a[1] == [True, True, False, False, True, False]


def hooked(rank, size):
    from facula.distributed.algorithms.ddp_comm_hooks import default_hooks

    found = []
    for hook in (None, default_hooks.allreduce_hook, default_hooks.bf16_compress_hook):
        model = DistributedDataParallel(mlp())
        if hook is not None:
            model.register_comm_hook(None, hook)
        x, y = data()
        (model(x[rank::size]) - y[rank::size]).square().mean().backward()
        found.append(model.module[0].weight.grad)
    return facula.allclose(found[0], found[1], atol=1e-6), facula.allclose(found[0], found[2], atol=1e-2), bool((found[0] != found[2]).any())


def test_communication_hooks():
    assert run(hooked, 2) == [(True, True, True)] * 2


def uneven(rank, size):
    model = DistributedDataParallel(mlp())
    x, y = data()
    with model.join():
        train(model, [(x, y)], steps=2 + 3 * rank)
    return [p[0].tolist() for p in model.parameters()]


def test_uneven_numbers_of_batches():
    a, b = run(uneven, 2)
    assert a == b


def different(rank, size):
    DistributedDataParallel(nn.Linear(2, 2 + rank))


def more(rank, size):
    DistributedDataParallel(nn.Sequential(*[nn.Linear(2, 2) for _ in range(1 + rank)]))


def test_models_must_be_the_same():
    assert all("appears not to match sizes of the same param" in o[2] for o in outcomes(different, 2))
    assert all("DDP expects same model across all ranks" in o[2] for o in outcomes(more, 2))


def test_wrapping_needs_a_start_and_parameters():
    with pytest.raises(ValueError, match="init_process_group"):
        DistributedDataParallel(nn.Linear(2, 2))


def nothing_to_average(rank, size):
    try:
        DistributedDataParallel(nn.ReLU())
    except RuntimeError as error:
        return str(error)


def test_no_parameters():
    assert "is not needed" in run(nothing_to_average, 1)[0]


def normalized(rank, size):
    facula.manual_seed(0)
    x = facula.randn(8, 3, 4, dtype=facula.float64)
    plain = nn.BatchNorm1d(3).double()
    synced = nn.SyncBatchNorm.convert_sync_batchnorm(nn.BatchNorm1d(3).double())
    whole, part = x.clone().requires_grad_(), x[rank::size].clone().requires_grad_()
    weights = facula.arange(12.0, dtype=facula.float64).view(3, 4)
    (plain(whole) * weights).pow(2).sum().backward()
    (synced(part) * weights).pow(2).sum().backward()
    dist.all_reduce(synced.weight.grad)
    return [facula.allclose(a, b) for a, b in ((part.grad, whole.grad[rank::size]), (synced.weight.grad, plain.weight.grad),
                                               (synced.running_mean, plain.running_mean), (synced.running_var, plain.running_var))]


def test_normalisation_over_all_processes():
    assert run(normalized, 2) == [[True] * 4] * 2


def sampled(rank, size):
    from facula.utils.data.distributed import DistributedSampler

    sampler = DistributedSampler(list(range(10)), seed=3)
    sampler.set_epoch(1)
    parts = [None] * size
    dist.all_gather_object(parts, list(sampler))
    return sorted(i for p in parts for i in p), len(sampler)


def test_sampler():
    for indices, length in run(sampled, 2):
        assert indices == list(range(10)) and length == 5
