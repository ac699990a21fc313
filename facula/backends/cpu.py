"""The processor's vectors."""

from .._globals import cpu_level


def get_cpu_capability():
    """The widest instructions in use, by PyTorch's names."""
    return {"v4": "AVX512", "v3": "AVX2"}.get(cpu_level, "DEFAULT")
