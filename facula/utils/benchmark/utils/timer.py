"""Times statements."""

from __future__ import annotations

import enum
import textwrap
import time
import timeit

import facula

from .common import Measurement, TaskSpec, set_torch_threads

__all__ = ["Timer", "timer", "Language"]
timer = time.perf_counter


class Language(enum.Enum):
    """What a statement is written in."""

    PYTHON = 0
    CPP = 1


def _dedented(text):
    return textwrap.dedent(text).strip("\n").rstrip()


class Timer:
    """Times a statement after a warm-up, on a fixed number of threads.

    Args:
        stmt: What is timed.
        setup: What runs before, once.
        globals: Names that both can use; `torch` is there anyway.
        label, sub_label, description, env: How tables name it: a table a label, a row a sub-label (and environment), a column a description.
        num_threads: Threads of the operations; 1 by default, so that machines compare.
    """

    def __init__(self, stmt="pass", setup="pass", global_setup="", timer=timer, globals=None, label=None, sub_label=None, description=None,
                 env=None, num_threads=1, language=Language.PYTHON):
        if not isinstance(stmt, str):
            raise ValueError("Currently only a `str` stmt is supported.")
        if language not in (Language.PYTHON, Language.CPP) and str(language).lower() not in ("py", "python", "cpp", "c++"):
            raise ValueError(f"Invalid language `{language}`.")
        if language is Language.CPP or str(language).lower() in ("cpp", "c++"):
            raise NotImplementedError("benchmark.Timer times Python: Facula has no C++ frontend that a statement could be compiled against")
        if global_setup:
            raise ValueError(f"global_setup is C++ only, got `{global_setup}`. Most likely this code can simply be moved to `setup`.")
        names = dict(globals or {})
        names.setdefault("torch", facula)
        stmt, setup = _dedented(stmt), _dedented(setup)
        self._task_spec = TaskSpec(stmt, setup, global_setup, label, sub_label, description, env, num_threads)
        self._timer = timeit.Timer(stmt, setup, timer, names)

    def _timeit(self, number):
        return max(self._timer.timeit(number), 1e-9)  # a clock may not have moved

    def timeit(self, number=1000000):
        """One measurement of `number` runs."""
        with set_torch_threads(self._task_spec.num_threads):
            self._timeit(max(int(number // 100), 2))  # warm-up
            return Measurement(number, [self._timeit(number)], self._task_spec)

    def repeat(self, repeat=-1, number=-1):
        """Not there: blocked_autorange repeats.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("See `Timer.blocked_autorange.`")

    def autorange(self, callback=None):
        """Not there: blocked_autorange finds the number of runs.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("See `Timer.blocked_autorange.`")

    def _block_size(self, min_run_time):
        """Runs per measurement: enough that the clock's own cost is below a ten-thousandth."""
        with set_torch_threads(self._task_spec.num_threads):
            overhead = sorted(self._timeit(0) for _ in range(5))[2]
            number = 1
            while True:
                taken = self._timeit(number)
                enough = overhead / taken <= 1e-4 and taken >= min_run_time / 1000
                if enough or taken > min_run_time or number * 10 > 2147483647:
                    return number
                number *= 10

    def _measure(self, number, stop, min_run_time, max_run_time, callback):
        times, used = [], 0.0
        with set_torch_threads(self._task_spec.num_threads):
            self._timeit(max(number // 100, 2))
            while used < min_run_time or stop is not None and used < max_run_time and not stop(times):
                times.append(self._timeit(number))
                used += times[-1]
                if callback is not None:
                    callback(number, times[-1])
        return Measurement(number, times, self._task_spec)

    def blocked_autorange(self, callback=None, min_run_time=0.2):
        """Measurements of a fitting number of runs until `min_run_time` seconds are used.

        Args:
            callback: Called with the number of runs and their seconds after each measurement.
        """
        return self._measure(self._block_size(min_run_time), None, min_run_time, None, callback)

    def adaptive_autorange(self, threshold=0.1, *, min_run_time=0.01, max_run_time=10.0, callback=None):
        """Measurements until their interquartile range is below `threshold` medians, or `max_run_time` seconds are used."""
        number = self._block_size(0.05)

        def stop(times):
            return len(times) > 3 and Measurement(number, times, self._task_spec).meets_confidence(threshold)

        return self._measure(number, stop, min_run_time, max_run_time, callback)

    def collect_callgrind(self, number=100, *, repeats=None, collect_baseline=True, retain_out_file=False):
        """Not there.

        Raises:
            NotImplementedError: Always; counting instructions needs Valgrind and a debug build of Python.
        """
        raise NotImplementedError("Timer.collect_callgrind: Facula counts no instructions; use `perf stat` or Valgrind on the whole program")
