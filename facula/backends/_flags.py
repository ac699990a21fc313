"""Settings of one backend inside a `with` block."""

from __future__ import annotations

import contextlib
import sys


def keeper(module):
    """The functions `set_flags` and `flags` for a module whose variables are the settings."""
    def set_flags(**settings):
        """Sets what is not None; gives the values before."""
        here = vars(sys.modules[module])
        before = {name: here.get(name) for name in settings}
        here.update({name: value for name, value in settings.items() if value is not None})
        return tuple(before.values())

    @contextlib.contextmanager
    def flags(enabled=None, benchmark=None, benchmark_limit=None, deterministic=None, allow_tf32=None, fp32_precision=None, strategy=None):
        """Other settings inside a `with` block."""
        here = vars(sys.modules[module])
        wanted = {"enabled": enabled, "benchmark": benchmark, "benchmark_limit": benchmark_limit, "deterministic": deterministic,
                  "allow_tf32": allow_tf32, "fp32_precision": fp32_precision, "strategy": strategy}
        before = {name: here[name] for name, value in wanted.items() if value is not None and name in here}
        here.update({name: wanted[name] for name in before})
        try:
            yield
        finally:
            here.update(before)

    return set_flags, flags
