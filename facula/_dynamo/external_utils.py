"""Whether a compiler is at work."""

from ..compiler import is_compiling  # noqa: F401
