"""`python -m facula.distributed.run [options] script.py ...`: starts a program in several processes, on one machine or several.

Each process gets RANK, LOCAL_RANK, WORLD_SIZE, LOCAL_WORLD_SIZE, GROUP_RANK, MASTER_ADDR, MASTER_PORT and TORCHELASTIC_*
in its environment. When one fails the others are ended, and all are started again as often as --max-restarts allows.
Programs that import torch run on Facula.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from datetime import timedelta

from .tcp_store import TCPStore


def get_args_parser():
    """The options, as torchrun has them."""
    parser = argparse.ArgumentParser(prog="python -m facula.distributed.run", description="Starts a program in several processes.", allow_abbrev=False)

    def option(*names, **settings):
        parser.add_argument(*names, *(n.replace("-", "_").replace("__", "--", 1) for n in names if "-" in n[2:]), **settings)

    option("--nnodes", default="1", help="number of machines")
    option("--nproc-per-node", default="1", help="processes on each machine: a number, or auto or cpu for one per core")
    option("--node-rank", type=int, default=int(os.environ.get("GROUP_RANK", 0)), help="this machine's number, where no rendezvous gives it")
    option("--master-addr", default="127.0.0.1", help="address of machine 0, where no rendezvous is used")
    option("--master-port", type=int, default=29500, help="its port")
    option("--rdzv-backend", default="static", help="c10d: machines meet at --rdzv-endpoint; static: --node-rank numbers them")
    option("--rdzv-endpoint", default="", help="host:port of one of the machines")
    option("--rdzv-id", default="none", help="name of the job")
    option("--rdzv-conf", default="", help="key=value,...: timeout is used")
    option("--standalone", action="store_true", help="one machine; a free port is found")
    option("--max-restarts", type=int, default=0, help="how often all are started again after a failure")
    option("--monitor-interval", type=float, default=0.1, help="seconds between looks at the processes")
    option("--start-method", default="spawn", choices=["spawn", "fork", "forkserver"], help="accepted; programs are always started afresh")
    option("--role", default="default", help="a name for messages")
    option("--log-dir", help="folder of the processes' output files")
    option("--local-addr", help="this machine's address, as others reach it")
    parser.add_argument("-r", "--redirects", default="0", help="what goes to files in --log-dir: 0 nothing, 1 stdout, 2 stderr, 3 both")
    parser.add_argument("-t", "--tee", default="0", help="what goes to files and to the console, with the rank in front")
    parser.add_argument("-m", "--module", action="store_true", help="the program is a module, as in python -m")
    option("--no-python", action="store_true", help="the program is an executable of its own")
    option("--run-path", action="store_true", help="accepted")
    parser.add_argument("training_script", help="the program")
    parser.add_argument("training_script_args", nargs=argparse.REMAINDER, help="its arguments")
    return parser


def parse_args(args=None):
    return get_args_parser().parse_args(args)


def processes_per_node(text):
    """The number that --nproc-per-node means."""
    if text in ("auto", "cpu"):
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if text == "gpu":
        raise ValueError("--nproc-per-node=gpu: Facula finds no GPU to count: give a number, or cpu")
    try:
        count = int(text)
    except ValueError:
        raise ValueError(f"Unsupported nproc_per_node value: {text}: give a number, auto or cpu") from None
    if count < 1:
        raise ValueError(f"--nproc-per-node must be at least 1, got {count}")
    return count


def nodes(text):
    """The number that --nnodes means."""
    low, _, high = text.partition(":")
    if high and low != high:
        raise ValueError(f"--nnodes={text}: a job has a fixed number of machines here: give one number")
    return int(low)


def free_port():
    with socket.socket() as s:
        s.bind(("", 0))
        return s.getsockname()[1]


def own_address():
    """An address of this machine that others may reach."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect(("10.255.255.255", 1))  # nothing is sent
            return s.getsockname()[0]
    except OSError:
        return "127.0.0.1"


# ---------------------------------------------------------------- machines

class _Place:
    """This machine among the others: its number, how many, and where rank 0 will listen."""

    def __init__(self, options):
        self.count = nodes(options.nnodes)
        self.store = None
        if options.standalone:
            self.count, self.rank, self.job = 1, 0, options.rdzv_id if options.rdzv_id != "none" else str(uuid.uuid4())
            self.master = lambda attempt: ("127.0.0.1", free_port())
        elif options.rdzv_backend == "c10d":
            self.job = options.rdzv_id
            self._meet(options)
        elif options.rdzv_backend == "static":
            self.rank, self.job = options.node_rank, options.rdzv_id
            host, _, port = options.rdzv_endpoint.rpartition(":") if options.rdzv_endpoint else (options.master_addr, "", options.master_port)
            self.master = lambda attempt: (host, int(port) + attempt)
        else:
            raise ValueError(f"--rdzv-backend={options.rdzv_backend}: use c10d or static")

    def _meet(self, options):
        """Machines meet in a store at the endpoint; whoever can keep it does."""
        host, _, port = (options.rdzv_endpoint or "localhost:29400").rpartition(":")
        conf = dict(p.split("=", 1) for p in options.rdzv_conf.split(",") if p)
        timeout = timedelta(seconds=float(conf.get("timeout", conf.get("join_timeout", 600))))
        try:
            self.store = TCPStore(host, int(port), None, _is_here(host), timeout, False)
        except RuntimeError:
            self.store = TCPStore(host, int(port), None, False, timeout, False)
        prefix = f"run/{self.job}"
        self.rank = self.store.add(f"{prefix}/nodes", 1) - 1
        if self.rank >= self.count:
            raise RuntimeError(f"job {self.job!r} at {host}:{port} already has its {self.count} machines")
        address = options.local_addr or (own_address() if not _is_loopback(host) else "127.0.0.1")

        def master(attempt):
            key = f"{prefix}/master/{attempt}"
            if self.rank == 0:
                self.store.set(key, f"{address} {free_port()}")
            found, port = self.store.get(key).decode().split()
            return found, int(port)

        self.master = master

    def failed(self, attempt):
        """Tells the other machines that an attempt has failed."""
        if self.store is not None:
            self.store.set(f"run/{self.job}/failed/{attempt}", "1")

    def others_failed(self, attempt):
        return self.store is not None and self.store.check([f"run/{self.job}/failed/{attempt}"])

    def finished(self):
        """Waits until all machines are done, so that none loses the store."""
        if self.store is None or self.count == 1:
            return
        done = self.store.add(f"run/{self.job}/done", 1)
        end = time.monotonic() + 300
        while self.store._server is not None and done < self.count and time.monotonic() < end:
            time.sleep(0.1)
            done = self.store.add(f"run/{self.job}/done", 0)


def _is_loopback(host):
    return host in ("localhost", "127.0.0.1", "::1", "")


def _is_here(host):
    """Whether a host is this machine."""
    try:
        address = socket.gethostbyname(host or "localhost")
        return address.startswith("127.") or address == own_address() or address in socket.gethostbyname_ex(socket.gethostname())[2]
    except OSError:
        return False


# ---------------------------------------------------------------- processes

class Worker:
    """One process of the program."""

    def __init__(self, command, environment, local_rank, outputs):
        self.local_rank, self.rank = local_rank, int(environment["RANK"])
        out, err, self.tees = outputs
        self.process = subprocess.Popen(command, env=environment, stdout=out, stderr=err)
        for name, target, file in self.tees:
            threading.Thread(target=self._copy, args=(getattr(self.process, name), target, file), daemon=True).start()

    def _copy(self, source, console, file):
        for line in source:
            file.write(line)
            file.flush()
            console.buffer.write(f"[default{self.local_rank}]:".encode() + line)
            console.flush()

    def end(self, number):
        if self.process.poll() is None:
            try:
                self.process.send_signal(number)
            except ProcessLookupError:
                pass


def _outputs(options, rank, attempt):
    """(stdout, stderr, copies) of a worker: console, file, or both."""
    chosen, tees = [None, None], []
    redirects, tee = int(options.redirects.split(",")[0].rpartition(":")[2]), int(options.tee.split(",")[0].rpartition(":")[2])
    if not redirects and not tee:
        return None, None, []
    import tempfile

    options.log_dir = options.log_dir or tempfile.mkdtemp(prefix="facula_run_")
    folder = os.path.join(options.log_dir, f"attempt_{attempt}", str(rank))
    os.makedirs(folder, exist_ok=True)
    for i, (name, bit) in enumerate((("stdout", 1), ("stderr", 2))):
        if tee & bit:
            chosen[i] = subprocess.PIPE
            tees.append((name, getattr(sys, name), open(os.path.join(folder, name + ".log"), "wb")))
        elif redirects & bit:
            chosen[i] = open(os.path.join(folder, name + ".log"), "wb")
    return chosen[0], chosen[1], tees


def _command(options):
    if options.no_python:
        if options.module:
            raise ValueError("Don't use both the '--no-python' flag and the '--module' flag at the same time.")
        return [options.training_script, *options.training_script_args]
    return [sys.executable, "-u", "-m", "facula", *(["-m"] if options.module else []), options.training_script, *options.training_script_args]


def _environment(options, place, local_rank, count, attempt, master):
    environment = dict(os.environ)
    rank = place.rank * count + local_rank
    environment.update(RANK=str(rank), LOCAL_RANK=str(local_rank), WORLD_SIZE=str(place.count * count), LOCAL_WORLD_SIZE=str(count),
                       GROUP_RANK=str(place.rank), GROUP_WORLD_SIZE=str(place.count), ROLE_NAME=options.role, ROLE_RANK=str(rank),
                       ROLE_WORLD_SIZE=str(place.count * count), MASTER_ADDR=master[0], MASTER_PORT=str(master[1]),
                       TORCHELASTIC_RESTART_COUNT=str(attempt), TORCHELASTIC_MAX_RESTARTS=str(options.max_restarts), TORCHELASTIC_RUN_ID=place.job)
    if count > 1 and "OMP_NUM_THREADS" not in environment:
        environment["OMP_NUM_THREADS"] = "1"
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    if "facula" in os.listdir(root) and root not in sys.path[1:] and os.getcwd() != root:
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (environment.get("PYTHONPATH"), root)))
    return environment


def _watch(workers, place, attempt, interval):
    """Waits until all have ended well (None), or gives the first that failed; True: on another machine."""
    running = list(workers)
    while running:
        for w in list(running):
            code = w.process.poll()
            if code is None:
                continue
            running.remove(w)
            if code:
                place.failed(attempt)
                return w
        if place.others_failed(attempt):
            return True
        time.sleep(interval)
    return None


def stop(workers, patience=15.0):
    """Asks the processes to end, and then makes them."""
    for w in workers:
        w.end(signal.SIGTERM)
    end = time.monotonic() + patience
    for w in workers:
        try:
            w.process.wait(max(end - time.monotonic(), 0.01))
        except subprocess.TimeoutExpired:
            w.end(signal.SIGKILL)
            w.process.wait()


class ChildFailedError(Exception):
    """A process of the program failed."""

    def __init__(self, program, worker):
        code = worker.process.returncode
        how = f"Signal {-code} ({signal.Signals(-code).name}) received by PID {worker.process.pid}" if code < 0 else f"exitcode {code}"
        bar = "=" * 60
        super().__init__(f"\n{bar}\n{program} FAILED\n{'-' * 60}\nRoot Cause (first observed failure):\n[0]:\n  time      : {time.strftime('%Y-%m-%d_%H:%M:%S')}\n"
                         f"  host      : {socket.gethostname()}\n  rank      : {worker.rank} (local_rank: {worker.local_rank})\n"
                         f"  exitcode  : {code} (pid: {worker.process.pid})\n  traceback : {how}; see its output above\n{bar}")


def run(options):
    """Starts the program as the options say; returns when it has ended.

    Raises:
        ChildFailedError: A process failed, and no restart is left.
        ValueError: Options that do not fit.
    """
    count, place = processes_per_node(options.nproc_per_node), _Place(options)
    for attempt in range(options.max_restarts + 1):
        master = place.master(attempt)
        workers = []
        try:
            for i in range(count):
                environment = _environment(options, place, i, count, attempt, master)
                workers.append(Worker(_command(options), environment, i, _outputs(options, int(environment["RANK"]), attempt)))
            failed = _watch(workers, place, attempt, options.monitor_interval)
        finally:
            stop(workers)
        if failed is None:
            place.finished()
            return
        text = "another machine's process failed" if failed is True else f"rank {failed.rank} (local_rank: {failed.local_rank}) ended with {failed.process.returncode}"
        print(f"facula.distributed.run: {text}; {options.max_restarts - attempt} restarts left", file=sys.stderr, flush=True)
    if failed is not True:
        raise ChildFailedError(options.training_script, failed)
    raise RuntimeError("a process on another machine failed; see that machine's output")


def _interrupt(number, frame):
    raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)


def main(args=None):
    """What the command line calls."""
    options = parse_args(args)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        run(options)
    except ChildFailedError as error:
        print(f"facula.distributed.run: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except ValueError as error:
        print(f"facula.distributed.run: {error}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
