"""The loader's worker processes: how batches travel, and what happens when something goes wrong."""

import os
import signal
import subprocess
import sys
import textwrap
import time
import warnings

import numpy as np
import pytest

import facula
from facula.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, get_worker_info


class Numbers(Dataset):
    def __init__(self, count=8):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        return i


class Rows(Numbers):
    """Rows large enough for shared memory."""

    def __getitem__(self, i):
        return {"row": facula.full((5000,), float(i)), "array": np.full(5000, i), "name": f"row {i}"}


class Stream(IterableDataset):
    def __iter__(self):
        info = get_worker_info()
        return iter(range(info.id, 10, info.num_workers) if info else range(10))


class Bad(Numbers):
    def __init__(self, how, at=2):
        super().__init__()
        self.how, self.at = how, at

    def __getitem__(self, i):
        if i == self.at:
            self.how()
        return i


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def leave():
    os._exit(3)


def hang():
    time.sleep(60)


def refuse():
    class Local(Exception):
        pass

    raise Local("no")


class Unpicklable(Numbers):
    def __getitem__(self, i):
        return lambda: i


def first(samples):
    return samples[0]


def initialise(worker_id):
    get_worker_info().dataset.count = 100 + worker_id


class Described(Numbers):
    def __getitem__(self, i):
        info = get_worker_info()
        return info.id, info.num_workers, info.seed - info.id, self.count, facula.get_num_threads()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_every_start_method_gives_the_same_batches(method):
    loader = DataLoader(Rows(), batch_size=3, num_workers=2, multiprocessing_context=method)
    batches = list(loader)
    assert [b["row"][:, 0].tolist() for b in batches] == [[0, 1, 2], [3, 4, 5], [6, 7]]
    assert [b["name"] for b in batches][-1] == ["row 6", "row 7"]
    assert all(b["row"].is_shared() and b["array"].is_shared() and b["array"].dtype == facula.int64 for b in batches)
    batches[0]["row"].add_(1)
    assert batches[0]["row"][2, 4999] == 3


def test_batches_outlive_loader_and_use_up_no_descriptors():
    before = len(os.listdir("/proc/self/fd"))
    batches = list(DataLoader(Rows(64), batch_size=2, num_workers=2))
    assert len(os.listdir("/proc/self/fd")) <= before + 2
    assert [b["array"].sum().item() for b in batches] == [5000 * (4 * i + 1) for i in range(32)]


def test_a_batch_that_is_a_view_of_the_dataset_sends_only_itself():
    table = TensorDataset(facula.arange(4e6).reshape(400, 10000))
    with_workers = list(DataLoader(table, batch_size=None, num_workers=1))
    assert len(with_workers) == 400 and with_workers[399][0][-1] == 4e6 - 1
    assert with_workers[0][0].untyped_storage().nbytes() == 40000


def test_workers_know_who_they_are():
    loader = DataLoader(Described(4), num_workers=2, batch_size=None, worker_init_fn=initialise)
    seeds = set()
    for i, (worker, count, seed, size, threads) in enumerate(loader):
        assert (worker, count, size, threads) == (i % 2, 2, 100 + i % 2, 1)
        seeds.add(seed)
    assert len(seeds) == 1 and get_worker_info() is None


def test_persistent_workers_stay():
    loader = DataLoader(Numbers(), batch_size=3, num_workers=2, persistent_workers=True)
    processes = []
    for _ in range(3):
        assert [b.tolist() for b in loader] == [[0, 1, 2], [3, 4, 5], [6, 7]]
        processes.append([p.pid for p in loader._iterator._workers])
    next(iter(loader))  # an epoch left early
    assert len(list(loader)) == 3
    assert processes[0] == processes[1] == processes[2]
    workers = loader._iterator._workers
    del loader
    assert not any(p.is_alive() for p in workers)


def test_an_epoch_left_early_leaves_no_process():
    iterator = iter(DataLoader(Rows(200), num_workers=2))
    next(iterator)
    workers = iterator._workers
    del iterator
    assert not any(p.is_alive() for p in workers)


def test_large_index_lists_do_not_block():
    loader = DataLoader(Numbers(400_000), batch_size=100_000, num_workers=1, prefetch_factor=4, collate_fn=list)
    assert sum(map(len, loader)) == 400_000


def test_nested_loaders():
    inner = DataLoader(Numbers(4), num_workers=1, persistent_workers=True)
    assert [(a.item(), b.item()) for a in DataLoader(Numbers(2), num_workers=1) for b in inner] == [(a, b) for a in range(2) for b in range(4)]


def test_streams_out_of_order():
    assert sorted(b.item() for b in DataLoader(Stream(), num_workers=3, in_order=False)) == list(range(10))


@pytest.mark.parametrize("how, reason", [(kill, "is killed by signal: Killed"), (leave, "exit code 3")])
def test_a_worker_that_dies_is_reported_at_once(how, reason):
    start = time.perf_counter()
    with pytest.raises(RuntimeError, match=r"DataLoader worker \(pid\(s\) \d+\) exited unexpectedly") as error:
        list(DataLoader(Bad(how), num_workers=2))
    assert reason in str(error.value.__cause__)
    assert time.perf_counter() - start < 4


def test_a_hanging_worker_runs_into_the_timeout():
    start = time.perf_counter()
    with pytest.raises(RuntimeError, match="DataLoader timed out after 1 seconds"):
        list(DataLoader(Bad(hang), num_workers=1, timeout=1))
    assert time.perf_counter() - start < 10


def test_what_cannot_be_pickled_is_an_error_and_no_hang():
    with pytest.raises(Exception, match="Caught .* in DataLoader worker process 0(?s:.*)pickle"):
        list(DataLoader(Unpicklable(), num_workers=1, collate_fn=first))
    with pytest.raises(RuntimeError, match="Local: no"):
        list(DataLoader(Bad(refuse), num_workers=1))


def test_errors_name_the_line_and_the_loader_goes_on():
    def divide():
        return 1 / 0

    iterator = iter(DataLoader(Bad(divide), num_workers=1))
    assert [next(iterator).item() for _ in range(2)] == [0, 1]
    with pytest.raises(ZeroDivisionError, match=r"worker process 0.\n(?s:.*)return 1 / 0"):
        next(iterator)
    assert [b.item() for b in iterator] == [3, 4, 5, 6, 7]


def test_failing_initialisation():
    def fail(worker_id):
        raise OSError(f"worker {worker_id} lacks something")

    with pytest.raises(OSError, match="worker 0 lacks something"):
        list(DataLoader(Numbers(), num_workers=2, worker_init_fn=fail))


def test_interrupted_program_ends_with_its_workers():
    program = textwrap.dedent("""
        import os, sys, time
        from facula.utils.data import DataLoader, Dataset

        class Slow(Dataset):
            def __len__(self):
                return 1000
            def __getitem__(self, i):
                time.sleep(0.05)
                return i

        loader = iter(DataLoader(Slow(), num_workers=2))
        next(loader)
        print(*(p.pid for p in loader._workers), flush=True)
        for _ in loader:
            pass
    """)
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               start_new_session=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    workers = [int(pid) for pid in process.stdout.readline().split()]
    os.killpg(process.pid, signal.SIGINT)  # as a terminal's Ctrl-C
    _, errors = process.communicate(timeout=20)
    assert errors.rstrip().endswith("KeyboardInterrupt") and errors.count("Traceback") == 1
    assert not any(os.path.exists(f"/proc/{pid}") for pid in workers)


def test_workers_of_a_killed_program_end():
    program = ("import time, os\nfrom facula.utils.data import DataLoader\n"
               "loader = iter(DataLoader(range(1000), num_workers=2))\nnext(loader)\n"
               "print(*(p.pid for p in loader._workers), flush=True)\nos.kill(os.getpid(), 9)")
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, timeout=30,
                          env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    workers = [int(pid) for pid in done.stdout.split()]

    def running(pid):
        try:
            with open(f"/proc/{pid}/stat") as file:
                return file.read().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    until = time.monotonic() + 12
    while any(map(running, workers)) and time.monotonic() < until:
        time.sleep(0.05)
    assert len(workers) == 2 and not any(map(running, workers))


def test_pinning_without_a_gpu_warns():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert len(list(DataLoader(Numbers(), 4, pin_memory=True))) == 2
    assert facula.cuda.is_available() or "no accelerator is found" in str(seen[0].message)


class Held(Numbers):
    def __init__(self):
        super().__init__(6)
        self.array = np.arange(1 << 20, dtype=np.float32).reshape(1024, 1024)
        self.turned, self.tensor = self.array.T, facula.arange(1 << 20)

    def __getitem__(self, i):
        value = self.array[0, 0]
        self.array[0, 0] += 1  # as in a copy: the others do not see it
        return float(value), float(self.turned[3, 1]), self.tensor[i], self.tensor.is_shared(), type(self.array.base).__name__


def test_spawned_workers_map_the_datasets_arrays():
    data = Held()
    for batch in DataLoader(data, batch_size=3, num_workers=2, multiprocessing_context="spawn"):
        values, turned, numbers, shared, base = batch
        assert values.tolist() == [0, 1, 2] and turned.tolist() == [1027.0] * 3 and shared.all()
        assert set(base) == {"mmap"} or set(base) == {"ndarray"}
    assert data.array[0, 0] == 0 and numbers.tolist() == [3, 4, 5]


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="counts open files in /proc")
def test_workers_let_go_of_the_batches_they_sent():
    loader = DataLoader(Rows(64), num_workers=1, persistent_workers=True)
    counts = []
    for _ in range(3):
        list(loader)
        counts.append(len(os.listdir(f"/proc/{loader._iterator._workers[0].pid}/fd")))
    assert max(counts) <= min(counts) + 2
