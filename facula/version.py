"""The version, and what the build was made for."""

import facula

__version__ = facula.__version__
debug = False
cuda = hip = rocm = xpu = git_version = None
__all__ = ["__version__", "debug", "cuda", "git_version", "hip", "rocm", "xpu"]
