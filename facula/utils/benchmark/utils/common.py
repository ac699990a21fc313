"""What is measured, and measurements."""

from __future__ import annotations

import contextlib
import math
import statistics
import textwrap
from dataclasses import dataclass

import facula

__all__ = ["TaskSpec", "Measurement", "select_unit", "unit_to_english", "trim_sigfig", "ordered_unique", "set_torch_threads"]
_UNITS = (("s", 1), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9))
_ENGLISH = {"ns": "nanosecond", "us": "microsecond", "ms": "millisecond", "s": "second"}
_MOST_FIGURES = 4
_RESOLUTION = 25e-9      # seconds below which differences of single runs mean nothing
_NOISY, _VERY_NOISY = 0.1, 0.25  # interquartile range by median


def select_unit(t):
    """(name, seconds) of the unit in which a time reads best."""
    return next(((name, size) for name, size in _UNITS if t >= size), _UNITS[0] if t < 1e-9 else _UNITS[-1])


def unit_to_english(u):
    """A unit's name in full."""
    return _ENGLISH[u]


def trim_sigfig(x, n):
    """x rounded to n significant figures."""
    if n != int(n):
        raise AssertionError("n must be an integer")
    if not x:
        return x
    return round(x, n - math.ceil(math.log10(abs(x))))


def ordered_unique(elements):
    """The elements without repetitions, in order."""
    return list(dict.fromkeys(elements))


@contextlib.contextmanager
def set_torch_threads(n):
    """Inside, operations run on n threads."""
    before = facula.get_num_threads()
    try:
        facula.set_num_threads(n)
        yield
    finally:
        facula.set_num_threads(before)


def _block(text):
    return textwrap.indent(text.strip("\n"), "  ")


@dataclass(init=True, repr=False, eq=True, frozen=True)
class TaskSpec:
    """What is measured, and how tables name it."""

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
        """The label, or the statement."""
        if self.label is not None:
            return self.label + (f": {self.sub_label}" if self.sub_label else "")
        sub = f" ({self.sub_label})" if self.sub_label else ""
        if "\n" not in self.stmt:
            return self.stmt + (f":{sub}" if sub else "")
        return f"stmt:{sub}\n{_block(self.stmt)}"

    def setup_str(self):
        """The setup for people to read; empty if there is none."""
        if self.setup == "pass" or not self.setup:
            return ""
        return f"setup:\n{_block(self.setup)}\n" if "\n" in self.setup else f"setup: {self.setup}"

    def summarize(self):
        """Title, description and setup, a line each."""
        return "\n".join(s for s in (self.title, self.description or "", self.setup_str()) if s)


class Measurement:
    """Times of one task: `raw_times` in seconds, each of `number_per_run` runs.

    Everything of the TaskSpec can be read from the measurement, too.
    """

    def __init__(self, number_per_run, raw_times, task_spec, metadata=None):
        self.number_per_run, self.raw_times, self.task_spec, self.metadata = number_per_run, raw_times, task_spec, metadata

    def __getattr__(self, name):
        if name.startswith("__") or "task_spec" not in self.__dict__ or not hasattr(TaskSpec, name) and name not in TaskSpec.__dataclass_fields__:
            raise AttributeError(f"'Measurement' object has no attribute '{name}'")
        return getattr(self.task_spec, name)

    def __eq__(self, other):
        return isinstance(other, Measurement) and self.__dict__ == other.__dict__

    __hash__ = object.__hash__

    @property
    def times(self):
        """Seconds of one run, by measurement."""
        return [t / self.number_per_run for t in self.raw_times]

    @property
    def median(self):
        """Seconds."""
        return statistics.median(self.times) if self.raw_times else -1.0

    @property
    def mean(self):
        """Seconds."""
        return statistics.fmean(self.times) if self.raw_times else -1.0

    @property
    def quartiles(self):
        """Seconds below which a quarter, and three quarters, of the measurements lie."""
        ordered = sorted(self.times)
        return tuple(self._quantile(ordered, q) for q in (0.25, 0.75))

    @staticmethod
    def _quantile(ordered, q):
        place = q * (len(ordered) - 1)
        low = int(place)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (ordered[high] - ordered[low]) * (place - low)

    @property
    def iqr(self):
        """The interquartile range in seconds."""
        if not self.raw_times:
            return -1.0
        low, high = self.quartiles
        return high - low

    @property
    def significant_figures(self):
        """How many digits of the median mean something: by the standard error of the middle half, 90% sure, if times were normal."""
        n = len(self.raw_times)
        middle = sorted(self.times)[n // 4:math.ceil(3 * n / 4)]
        error = max(1.645 * statistics.pstdev(middle) / math.sqrt(len(middle)), _RESOLUTION)
        return min(max(math.floor(math.log10(self.median / error)), 1), _MOST_FIGURES)

    @property
    def has_warnings(self):
        """Whether the times spread widely."""
        return not self.meets_confidence()

    def meets_confidence(self, threshold=_NOISY):
        """Whether the interquartile range is below `threshold` medians."""
        return self.iqr / self.median < threshold

    @property
    def title(self):
        """The task's title."""
        return self.task_spec.title

    @property
    def env(self):
        """The task's environment."""
        return self.task_spec.env

    @property
    def as_row_name(self):
        """What a table's row is called."""
        return self.task_spec.sub_label or self.task_spec.stmt or "[Unknown]"

    @staticmethod
    def merge(measurements):
        """Measurements of one task as one."""
        groups = {}
        for m in measurements:
            groups.setdefault(m.task_spec, []).append(m)

        def merged(task, group):
            numbers = {m.number_per_run for m in group}
            number = numbers.pop() if len(numbers) == 1 else 1
            return Measurement(number, [t * number for m in group for t in m.times], task)

        return [merged(task, group) for task, group in groups.items()]

    def __repr__(self):
        name, size = select_unit(self.median)
        n = len(self.raw_times)
        lines = [f"{super().__repr__()}", self.task_spec.summarize(), f"  {'Median: ' if n > 1 else ''}{self.median / size:.2f} {name}"]
        if n > 3:
            low, high = self.quartiles
            lines.append(f"  IQR:    {self.iqr / size:.2f} {name} ({low / size:.2f} to {high / size:.2f})")
        lines.append(f"  {n} measurement{'s' if n > 1 else ''}, {self.number_per_run} runs {'per measurement' if n > 1 else ''}, "
                     f"{self.task_spec.num_threads} thread{'s' if self.task_spec.num_threads > 1 else ''}")
        if self.has_warnings:
            spread = self.iqr / self.median
            reason = "This suggests significant environmental influence." if spread >= _VERY_NOISY else "This could indicate system fluctuation."
            lines += [f"  WARNING: Interquartile range is {spread * 100:.1f}% of the median measurement.", f"           {reason}"]
        return "\n".join(lines)
