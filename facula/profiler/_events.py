"""Events as users see them: single ones, averages by name, tables, Chrome traces."""

from __future__ import annotations

import json
import os
from collections import defaultdict


def time_text(us):
    """A time in microseconds with its unit."""
    if us >= 1e6:
        return f"{us / 1e6:.3f}s"
    return f"{us / 1e3:.3f}ms" if us >= 1e3 else f"{us:.3f}us"


def memory_text(count):
    """Bytes with their unit."""
    for unit, size in (("GB", 2 ** 30), ("MB", 2 ** 20), ("KB", 2 ** 10)):
        if abs(count) >= size:
            return f"{count / size:.2f} {unit}"
    return f"{count} B"


def _time(us, unit):
    """A time in the given unit, or in the one that fits."""
    scale = {"s": 1e6, "ms": 1e3, "us": 1.0}
    return time_text(us) if unit is None else f"{us / scale[unit]:.3f}{unit}"


class _Times:
    """Properties by both of their names: times in microseconds, as numbers and as text."""

    device_type = 0
    device_time = device_time_total = self_device_time_total = cuda_time = cuda_time_total = self_cuda_time_total = 0.0
    device_memory_usage = self_device_memory_usage = cuda_memory_usage = self_cuda_memory_usage = 0
    is_async = is_remote = is_legacy = False

    @property
    def cpu_time(self):
        return self.cpu_time_total / self.count if self.count else 0.0

    cpu_time_str = property(lambda self: time_text(self.cpu_time))
    cpu_time_total_str = property(lambda self: time_text(self.cpu_time_total))
    self_cpu_time_total_str = property(lambda self: time_text(self.self_cpu_time_total))
    device_time_str = device_time_total_str = self_device_time_total_str = property(lambda self: time_text(0.0))


class TimeRange:
    """Start and end in microseconds."""

    def __init__(self, start, end):
        self.start, self.end = start, end

    def elapsed_us(self):
        """Microseconds in between."""
        return self.end - self.start


class FunctionEvent(_Times):
    """One event."""

    count = 1

    def __init__(self, event, began):
        self.name = self.key = self.trace_name = event.name
        self.id, self.thread, self.stack = event.id, event.thread, event.stack
        self.input_shapes, self.concrete_inputs, self.flops = event.shapes, event.values, event.flops
        self.time_range = TimeRange((event.start - began) / 1e3, (event.end - began) / 1e3)
        self.cpu_time_total = event.duration / 1e3
        self.self_cpu_time_total = (event.duration - sum(c.duration for c in event.children)) / 1e3
        self.cpu_memory_usage = event.memory
        self.self_cpu_memory_usage = event.memory - sum(c.memory for c in event.children)
        self.cpu_parent, self.cpu_children = None, []
        self.scope = 7 if event.kind == "user_annotation" else 0
        self.is_user_annotation = event.kind == "user_annotation"
        self.kind, self.types = event.kind, event.types

    def __repr__(self):
        return (f"<FunctionEvent id={self.id} name={self.name} device_type=DeviceType.CPU node_id=-1 cpu_time={self.cpu_time_str} "
                f"start_us={self.time_range.start} end_us={self.time_range.end} cpu_children={[c.id for c in self.cpu_children]} "
                f"name={self.name} thread={self.thread} input_shapes={self.input_shapes} cpu_memory_usage={self.cpu_memory_usage}>")


class FunctionEventAvg(_Times):
    """Events of one name, summed."""

    def __init__(self, first, shapes=False, stack=()):
        self.key, self.input_shapes, self.stack = first.key, first.input_shapes if shapes else "", list(stack)
        self.count = self.flops = self.cpu_memory_usage = self.self_cpu_memory_usage = 0
        self.cpu_time_total = self.self_cpu_time_total = 0.0
        self.scope, self.is_user_annotation = first.scope, first.is_user_annotation
        self.cpu_children, self.cpu_parent = [], None

    def add(self, event):
        """Adds an event."""
        self.count += event.count
        for name in ("flops", "cpu_memory_usage", "self_cpu_memory_usage", "cpu_time_total", "self_cpu_time_total"):
            setattr(self, name, getattr(self, name) + getattr(event, name))
        return self

    def __repr__(self):
        return (f"<FunctionEventAvg key={self.key} self_cpu_time={self.self_cpu_time_total_str} cpu_time={self.cpu_time_str}  "
                f"self_cuda_time=0.000us cuda_time=0.000us input_shapes={self.input_shapes} cpu_memory_usage={self.cpu_memory_usage} "
                "cuda_memory_usage=0>")


class EventList(list):
    """Events, or their averages; `table` shows them."""

    def __init__(self, items=(), profile_memory=False, with_flops=False, with_stack=False):
        super().__init__(items)
        self._memory, self._flops, self._with_stack = profile_memory, with_flops, with_stack

    supported_export_stacks_metrics = ("self_cpu_time_total", "self_cuda_time_total", "self_xpu_time_total", "self_privateuse1_time_total")

    @property
    def self_cpu_time_total(self):
        """Microseconds in all events together."""
        return sum(e.self_cpu_time_total for e in self)

    def key_averages(self, group_by_input_shapes=False, group_by_stack_n=0, group_by_overload_name=False):
        """Events of one name (and shapes, and innermost stack) as one."""
        groups: dict = {}
        for e in self:
            key = (e.key, str(e.input_shapes) if group_by_input_shapes else "", tuple(e.stack[:group_by_stack_n]))
            if key not in groups:
                groups[key] = FunctionEventAvg(e, group_by_input_shapes, key[2])
            groups[key].add(e)
        return EventList(groups.values(), self._memory, self._flops, self._with_stack)

    def total_average(self):
        """All events as one."""
        total = None
        for e in self:
            total = total or FunctionEventAvg(e)
            total.add(e)
        if total is not None:
            total.key = "Total"
        return total

    def table(self, sort_by=None, row_limit=100, max_src_column_width=75, max_name_column_width=55, max_shapes_column_width=80, header=None,
              top_level_events_only=False, time_unit=None):
        """The events as text.

        Args:
            sort_by: The attribute that orders the rows, "cpu_time_total" for example; by default the order of first calls.
            row_limit: Rows that are shown; all if it is -1.
            header: A line above the table.
            top_level_events_only: Only what no other event encloses.
            time_unit: s, ms or us for all times.
        """
        if not self:
            return ""
        shown = [e for e in self if not top_level_events_only or e.cpu_parent is None]
        if sort_by is not None:
            name = sort_by.replace("cuda_", "device_") if sort_by.startswith("cuda") else sort_by
            if not hasattr(shown[0], name):
                raise AttributeError(f"cannot sort by {sort_by!r}: use cpu_time_total, self_cpu_time_total, cpu_time, count or cpu_memory_usage")
            shown.sort(key=lambda e: -getattr(e, name))
        rows = shown[:row_limit] if row_limit >= 0 else shown
        width = min(max(len(e.key) for e in rows) + 4, max_name_column_width)
        columns = [("Name", width, lambda e: _cut(e.key, width))] + self._columns(rows, max_shapes_column_width, max_src_column_width, time_unit)
        line = "".join("-" * w + "  " for _, w, _ in columns)
        out = [] if header is None else ["=" * len(line), header]
        if top_level_events_only:
            out += ["=" * len(line), "This report only display top-level ops statistics"]
        out += [line, "".join(name.rjust(w) + "  " for name, w, _ in columns), line]
        for e in rows:
            out.append("".join(cell(e).rjust(w) + "  " for _, w, cell in columns))
            deeper = e.stack[1:5] if columns[-1][0] == "Source Location" else ()
            out += ["".join((_cut(s, w) if i + 1 == len(columns) else "").rjust(w) + "  " for i, (_, w, _) in enumerate(columns)) for s in deeper]
        out += [line, f"Self CPU time total: {_time(self.self_cpu_time_total, time_unit)}", ""]
        return "\n".join(out)

    def _columns(self, rows, shapes_width, source_width, unit):
        """(title, width, text of an event) of the columns after the name."""
        total = self.self_cpu_time_total or 1.0
        columns = [("Self CPU %", lambda e: f"{100 * e.self_cpu_time_total / total:.2f}%"),
                   ("Self CPU", lambda e: _time(e.self_cpu_time_total, unit)),
                   ("CPU total %", lambda e: f"{100 * e.cpu_time_total / total:.2f}%"),
                   ("CPU total", lambda e: _time(e.cpu_time_total, unit)), ("CPU time avg", lambda e: _time(e.cpu_time, unit))]
        if self._memory:
            columns += [("CPU Mem", lambda e: memory_text(e.cpu_memory_usage)), ("Self CPU Mem", lambda e: memory_text(e.self_cpu_memory_usage))]
        columns = [(name, 12, cell) for name, cell in (*columns, ("# of Calls", lambda e: str(e.count)))]
        if any(e.input_shapes for e in rows):
            wide = min(max(len(str(e.input_shapes)) for e in rows) + 4, shapes_width)
            columns.append(("Input Shapes", wide, lambda e: _cut(str(e.input_shapes), wide)))
        if self._flops:
            least = min((e.flops for e in self if e.flops), default=0)
            scale, letter = next((s, n) for s, n in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "K"), (1, "")) if least >= s or s == 1)
            columns.append((f"Total {letter}FLOPs", 12, lambda e: f"{e.flops / scale:.3f}" if e.flops else "--"))
        if self._with_stack and any(e.stack for e in rows):
            wide = min(max(len(s) for e in rows for s in e.stack[:5] or [""]) + 4, source_width)
            columns.append(("Source Location", wide, lambda e: _cut(e.stack[0] if e.stack else "", wide)))
        return columns

    __str__ = table

    def export_chrome_trace(self, path):
        """Writes the events for chrome://tracing and Perfetto."""
        with open(path, "w") as file:
            json.dump(chrome_trace(self), file)

    def export_stacks(self, path, metric="self_cpu_time_total"):
        """Writes stacks with times, for flame graphs."""
        if metric not in self.supported_export_stacks_metrics:
            raise ValueError(f"metric should be one of: {self.supported_export_stacks_metrics}")
        with open(path, "w") as file:
            for e in self:
                if e.stack:
                    file.write(";".join(s.replace(" ", "_") for s in reversed(e.stack)) + f" {int(getattr(e, metric))}\n")


def _cut(text, width):
    return text if len(text) <= width else text[:width - 3] + "..."


def events_of(recorder):
    """A recorder's events in order of their start."""
    made = {id(e): FunctionEvent(e, recorder.began) for e in recorder.events}
    for e in recorder.events:
        if e.parent is not None and id(e.parent) in made:
            made[id(e)].cpu_parent = made[id(e.parent)]
            made[id(e.parent)].cpu_children.append(made[id(e)])
    return EventList(made.values(), recorder.with_memory, recorder.with_flops, recorder.with_stack)


def chrome_trace(events, steps=(), metadata=None):
    """The events in the trace format of Chrome."""
    pid = os.getpid()
    entries = [{"ph": "M", "name": "process_name", "ts": 0, "pid": pid, "tid": 0, "args": {"name": "python"}},
               {"ph": "M", "name": "process_labels", "ts": 0, "pid": pid, "tid": 0, "args": {"labels": "CPU"}}]
    for thread in dict.fromkeys(e.thread for e in events):
        entries.append({"ph": "M", "name": "thread_name", "ts": 0, "pid": pid, "tid": thread, "args": {"name": f"thread {thread} (python)"}})
    for e in events:
        about = defaultdict(object, {"External id": e.id})
        if e.input_shapes:
            about.update({"Input Dims": e.input_shapes, "Input type": e.types, "Concrete Inputs": e.concrete_inputs})
        if e.stack:
            about["Call stack"] = ";".join(e.stack)
        entries.append({"ph": "X", "cat": e.kind, "name": e.name, "pid": pid, "tid": e.thread, "ts": e.time_range.start,
                        "dur": e.time_range.elapsed_us(), "args": dict(about)})
    return {"schemaVersion": 1, "deviceProperties": [], "displayTimeUnit": "ms", "traceEvents": entries, **(metadata or {})}
