"""`python -m facula.utils.bottleneck script.py ...`: where a program's time goes, at a glance.

The program runs twice, so that the two tables do not disturb each other: under cProfile, which sees Python's functions, and under
Facula's profiler, which sees operations and gradient nodes. A program that fails runs once.
"""

from __future__ import annotations

import contextlib
import os
import sys

from .. import torch_alias
from ..__main__ import run_script
from .collect_env import get_summary

ROWS = 15
USAGE = """usage: python -m facula.utils.bottleneck script.py [arguments]

Runs a PyTorch program twice and prints the machine, the Python functions that take most time, and the operations that do."""


def _section(title):
    line = "-" * 80
    print(f"{line}\n  {title}\n{line}", flush=True)


def _outcome(path, arguments, observe):
    """Runs the program once; the SystemExit that it ends with, or None."""
    sys.argv[:] = [path, *arguments]
    try:
        run_script(path, observe)
    except SystemExit as end:
        return end
    finally:
        sys.stdout.flush()
    return None


def _failed(end):
    return end is not None and end.code not in (None, 0)


def _python_functions(path, arguments):
    """Prints what cProfile sees; how the program ended."""
    import cProfile
    import pstats

    seen = cProfile.Profile()

    @contextlib.contextmanager
    def observe():
        seen.enable()
        try:
            yield
        finally:
            seen.disable()

    end = _outcome(path, arguments, observe)
    _section(f"cProfile: the first {ROWS} functions by time of their own")
    pstats.Stats(seen, stream=sys.stdout).sort_stats("tottime").print_stats(ROWS)
    return end


def _operations(path, arguments):
    """Prints what Facula's profiler sees; how the program ended."""
    from ..profiler import profile

    made = []

    def observe():
        made.append(profile())
        return made[0]

    end = _outcome(path, arguments, observe)
    _section(f"Profiler: the first {ROWS} operations by CPU time of their own")
    print(made[0].key_averages().table(sort_by="self_cpu_time_total", row_limit=ROWS))
    return end


def main():
    """The command: takes a script's path and the script's arguments from `sys.argv`."""
    words = sys.argv[1:]
    if not words or words[0].startswith("-"):
        helped = bool(words) and words[0] in ("-h", "--help")
        print(USAGE, file=sys.stdout if helped else sys.stderr)
        return 0 if helped else 2
    path, arguments = words[0], words[1:]
    torch_alias.install()
    if not os.path.exists(path):
        run_script(path, contextlib.nullcontext)  # says so and ends
    _section("Environment")
    print(get_summary(), flush=True)
    end = _python_functions(path, arguments)
    if _failed(end):
        print("The program failed: it was not run a second time for the profiler's table.", file=sys.stderr)
    else:
        end = _operations(path, arguments)
    if end is not None:
        raise end
    return 0


if __name__ == "__main__":
    sys.exit(main())
