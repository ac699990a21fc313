"""Starting the same function in several processes, and hearing of their failures."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import pickle
import signal
import sys
import tempfile
import time
import traceback

ENV_VAR_PARALLEL_START = "TORCH_MP_PARALLEL_START"  # accepted; processes start one after the other
__all__ = ["ProcessContext", "SpawnContext", "ProcessException", "ProcessRaisedException", "ProcessExitedException", "spawn", "start_processes"]


class ProcessException(Exception):
    """A process that `spawn` started has failed."""

    def __init__(self, msg, error_index, pid):
        super().__init__(msg)
        self.msg, self.error_index, self.pid = msg, error_index, pid

    def __reduce__(self):
        return type(self), (self.msg, self.error_index, self.pid)


class ProcessRaisedException(ProcessException):
    """It raised an exception."""


class ProcessExitedException(ProcessException):
    """It ended by a signal or an exit status."""

    def __init__(self, msg, error_index, error_pid, exit_code, signal_name=None):
        super().__init__(msg, error_index, error_pid)
        self.exit_code, self.signal_name = exit_code, signal_name

    def __reduce__(self):
        return type(self), (self.msg, self.error_index, self.pid, self.exit_code, self.signal_name)


def _wrap(function, index, args, error_file):
    try:
        function(index, *args)
    except KeyboardInterrupt:
        pass
    except Exception:
        with open(error_file, "wb") as file:
            pickle.dump(traceback.format_exc(), file)
        sys.exit(1)


class ProcessContext:
    """The processes of one `spawn`."""

    def __init__(self, processes, error_files):
        self.processes, self.error_files = processes, error_files
        self.sentinels = {p.sentinel: i for i, p in enumerate(processes)}

    def pids(self):
        return [p.pid for p in self.processes]

    def join(self, timeout=None, grace_period=None):
        """Waits up to `timeout` seconds; True when all have ended well.

        The first failure ends the others, which get `grace_period` seconds to leave by themselves, and is raised.
        """
        if not self.sentinels:
            return True
        failed = None
        for sentinel in multiprocessing.connection.wait(list(self.sentinels), timeout=timeout):
            index = self.sentinels.pop(sentinel)
            self.processes[index].join()
            if self.processes[index].exitcode != 0:
                failed = index
                break
        if failed is None:
            return not self.sentinels
        until = time.monotonic() + (grace_period or 0)
        for process in self.processes:
            process.join(max(0, until - time.monotonic()))
            if process.is_alive():
                process.terminate()
        for process in self.processes:
            process.join(30)
            if process.is_alive():
                process.kill()
                process.join()
        self._raise(failed)

    def _raise(self, index):
        process = self.processes[index]
        try:
            with open(self.error_files[index], "rb") as file:
                text = pickle.load(file)
        except (OSError, EOFError):
            text = None
        if text is not None:
            raise ProcessRaisedException(f"\n\n-- Process {index} terminated with the following error:\n{text}", index, process.pid)
        if process.exitcode < 0:
            try:
                name = signal.Signals(-process.exitcode).name
            except ValueError:
                name = f"<Unknown signal {-process.exitcode}>"
            raise ProcessExitedException(f"process {index} terminated with signal {name}", index, process.pid, process.exitcode, name)
        raise ProcessExitedException(f"process {index} terminated with exit code {process.exitcode}", index, process.pid, process.exitcode)


SpawnContext = ProcessContext


def start_processes(fn, args=(), nprocs=1, join=True, daemon=False, start_method="spawn"):
    """Calls `fn(i, *args)` in `nprocs` processes; see `spawn`."""
    from . import init_reductions

    init_reductions()
    context = multiprocessing.get_context(start_method)
    folder = tempfile.mkdtemp(prefix="facula-spawn-")
    processes, files = [], []
    for i in range(nprocs):
        files.append(f"{folder}/{i}.error")
        process = context.Process(target=_wrap, args=(fn, i, args, files[-1]), daemon=daemon)
        process.start()
        processes.append(process)
    started = ProcessContext(processes, files)
    if not join:
        return started
    try:
        while not started.join():
            pass
    finally:
        import shutil

        shutil.rmtree(folder, ignore_errors=True)
    return None


def spawn(fn, args=(), nprocs=1, join=True, daemon=False, start_method="spawn"):
    """Calls `fn(i, *args)` for i = 0 … nprocs-1, each in a process of its own, and waits for them.

    Raises:
        ProcessRaisedException: One of them raised; its traceback is in the text.
        ProcessExitedException: One of them was killed or exited with a status.
    """
    return start_processes(fn, args, nprocs, join, daemon, start_method)
