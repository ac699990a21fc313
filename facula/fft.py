"""Discrete Fourier transforms."""

from .ops import functions as _functions

globals().update(_functions["fft"])
