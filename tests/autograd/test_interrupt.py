"""Ctrl-C: long kernels and backward stop within about a second, and everything works afterwards."""

import os
import signal
import threading
import time

import pytest

import facula
import facula.nn.functional as F

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGINT") or threading.current_thread() is not threading.main_thread(), reason="needs signals")


def interrupt_during(work, after=0.15):
    """Seconds from the signal to the KeyboardInterrupt."""
    sent = []

    def send():
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(after, send)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            for _ in range(10_000):
                work()
        return time.perf_counter() - sent[0]
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("work", [
    pytest.param(lambda: facula.randn(200_000_000), id="randn"),
    pytest.param(lambda: facula.ones(2000, 2000) @ facula.ones(2000, 2000), id="matmul"),
    pytest.param(lambda: facula.rand(20_000_000).sort(), id="sort"),
    pytest.param(lambda: F.conv2d(facula.ones(16, 64, 112, 112), facula.ones(128, 64, 3, 3)), id="conv"),
    pytest.param(lambda: facula.nn.LSTM(128, 256)(facula.ones(300, 16, 128)), id="lstm"),
    pytest.param(lambda: facula.ones(20_000_000).tolist(), id="tolist"),
    pytest.param(lambda: F.conv2d(facula.ones(8, 32, 56, 56, requires_grad=True), facula.ones(32, 32, 3, 3)).sum().backward(), id="training"),
])
def test_kernels_stop(work):
    assert interrupt_during(work) < 5  # a second where the machine is free
    assert facula.ones(3).sum().item() == 3


def test_backward_stops_and_leaves_gradients_sane():
    x = facula.ones(1, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y + 1
    assert interrupt_during(lambda: y.backward(retain_graph=True)) < 5
    x.grad = None
    (x * 2).sum().backward()
    assert x.grad.item() == 2


