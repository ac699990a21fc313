"""Runs a function in several real processes and hands back what they return or raise."""

import multiprocessing
import os
import socket
import traceback

import pytest


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _child(function, rank, size, init_method, pipe, arguments):
    import facula
    from facula import distributed as dist

    facula.set_num_threads(1)
    try:
        if init_method is not None:
            dist.init_process_group("gloo", init_method=init_method, rank=rank, world_size=size)
        result = function(rank, size, *arguments)
        if dist.is_initialized():
            dist.destroy_process_group()
        pipe.send(("returned", result))
    except BaseException as error:
        pipe.send(("raised", type(error).__name__, str(error), traceback.format_exc()))


def outcomes(function, size, init_method="tcp", arguments=(), timeout=60):
    """What each rank's process returned or raised; None for one that said nothing."""
    if init_method == "tcp":
        init_method = f"tcp://127.0.0.1:{free_port()}"
    context = multiprocessing.get_context("fork")
    started = []
    for rank in range(size):
        mine, theirs = context.Pipe(False)
        process = context.Process(target=_child, args=(function, rank, size, init_method, theirs, arguments))
        process.start()
        theirs.close()
        started.append((process, mine))
    found = []
    for process, pipe in started:
        try:
            found.append(pipe.recv() if pipe.poll(timeout) else None)
        except EOFError:
            found.append(None)
        process.join(10)
        if process.is_alive():
            os.kill(process.pid, 9)
            process.join()
    return found


def run(function, size, init_method="tcp", arguments=(), timeout=60):
    """What the ranks returned; fails where one raised."""
    found = outcomes(function, size, init_method, arguments, timeout)
    for rank, outcome in enumerate(found):
        if outcome is None or outcome[0] != "returned":
            pytest.fail(f"rank {rank}: {'no answer' if outcome is None else outcome[3]}")
    return [outcome[1] for outcome in found]
