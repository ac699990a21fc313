"""Picks the native core for this processor: the highest instruction-set level that was built."""

import importlib
import os

_NEEDS = {  # what /proc/cpuinfo calls the features of each x86-64 level
    "v4": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
    "v3": {"avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"},
    "v2": set(),
}


def _supported():
    try:
        with open("/proc/cpuinfo") as f:
            flags = next((set(line.split(":", 1)[1].split()) for line in f if line.startswith("flags")), set())
    except OSError:
        flags = set()
    return [level for level, needs in _NEEDS.items() if needs <= flags]


def _load():
    asked = os.environ.get("FACULA_LEVEL")
    levels = [asked] if asked else [*_supported(), "portable"]
    for level in levels:
        try:
            return importlib.import_module(f"{__name__}.core_{level}"), level
        except ModuleNotFoundError:
            continue
    raise ImportError(f"the native core of Facula was not built for any of {levels}: run `pip install .` in its folder")


core, level = _load()
