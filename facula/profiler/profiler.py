"""profile, schedule, record_function: what programs use to see where time goes."""

from __future__ import annotations

import gzip
import json
import os
import socket
import time
import uuid
import warnings
from contextlib import ContextDecorator
from enum import Enum

from . import _record
from ._events import EventList, chrome_trace, events_of

__all__ = ["ProfilerAction", "ProfilerActivity", "profile", "record_function", "schedule", "supported_activities", "tensorboard_trace_handler"]


class ProfilerActivity(Enum):
    """Where work is seen."""

    CPU = 0
    XPU = 1
    MTIA = 2
    CUDA = 3
    HPU = 4
    PrivateUse1 = 5


class ProfilerAction(Enum):
    """What a step does."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def supported_activities():
    """What can be seen here."""
    return {ProfilerActivity.CPU}


def schedule(*, wait, warmup, active, repeat=0, skip_first=0, skip_first_wait=0):
    """Which steps are recorded: after `skip_first`, `repeat` times (0: for ever) wait, warm up, record.

    Returns:
        A function from a step's number to its ProfilerAction.
    """
    if wait < 0 or warmup < 0 or active <= 0 or repeat < 0 or skip_first < 0:
        raise AssertionError(f"Invalid profiler schedule arguments. Got wait={wait} (need >= 0), warmup={warmup} (need >= 0), active={active} "
                             f"(need > 0), repeat={repeat} (need >= 0), skip_first={skip_first} (need >= 0).")
    if warmup == 0:
        warnings.warn("Profiler won't be using warmup, this can skew profiler results", stacklevel=2)

    def action(step):
        if step < 0:
            raise AssertionError(f"Step must be non-negative. Got {step}.")
        step -= skip_first
        if step < 0:
            return ProfilerAction.NONE
        if skip_first_wait:
            step += wait
        length = wait + warmup + active
        place = step % length
        if repeat > 0 and step // length >= repeat or place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if place < length - 1 else ProfilerAction.RECORD_AND_SAVE

    return action


def tensorboard_trace_handler(dir_name, worker_name=None, use_gzip=False):
    """A handler that writes each finished trace into a folder that TensorBoard reads."""
    def handler(prof):
        os.makedirs(dir_name, exist_ok=True)
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        prof.export_chrome_trace(os.path.join(dir_name, f"{worker}.{time.time_ns()}.pt.trace.json{'.gz' if use_gzip else ''}"))

    return handler


class record_function(ContextDecorator):  # noqa: N801
    """Names a block of code, or (as a decorator) a function, in the profile."""

    def __init__(self, name, args=None):
        self.name, self.args = name, args
        self._open = []  # recorders of the blocks that run; None where nothing records

    def _recreate_cm(self):
        return type(self)(self.name, self.args)

    def __enter__(self):
        recorder = _record.active()
        if recorder is not None:
            recorder.push(self.name, "user_annotation")
        self._open.append(recorder)
        return self

    def __exit__(self, *exc):
        recorder = self._open.pop()
        if recorder is not None:
            recorder.pop()


class profile:  # noqa: N801
    """Times every operation, gradient node and named block inside a `with`, or from `start` to `stop`.

    Args:
        activities: Accepted; the CPU is what there is.
        schedule: Which steps to record, see `schedule`; call `step()` after each.
        on_trace_ready: Called with this object when a recording is finished.
        record_shapes: Keep the inputs' shapes.
        profile_memory: Count memory.
        with_stack: Keep Python's stack of every call.
        with_flops: Estimate multiplications and additions of products and convolutions.
    """

    def __init__(self, *, activities=None, schedule=None, on_trace_ready=None, record_shapes=False, profile_memory=False, with_stack=False,
                 with_flops=False, with_modules=False, experimental_config=None, execution_trace_observer=None, acc_events=False, use_cuda=None,
                 custom_trace_id_callback=None, post_processing_timeout_s=None):
        self.activities = set(supported_activities() if activities is None else activities)
        if not self.activities:
            raise AssertionError("No valid profiler activities found")
        self.schedule = schedule or (lambda step: ProfilerAction.RECORD)
        self.on_trace_ready = on_trace_ready
        self.record_shapes, self.profile_memory, self.with_stack, self.with_flops = record_shapes, profile_memory, with_stack, with_flops
        self.step_num, self.current_action = 0, self.schedule(0)
        self._recorder = self._finished = self._step_block = None
        self._metadata: dict = {}
        self._stepping = schedule is not None
        self._trace_id, self._make_id = None, custom_trace_id_callback

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self.stop()

    # ---- steps
    def start(self):
        """Starts as the schedule's first step says."""
        self._begin(self.current_action)
        self._open_step()

    def stop(self):
        """Ends; a recording that runs is finished."""
        self._close_step()
        if self._recorder is not None:
            self._finish()

    def step(self):
        """Tells that the next step begins."""
        self._close_step()
        before = self.current_action
        self.step_num += 1
        self.current_action = self.schedule(self.step_num)
        if before == ProfilerAction.RECORD_AND_SAVE:
            self._finish()
        self._begin(self.current_action)
        self._open_step()

    def _begin(self, action):
        if action in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE) and self._recorder is None:
            self._recorder = _record.Recorder(self.record_shapes, self.profile_memory, self.with_stack, self.with_flops)
            self._recorder.start()

    def _finish(self):
        recorder, self._recorder = self._recorder, None
        recorder.stop()
        self._finished = events_of(recorder)
        if self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def _open_step(self):
        if self._stepping and self._recorder is not None:
            self._step_block = record_function(f"ProfilerStep#{self.step_num}")
            self._step_block.__enter__()

    def _close_step(self):
        if self._step_block is not None:
            self._step_block.__exit__(None, None, None)
            self._step_block = None

    # ---- results
    def events(self):
        """All events of the last finished recording."""
        return self._ready("accessing events")

    def _ready(self, what):
        if self._finished is None:
            raise AssertionError(f"Profiler must be initialized before {what}")
        return self._finished

    def key_averages(self, group_by_input_shape=False, group_by_stack_n=0, group_by_overload_name=False):
        """Events of one name as one; `.table()` shows them."""
        return self._ready("getting key averages").key_averages(group_by_input_shape, group_by_stack_n)

    def export_chrome_trace(self, path):
        """Writes a trace for chrome://tracing, Perfetto and TensorBoard; compressed if the path ends in .gz."""
        about = {"trace_id": self.get_trace_id(), "with_stack": int(self.with_stack), "profile_memory": int(self.profile_memory),
                 "record_shapes": int(self.record_shapes), "with_flops": int(self.with_flops), "host_name": socket.gethostname(),
                 "traceName": str(path), **self._metadata}
        text = json.dumps(chrome_trace(self._ready("exporting chrome trace"), metadata=about))
        with gzip.open(path, "wt") if str(path).endswith(".gz") else open(path, "w") as file:
            file.write(text)

    def export_stacks(self, path, metric="self_cpu_time_total"):
        """Writes stacks with times, for flame graphs; needs with_stack."""
        events = self._ready("exporting stacks")
        if not self.with_stack:
            raise AssertionError("export_stacks() requires with_stack=True")
        events.export_stacks(path, metric)

    def add_metadata(self, key, value):
        """Adds a text to the trace."""
        self._metadata[key] = str(value)

    def add_metadata_json(self, key, value):
        """Adds JSON to the trace."""
        self._metadata[key] = json.loads(value)

    def preset_metadata_json(self, key, value):
        """Adds JSON to the trace before it starts."""
        self.add_metadata_json(key, value)

    def export_memory_timeline(self, path, device=None):
        """Writes memory over time as JSON: [microseconds, bytes] by event; needs shapes, memory and stacks.

        Raises:
            ValueError: The profile was made without them.
        """
        if not (self.record_shapes and self.profile_memory and self.with_stack):
            raise ValueError("record_shapes=True, profile_memory=True, with_stack=True required for memory profiling.")
        total, points = 0, []
        for e in sorted(self._ready("exporting the memory timeline"), key=lambda e: e.time_range.end):
            total += e.self_cpu_memory_usage
            points.append([e.time_range.end, total])
        with gzip.open(path, "wt") if str(path).endswith(".gz") else open(path, "w") as file:
            json.dump({"times": [t for t, _ in points], "sizes": [s for _, s in points]}, file)

    # ---- the parts of start and stop
    def prepare_trace(self):
        """Accepted: nothing has to be prepared."""

    def start_trace(self):
        """Starts recording, whatever the schedule says."""
        self._begin(ProfilerAction.RECORD)

    def stop_trace(self):
        """Ends a recording."""
        if self._recorder is None:
            raise AssertionError("Profiler must be initialized before stopping trace")
        self._finish()

    def get_trace_id(self):
        """The name under which the trace is known."""
        if self._trace_id is None:
            self._trace_id = self._make_id() if self._make_id is not None else uuid.uuid4().hex.upper()
        return self._trace_id

    def set_custom_trace_id_callback(self, callback):
        """A function that names the next trace."""
        self._make_id = callback

    def toggle_collection_dynamic(self, enable, activities):
        """Accepted: everything is recorded."""


class AutogradProfile(profile):
    """The older interface: `autograd.profiler.profile`."""

    def __init__(self, enabled=True, *, use_cuda=False, use_device=None, record_shapes=False, with_flops=False, profile_memory=False,
                 with_stack=False, with_modules=False, use_kineto=False, use_cpu=True, experimental_config=None, acc_events=False,
                 custom_trace_id_callback=None, post_processing_timeout_s=None):
        super().__init__(record_shapes=record_shapes, profile_memory=profile_memory, with_stack=with_stack, with_flops=with_flops)
        self.enabled = enabled

    def __enter__(self):
        return super().__enter__() if self.enabled else self

    def __exit__(self, *exc):
        if self.enabled:
            self.stop()
        else:
            self._finished = EventList()

    @property
    def function_events(self):
        """The events; None before the block has ended."""
        return self._finished

    def _ready(self, what):
        if self._finished is None:
            raise AssertionError("Profiler didn't finish running")
        return self._finished

    @property
    def self_cpu_time_total(self):
        """Microseconds in all events."""
        return self._ready("").self_cpu_time_total

    def table(self, sort_by=None, row_limit=100, max_src_column_width=75, max_name_column_width=55, max_shapes_column_width=80, header=None,
              top_level_events_only=False):
        """The events as text."""
        return self.events().table(sort_by, row_limit, max_src_column_width, max_name_column_width, max_shapes_column_width, header,
                                   top_level_events_only)

    def total_average(self):
        """All events as one."""
        return self.events().total_average()

    def __str__(self):
        return str(self._finished) if self._finished is not None else "<unfinished torch.autograd.profile>"

    __repr__ = __str__


__all__ += ["AutogradProfile", "EventList"]
