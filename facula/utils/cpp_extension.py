"""Functions in C++ on tensors, built when asked for and imported.

Sources include <torch/extension.h> (or <facula/extension.h>, the same): tensors as handles with sizes, data pointers and the usual
operations. There is no access to PyTorch's own C++ library and none to CUDA.
"""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig

CUDA_HOME = None
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def include_paths(device_type="cpu"):
    """Where the headers are."""
    return [os.path.join(_ROOT, "include")]


def library_paths(device_type="cpu"):
    """Nothing has to be linked."""
    return []


def _compiler():
    found = os.environ.get("CXX") or next((c for c in ("c++", "g++", "clang++") if shutil.which(c)), None)
    if found is None:
        raise RuntimeError("cpp_extension needs a C++20 compiler: install g++ or clang++, or name one by the variable CXX")
    return found


def is_ninja_available():
    return shutil.which("ninja") is not None


def verify_ninja_availability():
    """ninja is not needed: the compiler is called directly."""


def get_default_build_root():
    """Where extensions are built: TORCH_EXTENSIONS_DIR or a folder of the user's cache."""
    return os.environ.get("TORCH_EXTENSIONS_DIR") or os.path.join(os.path.expanduser(os.environ.get("XDG_CACHE_HOME", "~/.cache")), "facula_extensions")


def _refuse_cuda(*parts):
    if any(parts):
        raise NotImplementedError("cpp_extension: Facula does not build CUDA sources")


def load(name, sources, extra_cflags=None, extra_cuda_cflags=None, extra_sycl_cflags=None, extra_ldflags=None, extra_include_paths=None,
         build_directory=None, verbose=False, with_cuda=None, with_sycl=None, is_python_module=True, is_standalone=False, keep_intermediates=True):
    """Builds C++ files into a module and imports it.

    A build of the same sources, flags and compiler is used again.

    Args:
        name: The module's name, which the sources know as TORCH_EXTENSION_NAME.
        sources: Paths.
        extra_cflags, extra_ldflags, extra_include_paths: For the compiler.
        build_directory: Where to build; by default a folder under `get_default_build_root()`.
        verbose: Whether to print the command.

    Raises:
        RuntimeError: There is no compiler, or it finds faults, which the message quotes.
    """
    sources = [sources] if isinstance(sources, str) else list(sources)
    _refuse_cuda(with_cuda, with_sycl, [s for s in sources if str(s).endswith((".cu", ".sycl"))])
    if is_standalone or not is_python_module:
        raise NotImplementedError("cpp_extension.load: only Python modules are built")
    if not name.isidentifier():
        raise ValueError(f"cpp_extension.load: {name!r} is no name of a module")
    folder = build_directory or os.path.join(get_default_build_root(), name)
    os.makedirs(folder, exist_ok=True)
    flags = ["-O2", "-std=c++20", "-fPIC", "-shared", f"-DTORCH_EXTENSION_NAME={name}", f"-I{sysconfig.get_path('include')}",
             *(f"-I{p}" for p in (*include_paths(), *(extra_include_paths or ()))), *(extra_cflags or ())]
    if sys.platform == "darwin":
        flags.append("-undefined dynamic_lookup")
    command = [*shlex.split(_compiler()), *flags, *map(str, sources)]
    path = os.path.join(folder, f"{name}_{_key(command, sources, extra_ldflags)}.so")
    if not os.path.exists(path):
        _build([*command, *(extra_ldflags or ())], path, verbose)
    loader = importlib.machinery.ExtensionFileLoader(name, path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_file_location(name, path, loader=loader))
    loader.exec_module(module)
    sys.modules[name] = module
    return module


def _key(command, sources, ldflags):
    """Names a build by all that decides its result."""
    digest = hashlib.sha256(repr((command, ldflags, sys.version)).encode())
    headers = [os.path.join(folder, f) for folder, _, files in os.walk(include_paths()[0]) for f in files]
    for path in [*sorted(headers), *sources]:
        with open(path, "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()[:16]


def _build(command, path, verbose):
    temporary = f"{path}.{os.getpid()}.tmp"
    command = [*command, "-o", temporary]
    if verbose:
        print(shlex.join(command))
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"Error building extension {os.path.basename(path).rpartition('_')[0]!r}: {shlex.join(command)}\n{done.stderr}")
    os.replace(temporary, path)


def load_inline(name, cpp_sources, cuda_sources=None, sycl_sources=None, functions=None, extra_cflags=None, extra_cuda_cflags=None, extra_sycl_cflags=None,
                extra_ldflags=None, extra_include_paths=None, build_directory=None, verbose=False, with_cuda=None, with_sycl=None, is_python_module=True,
                with_pytorch_error_handling=True, keep_intermediates=True, use_pch=False, no_implicit_headers=False):
    """Builds C++ text into a module and imports it.

    Args:
        name: The module's name.
        cpp_sources: Text, or several; <torch/extension.h> is included before the first.
        functions: Names of C++ functions to offer to Python (or a dict from them to docstrings); without, the text has a PYBIND11_MODULE.

    Example:
        >>> m = load_inline("m", "torch::Tensor twice(torch::Tensor x) { return x * 2; }", functions=["twice"])  # doctest: +SKIP
    """
    _refuse_cuda(cuda_sources, sycl_sources, with_cuda, with_sycl)
    texts = [cpp_sources] if isinstance(cpp_sources, str) else list(cpp_sources)
    parts = [*([] if no_implicit_headers else ["#include <torch/extension.h>"]), *texts]
    if functions is not None:
        names = {f: f for f in ([functions] if isinstance(functions, str) else functions)} if not isinstance(functions, dict) else functions
        faulty = [f for f in names if not re.fullmatch(r"[A-Za-z_]\w*", f)]
        if faulty:
            raise ValueError(f"cpp_extension.load_inline: {faulty[0]!r} is no name of a C++ function")
        quoted = {f: '"' + str(d).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"' for f, d in names.items()}
        parts += ["PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {", *(f'  m.def("{f}", &{f}, {d});' for f, d in quoted.items()), "}"]
    folder = build_directory or os.path.join(get_default_build_root(), name)
    os.makedirs(folder, exist_ok=True)
    source = os.path.join(folder, "main.cpp")
    text = "\n".join(parts) + "\n"
    if not os.path.exists(source) or open(source).read() != text:
        with open(source, "w") as file:
            file.write(text)
    return load(name, [source], extra_cflags, None, None, extra_ldflags, extra_include_paths, folder, verbose)


def CppExtension(name, sources, *args, **kwargs):  # noqa: N802
    """A setuptools.Extension with the headers and the language's level set."""
    from setuptools import Extension

    kwargs["include_dirs"] = [*kwargs.get("include_dirs", ()), *include_paths()]
    flags = kwargs.get("extra_compile_args", [])
    flags = flags.get("cxx", []) if isinstance(flags, dict) else flags
    kwargs["extra_compile_args"] = [*flags, "-std=c++20", f"-DTORCH_EXTENSION_NAME={name.rpartition('.')[2]}"]
    return Extension(name, sources, *args, language="c++", **kwargs)


def CUDAExtension(name, sources, *args, **kwargs):  # noqa: N802
    """Refused: Facula does not build CUDA sources."""
    _refuse_cuda(True)


def __getattr__(name):
    if name == "BuildExtension":
        from setuptools.command.build_ext import build_ext

        class BuildExtension(build_ext):
            """The setuptools command that builds extensions."""

            @classmethod
            def with_options(cls, **options):
                return cls

        return BuildExtension
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
