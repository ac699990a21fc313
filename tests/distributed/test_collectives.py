"""Collectives and messages between real processes."""

import os
import sys
import time
from datetime import timedelta

import pytest

import facula
from facula import distributed as dist

sys.path.insert(0, os.path.dirname(__file__))
from processes import free_port, outcomes, run  # noqa: E402


def collect(rank, size):
    out = {"rank": (dist.get_rank(), dist.get_world_size(), dist.get_backend())}
    for n in (3, 40001):  # one round of whole tensors, and parts
        t = facula.arange(n, dtype=facula.float32) * (rank + 1)
        dist.all_reduce(t)
        out["sum", n] = bool((t == facula.arange(n) * sum(range(1, size + 1))).all())
        t = facula.full((n,), float(rank))
        dist.reduce(t, dst=size - 1, op=dist.ReduceOp.MAX)
        out["reduce", n] = rank != size - 1 or bool((t == size - 1).all())
        t = facula.full((n,), float(rank + 1))
        dist.all_reduce(t, op=dist.ReduceOp.AVG)
        out["avg", n] = bool((t == (size + 1) / 2).all())
    t = facula.tensor([1 << rank])
    dist.all_reduce(t, op=dist.ReduceOp.BOR)
    out["bor"] = t.item() == (1 << size) - 1
    for root in range(size):
        t = facula.full((2, 2), rank)
        dist.broadcast(t, src=root)
        out["broadcast", root] = t.tolist() == [[root, root], [root, root]]
    parts = [facula.zeros(2, dtype=facula.int64) for _ in range(size)]
    dist.all_gather(parts, facula.tensor([rank, 10 * rank]))
    out["all_gather"] = [p.tolist() for p in parts] == [[r, 10 * r] for r in range(size)]
    whole = facula.zeros(size, 2)
    dist.all_gather_into_tensor(whole, facula.tensor([rank, rank + 0.5]))
    out["into"] = whole.tolist() == [[r, r + 0.5] for r in range(size)]
    got = facula.zeros(1)
    dist.scatter(got, [facula.tensor([10.0 + r]) for r in range(size)] if rank == 1 else None, src=1)
    out["scatter"] = got.item() == 10 + rank
    parts = [facula.zeros(1) for _ in range(size)] if rank == 0 else None
    dist.gather(got, parts, dst=0)
    out["gather"] = parts is None or [p.item() for p in parts] == [10 + r for r in range(size)]
    dist.reduce_scatter(got, [facula.tensor([float(r * rank)]) for r in range(size)])
    out["reduce_scatter"] = got.item() == rank * sum(range(size))
    dist.reduce_scatter_tensor(got, facula.arange(float(size)))
    out["reduce_scatter_tensor"] = got.item() == rank * size
    outputs = [facula.zeros(1, dtype=facula.int64) for _ in range(size)]
    dist.all_to_all(outputs, [facula.tensor([100 * rank + r]) for r in range(size)])
    out["all_to_all"] = [o.item() for o in outputs] == [100 * r + rank for r in range(size)]
    rows = facula.zeros(size * (rank + 1), dtype=facula.int64)
    dist.all_to_all_single(rows, facula.full((sum(range(1, size + 1)),), rank), [rank + 1] * size, list(range(1, size + 1)))
    out["all_to_all_single"] = rows.tolist() == [r for r in range(size) for _ in range(rank + 1)]
    t = facula.arange(6.0).reshape(2, 3).t()  # not contiguous
    dist.all_reduce(t)
    out["strided"] = t.tolist() == (facula.arange(6.0).reshape(2, 3).t() * size).tolist()
    t = facula.sparse_coo_tensor([[rank, 3]], [1.0, 1.0], (5,))
    dist.all_reduce(t)
    out["sparse"] = t.to_dense().tolist() == [1.0, 1.0, float(size > 2), size, 0.0]
    dist.barrier()
    return out


@pytest.mark.parametrize("size", [2, 3])
def test_collectives(size):
    for out in run(collect, size):
        assert out.pop("rank")[1:] == (size, "gloo")
        assert all(out.values()), [k for k, v in out.items() if not v]


def alone(rank, size):
    t = facula.ones(2)
    dist.all_reduce(t)
    dist.broadcast(t, 0)
    dist.barrier()
    parts = [facula.zeros(2)]
    dist.all_gather(parts, t)
    return parts[0].tolist()


def test_one_process():
    assert run(alone, 1) == [[1, 1]]


def messages(rank, size):
    other = 1 - rank
    large = facula.full((1 << 20,), float(rank))
    into = facula.zeros(1 << 20)
    dist.isend(large, other)  # both send before both receive
    dist.recv(into, other)
    first, second = facula.zeros(1), facula.zeros(1)
    works = [dist.irecv(second, other, tag=2), dist.irecv(first, other, tag=1)]
    dist.send(facula.tensor([1.0]), other, tag=1)
    dist.send(facula.tensor([2.0]), other, tag=2)
    for w in works:
        w.wait()
    sender = dist.recv(got := facula.zeros(1)) if rank else dist.send(facula.tensor([7.0]), 1)
    for w in dist.batch_isend_irecv([dist.P2POp(dist.isend, first + rank, other), dist.P2POp(dist.irecv, second, other)]):
        w.wait()
    objects = [None]
    if rank == 0:
        dist.send_object_list([{"a": [1, 2]}], 1)
    else:
        dist.recv_object_list(objects, 0)
    return into[0].item(), first.item(), sender, got.item() if rank else None, second.item(), objects


def test_messages():
    assert run(messages, 2) == [(1, 1, None, None, 2, [None]), (0, 1, 0, 7, 1, [{"a": [1, 2]}])]


def objects(rank, size):
    gathered, at_one = [None] * size, [None] * size if rank == 1 else None
    dist.all_gather_object(gathered, {"rank": rank, "text": "x" * rank})
    dist.gather_object(rank, at_one, dst=1)
    shared = ["a", 2] if rank == 0 else [None, None]
    dist.broadcast_object_list(shared, 0)
    mine = [None]
    dist.scatter_object_list(mine, [[r] for r in range(size)] if rank == 0 else None, 0)
    return gathered, at_one, shared, mine


def test_objects():
    for rank, (gathered, at_one, shared, mine) in enumerate(run(objects, 3)):
        assert gathered == [{"rank": r, "text": "x" * r} for r in range(3)]
        assert at_one == ([0, 1, 2] if rank == 1 else None) and shared == ["a", 2] and mine == [[rank]]


def overlapping(rank, size):
    even = dist.new_group([0, 2])
    everyone = dist.new_group()
    works, tensors = [], []
    for i in range(5):
        tensors.append(facula.full((20000,), float(i + rank)))
        works.append(dist.all_reduce(tensors[-1], group=everyone, async_op=True))
    t = facula.tensor([float(rank)])
    dist.all_reduce(t, group=even)
    value = works[0].get_future().then(lambda f: f.value()[0][0].item()).wait()
    for w in works:
        assert w.wait() and w.is_completed() and w.is_success()
    return t.item(), dist.get_rank(even), dist.get_world_size(even), [x[0].item() for x in tensors], value


def test_groups_and_asynchronous_calls():
    assert run(overlapping, 3) == [(2, 0, 2, [3, 6, 9, 12, 15], 3), (1, -1, -1, [3, 6, 9, 12, 15], 3), (2, 1, 2, [3, 6, 9, 12, 15], 3)]


def twice(rank, size, port):
    for _ in range(2):
        dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=size)
        t = facula.ones(1)
        dist.all_reduce(t)
        dist.destroy_process_group()
    return t.item(), dist.is_initialized()


def test_starting_again():
    assert run(twice, 2, None, (free_port(),)) == [(2, False), (2, False)]


def from_environment(rank, size, port):
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(size), MASTER_ADDR="localhost", MASTER_PORT=str(port))
    dist.init_process_group("gloo")
    dist.barrier()
    return dist.get_rank()


def test_environment():
    assert run(from_environment, 2, None, (free_port(),)) == [0, 1]


def test_file(tmp_path):
    assert run(alone, 1, f"file://{tmp_path}/one") == [[1, 1]]
    assert [r["rank"][0] for r in run(collect, 2, f"file://{tmp_path}/two")] == [0, 1]
    assert not (tmp_path / "two").exists()


# ---------------------------------------------------------------- what goes wrong

def killed(rank, size):
    dist.barrier()
    if rank == 1:
        os._exit(9)
    try:
        dist.all_reduce(facula.ones(4))
    except dist.DistBackendError as error:
        return str(error)


def test_a_dead_process_is_named():
    start = time.monotonic()
    found = outcomes(killed, 2)
    assert found[1] is None and "rank 1 has ended or failed" in found[0][1]
    assert time.monotonic() - start < 30


def late(rank, size, port):
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=size, timeout=timedelta(seconds=4))
    dist.barrier()
    if rank == 1:
        time.sleep(6)
        return None
    dist.all_reduce(facula.ones(4))


def test_a_missing_call_times_out():
    found = outcomes(late, 2, None, (free_port(),))
    assert found[0][:2] == ("raised", "DistBackendError") and "timed out after 4000ms waiting for rank 1" in found[0][2]


def different(rank, size):
    try:
        dist.all_reduce(facula.ones(4 + rank))
    except dist.DistBackendError as error:
        return str(error)


def test_different_sizes_are_told():
    assert "20 bytes where 16 were expected" in run(different, 2)[0]


def gone(rank, size):
    if rank == 1:
        return None
    try:
        dist.recv(facula.ones(1), 1)
    except dist.DistBackendError as error:
        return str(error)


def test_a_process_that_left():
    assert "rank 1 has left" in run(gone, 2)[0]


def test_before_the_start():
    for call in (dist.get_rank, dist.get_world_size, lambda: dist.all_reduce(facula.ones(1)), dist.barrier):
        with pytest.raises(ValueError, match="please make sure to call init_process_group"):
            call()
    with pytest.raises(RuntimeError, match="NCCL"):
        dist.init_process_group("nccl", rank=0, world_size=1, store=dist.HashStore())
    with pytest.raises(RuntimeError, match="MPI"):
        dist.init_process_group("mpi")
    with pytest.raises(ValueError, match="Invalid backend"):
        dist.init_process_group("foo", rank=0, world_size=1, store=dist.HashStore())
    with pytest.raises(RuntimeError, match="No rendezvous handler for bad://"):
        dist.init_process_group("gloo", init_method="bad://x")
    with pytest.raises(dist.DistNetworkError, match="timed out after 300ms"):
        dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{free_port()}", rank=1, world_size=2, timeout=timedelta(seconds=0.3))


def wrong_arguments(rank, size):
    texts = []
    for call in (lambda: dist.all_reduce(3), lambda: dist.send(facula.ones(1), 0), lambda: dist.all_gather([facula.ones(2)], facula.ones(1)),
                 lambda: dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore()), lambda: dist.new_group([0, 0]),
                 lambda: dist.broadcast(facula.ones(1), src=5)):
        try:
            call()
        except (TypeError, ValueError, RuntimeError) as error:
            texts.append(str(error))
    return texts


def test_wrong_arguments():
    texts = run(wrong_arguments, 1)[0]
    for text, part in zip(texts, ["of type torch.Tensor", "should not be the same", "tensors of one size", "twice", "less or equal", "invalid root rank"],
                          strict=True):
        assert part in text
