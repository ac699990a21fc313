"""Long runs: memory stays flat, threads and forks get along."""

import gc
import multiprocessing
import os
import subprocess
import sys
import threading

import pytest

import facula
import facula.nn.functional as F


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


LONG_RUN = """
import gc, os
import facula
import facula.nn.functional as F

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

w = facula.ones(4, 4, requires_grad=True)
x, target = facula.ones(2, 4), facula.tensor([0, 3])
optimizer = facula.optim.SGD([w], lr=1e-3, momentum=0.9)

def run(count):
    for _ in range(count):
        optimizer.zero_grad()
        F.cross_entropy((x @ w).relu(), target).backward()
        optimizer.step()

run(10_000)
gc.collect()
before, objects = resident(), len(gc.get_objects())
gc.disable()  # nothing may need the collector of cycles
run(100_000)
print(len(gc.get_objects()) - objects, resident() - before)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads memory from /proc")
def test_a_hundred_thousand_steps_keep_memory_flat():
    done = subprocess.run([sys.executable, "-c", LONG_RUN], capture_output=True, text=True, check=True)  # what other tests do must not count
    objects, growth = map(int, done.stdout.split())
    assert objects < 100 and growth < 1 << 20


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads memory from /proc")
@pytest.mark.parametrize("step", [
    pytest.param(lambda x: x.clone().share_memory_(), id="shared"),
    pytest.param(lambda x: facula.autograd.grad((x.requires_grad_() ** 3).sum(), x, create_graph=True), id="second order"),
    pytest.param(lambda x: (x[None].expand(3, -1), x.numpy(), facula.from_numpy(x.detach().numpy())), id="views"),
    pytest.param(lambda x: pytest.raises(RuntimeError, lambda: x.detach() @ facula.ones(3)), id="errors"),
])
def test_memory_stays_flat(step):
    def run(count):
        for _ in range(count):
            step(facula.ones(4096))

    run(500)
    gc.collect()
    before = resident()
    run(2000)
    gc.collect()
    assert resident() - before < 2 << 20


def test_threads_compute_at_the_same_time():
    x = facula.arange(200_000.0).reshape(400, 500) / 1e5
    wanted = (x @ x.T).tanh().sum().item()
    found, gradients = [], []

    def work():
        for _ in range(20):
            y = x.clone().requires_grad_()
            total = (y @ y.T).tanh().sum()
            total.backward()
            found.append(total.item())
            gradients.append(y.grad.sum().item())

    threads = [threading.Thread(target=work) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert found == [wanted] * 120 and len(set(gradients)) == 1


def _in_child(connection):
    x = facula.ones(600, 600)
    facula.set_num_threads(2)
    connection.send((x @ x).sum().item())
    connection.send(facula.rand(100_000).sort()[0].shape)


def test_a_fork_after_the_use_of_threads_works():
    x = facula.ones(600, 600)
    assert (x @ x).sum().item() == 600.0 ** 3  # the pool runs
    stop = threading.Event()

    def busy():
        while not stop.is_set():
            x @ x

    beside = threading.Thread(target=busy)  # and is at work while we fork
    beside.start()
    context = multiprocessing.get_context("fork")
    try:
        for _ in range(5):
            ours, theirs = context.Pipe()
            child = context.Process(target=_in_child, args=(theirs,))
            child.start()
            assert ours.poll(30) and ours.recv() == 600.0 ** 3
            assert ours.poll(30) and ours.recv() == (100_000,)
            child.join(30)
            assert child.exitcode == 0
    finally:
        stop.set()
        beside.join()
