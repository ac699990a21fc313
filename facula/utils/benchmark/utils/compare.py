"""Tables of measurements."""

from __future__ import annotations

import enum
import math

from .common import ordered_unique, select_unit, trim_sigfig, unit_to_english

__all__ = ["Colorize", "Compare"]
_END = "\033[0m"
_BEST, _GOOD, _BAD, _VERY_BAD, _BOLD = "\033[92m", "\033[34m", "\033[2m\033[91m", "\033[31m", "\033[1m"


class Colorize(enum.Enum):
    """What a time's colour compares it with."""

    NONE = "none"
    COLUMNWISE = "columnwise"
    ROWWISE = "rowwise"


def _coloured(text, value, best):
    if value <= best * 1.01 or value <= best + 100e-9:
        return f"{_BEST}{_BOLD}{text}{_END}{_END}"
    if value <= best * 1.1:
        return f"{_GOOD}{_BOLD}{text}{_END}{_END}"
    if value >= best * 5:
        return f"{_VERY_BAD}{_BOLD}{text}{_END}{_END}"
    return f"{_BAD}{text}{_END}{_END}" if value >= best * 2 else text


class _Column:
    """The measurements of one description, by row."""

    def __init__(self, by_row, description, size, trim, warn):
        self.by_row, self.description, self.size, self.trim, self.warn = by_row, description, size, trim, warn
        found = list(by_row.values())
        self.best = min((m.median for m in found), default=0)
        digits = [math.ceil(math.log10(m.median / size)) for m in found]
        self.decimals = max((m.significant_figures - d for m, d in zip(found, digits)), default=1) if trim else 1
        self.decimals = max(self.decimals, 0)
        self.width = max(digits, default=1) + (self.decimals + 1 if self.decimals else 0)
        self.marks = any(m.has_warnings for m in found) if warn else False

    def cell(self, row):
        """The text of a row."""
        m = self.by_row.get(row)
        if m is None:
            return ""
        value = m.median / self.size
        value = trim_sigfig(value, m.significant_figures) if self.trim else value
        text = f"{value:>{self.width}.{self.decimals}f}"
        if self.marks:
            text += f" (! {m.iqr / m.median * 100:.0f}%)" if m.has_warnings else " " * len(" (! XX%)")
        return text


class Compare:
    """Tables of measurements: one a label, with a row for each sub-label and a column for each description.

    Args:
        results: Measurements.
    """

    def __init__(self, results):
        self._results = []
        self.extend_results(results)
        self._trim, self._warn, self._colorize = False, False, Colorize.NONE

    def extend_results(self, results):
        """Adds measurements."""
        from .common import Measurement

        for r in results:
            if not isinstance(r, Measurement):
                raise ValueError(f"Expected an instance of `Measurement`, got {type(r)} instead.")
        self._results.extend(results)

    def trim_significant_figures(self):
        """Shows only digits that mean something."""
        self._trim = True

    def colorize(self, rowwise=False):
        """Colours times by the best of their column and threads, or of their row."""
        self._colorize = Colorize.ROWWISE if rowwise else Colorize.COLUMNWISE

    def highlight_warnings(self):
        """Marks measurements that spread widely."""
        self._warn = True

    def print(self):
        """Prints the tables."""
        print(str(self))

    def __str__(self):
        from .common import Measurement

        merged = Measurement.merge(self._results)
        return "\n".join(self._table([m for m in merged if m.label == label]) for label in ordered_unique(m.label for m in merged))

    def _table(self, group):
        unit, size = select_unit(min(m.median for m in group))
        keys = [(m.num_threads, m.env or "", m.as_row_name) for m in group]
        rows = sorted(ordered_unique(keys), key=lambda k: k[:2])
        columns = [_Column({k: m for k, m in zip(keys, group) if m.description == d}, d, size, self._trim, self._warn)
                   for d in ordered_unique(m.description for m in group)]
        environments = max(len(env) for _, env, _ in rows)
        names = [f"  ({env}){' ' * (environments - len(env))}  {name}" if env else " " * (environments + 6) + name for _, env, name in rows]
        head = max(map(len, names))
        widths = [max(len(c.description or ""), *(len(c.cell(r)) for r in rows)) for c in columns]
        lines = ["  |  ".join([" " * head, *((c.description or "").center(w) for c, w in zip(columns, widths))])]
        total = len(lines[0])
        for i, (row, name) in enumerate(zip(rows, names)):
            if i == 0 or rows[i - 1][0] != row[0]:
                lines.append(f"{row[0]} threads: ".ljust(total, "-"))
            cells = [self._shaded(c.cell(row).center(w), c, columns, row, rows) for c, w in zip(columns, widths)]
            lines.append("  |  ".join([name.ljust(head), *cells]))
        title = f" {group[0].label or ''} ".center(total - 2, "-")
        notes = [f"Times are in {unit_to_english(unit)}s ({unit})."]
        if any(c.marks for c in columns):
            notes.append("(! XX%) Measurement has high variance, where XX is the IQR / median * 100.")
        return "\n".join([f"[{title}]", *lines, "", *notes, ""])

    def _shaded(self, text, column, columns, row, rows):
        m = column.by_row.get(row)
        if m is None or self._colorize is Colorize.NONE:
            return text
        if self._colorize is Colorize.ROWWISE:
            best = min(c.by_row[row].median for c in columns if row in c.by_row)
        else:
            best = min(column.by_row[r].median for r in rows if r in column.by_row and r[0] == row[0])
        return _coloured(text, m.median, best)
