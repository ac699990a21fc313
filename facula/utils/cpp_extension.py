"""Operations in C++: not supported, the names are here for programs that only import them."""

from __future__ import annotations

CUDA_HOME = None


def _refuse(name):
    raise NotImplementedError(f"cpp_extension.{name}: Facula's core is not PyTorch's C++ library, so its extensions do not build "
                              "against it; write the operation in Python or as facula.autograd.Function")


def load(name, sources, *args, **kwargs):
    """Would build and load an extension; always raises NotImplementedError."""
    _refuse("load")


def load_inline(name, cpp_sources, *args, **kwargs):
    """Would build an extension from text; always raises NotImplementedError."""
    _refuse("load_inline")


def CppExtension(name, sources, *args, **kwargs):  # noqa: N802
    _refuse("CppExtension")


def CUDAExtension(name, sources, *args, **kwargs):  # noqa: N802
    _refuse("CUDAExtension")
