"""Timing of statements, with medians and tables."""

from __future__ import annotations

import statistics
import time
import timeit as _timeit
from dataclasses import dataclass, field

import facula

__all__ = ["Timer", "Measurement", "Compare", "TaskSpec", "timer"]
timer = time.perf_counter


@dataclass(frozen=True)
class TaskSpec:
    """What is measured."""

    stmt: str
    setup: str
    global_setup: str = ""
    label: str | None = None
    sub_label: str | None = None
    description: str | None = None
    env: str | None = None
    num_threads: int = 1

    @property
    def title(self):
        if self.label is not None:
            return self.label + (f": {self.sub_label}" if self.sub_label else "")
        return self.stmt if "\n" not in self.stmt else f"stmt:\n{self.stmt}"


def _readable(seconds):
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return seconds / size, unit
    return seconds / 1e-9, "ns"


@dataclass
class Measurement:
    """Times of one statement, in seconds for one run."""

    number_per_run: int
    raw_times: list
    task_spec: TaskSpec
    metadata: dict = field(default_factory=dict)

    @property
    def times(self):
        return [t / self.number_per_run for t in self.raw_times]

    @property
    def median(self):
        return statistics.median(self.times)

    @property
    def mean(self):
        return statistics.fmean(self.times)

    @property
    def iqr(self):
        if len(self.times) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.times, n=4)
        return high - low

    def __getattr__(self, name):
        if name in ("stmt", "setup", "label", "sub_label", "description", "env", "num_threads", "title"):
            return getattr(self.task_spec, name)
        raise AttributeError(name)

    def __repr__(self):
        value, unit = _readable(self.median)
        count = len(self.raw_times)
        kind = "Median" if count > 1 else "measurement,"
        thread = f"{self.num_threads} thread{'s' if self.num_threads > 1 else ''}"
        return (f"<{__name__.replace('facula', facula._names.prefix)}.Measurement object>\n{self.title}\n  {kind}: {value:.2f} {unit}\n"
                f"  {count} measurement{'s' if count > 1 else ''}, {self.number_per_run} runs {'per measurement' if count > 1 else ''}, {thread}")


class Timer:
    """Times a statement, with warm-up and on a fixed number of threads (1 by default)."""

    def __init__(self, stmt="pass", setup="pass", global_setup="", timer=timer, globals=None, label=None, sub_label=None, description=None,
                 env=None, num_threads=1, language="python"):
        self._spec = TaskSpec(stmt, setup, global_setup, label, sub_label, description, env, num_threads)
        names = {"torch": facula, "facula": facula, **(globals or {})}
        self._timer = _timeit.Timer(stmt, setup, timer, names)

    def _run(self, number):
        before = facula.get_num_threads()
        facula.set_num_threads(self._spec.num_threads)
        try:
            return max(self._timer.timeit(number), 1e-9)
        finally:
            facula.set_num_threads(before)

    def timeit(self, number=1000000):
        """One measurement of `number` runs."""
        self._run(max(number // 100, 2))
        return Measurement(number, [self._run(number)], self._spec)

    def _block_size(self, min_run_time):
        number = 1
        while (taken := self._run(number)) < max(min_run_time / 1000, 1e-4) and number < 10 ** 9:
            number *= 10 if taken < 1e-5 else 2
        return number

    def blocked_autorange(self, callback=None, min_run_time=0.2):
        """As many measurements as fit the time."""
        number, times, used = self._block_size(min_run_time), [], 0.0
        while used < min_run_time:
            times.append(self._run(number))
            used += times[-1]
            if callback is not None:
                callback(number, times[-1])
        return Measurement(number, times, self._spec)

    def adaptive_autorange(self, threshold=0.1, *, min_run_time=0.01, max_run_time=10.0, callback=None):
        """Measurements until their spread is small."""
        number, times, used = self._block_size(min_run_time), [], 0.0
        while used < max_run_time:
            times.append(self._run(number))
            used += times[-1]
            found = Measurement(number, times, self._spec)
            if used >= min_run_time and len(times) > 3 and found.iqr <= threshold * found.median:
                break
        return Measurement(number, times, self._spec)


class Compare:
    """A table of measurements: one row a sub-label, one column a description."""

    def __init__(self, results):
        self._results = list(results)

    def extend_results(self, results):
        self._results.extend(results)

    def trim_significant_figures(self):
        """Accepted; times are printed with two digits after the point."""

    def colorize(self, rowwise=False):
        """Accepted; the table has no colours."""

    def print(self):
        print(self)

    def __str__(self):
        tables = []
        for label in dict.fromkeys(m.label for m in self._results):
            group = [m for m in self._results if m.label == label]
            columns = list(dict.fromkeys(m.description or "" for m in group))
            rows = list(dict.fromkeys((m.num_threads, m.sub_label or m.stmt) for m in group))
            _, unit = _readable(min(m.median for m in group))
            scale = {"s": 1, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}[unit]
            cells = [["", *columns]]
            for threads, name in rows:
                found = {m.description or "": m for m in group if (m.num_threads, m.sub_label or m.stmt) == (threads, name)}
                cells.append([name, *(f"{found[c].median / scale:.2f}" if c in found else "" for c in columns)])
            widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
            lines = ["  |  ".join(cell.rjust(w) for cell, w in zip(row, widths)) for row in cells]
            body = [lines[0], f"{rows[0][0]} threads: " + "-" * max(len(lines[0]) - 11, 4), *lines[1:]]
            tables.append(f"[{'-' * 8} {label} {'-' * 8}]\n" + "\n".join(body) + f"\n\nTimes are in {unit}.")
        return "\n\n".join(tables)
