"""`python -m facula.utils.collect_env`: the facts about a machine and its software that a bug report needs."""

from __future__ import annotations

import importlib.metadata
import locale
import os
import platform
import re
import subprocess
import sys
from collections import namedtuple

import facula

from .. import torch_alias
from .._native import level

# PyTorch's fields. What speaks of devices that Facula does not have is None.
SystemEnv = namedtuple("SystemEnv", (
    "torch_version is_debug_build cuda_compiled_version gcc_version clang_version cmake_version os libc_version python_version python_platform "
    "is_cuda_available cuda_runtime_version cuda_module_loading nvidia_driver_version nvidia_gpu_models cudnn_version is_xpu_available pip_version "
    "pip_packages conda_packages hip_compiled_version hip_runtime_version miopen_runtime_version caching_allocator_config is_xnnpack_available "
    "cpu_info").split())
PIP_PATTERNS = ("facula", "torch", "numpy", "scipy", "mypy", "flake8", "optree", "onnx", "tensorboard", "pillow", "matplotlib", "safetensors")
UNKNOWN = "Could not collect"


def run(command):
    """A command's exit code, output and error text; 127 if there is no such command."""
    try:
        done = subprocess.run(command, shell=isinstance(command, str), capture_output=True, check=False)
    except OSError as error:
        return 127, "", str(error)
    decode = (lambda b: b.decode(locale.getpreferredencoding(False), "replace").strip())
    return done.returncode, decode(done.stdout), decode(done.stderr)


def run_and_read_all(run_lambda, command):
    """A command's output; None if it failed."""
    code, out, _ = run_lambda(command)
    return out if code == 0 else None


def run_and_parse_first_match(run_lambda, command, regex):
    """The first group of the first match in a command's output, or None."""
    found = re.search(regex, run_and_read_all(run_lambda, command) or "")
    return found and found.group(1)


def get_gcc_version(run_lambda):
    """Like "(Debian 12.2.0-14) 12.2.0", or None."""
    return run_and_parse_first_match(run_lambda, ["gcc", "--version"], r"gcc (.*)")


def get_clang_version(run_lambda):
    """Like "16.0.6 (15)", or None."""
    return run_and_parse_first_match(run_lambda, ["clang", "--version"], r"clang version (.*)")


def get_cmake_version(run_lambda):
    """Like "version 3.31.0", or None."""
    return run_and_parse_first_match(run_lambda, ["cmake", "--version"], r"cmake (.*)")


def get_platform():
    """"linux", "darwin", "win32" or whatever `sys.platform` says."""
    return next((p for p in ("linux", "win32", "cygwin", "darwin") if sys.platform.startswith(p)), sys.platform)


def get_os(run_lambda):
    """The system with its version and processor family."""
    machine = platform.machine()
    if get_platform() == "darwin":
        return f"macOS {platform.mac_ver()[0]} ({machine})"
    if get_platform() in ("win32", "cygwin"):
        return f"{platform.system()} {platform.release()} {platform.version()} ({machine})"
    try:
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']} ({machine})"
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()} ({machine})"


def get_python_platform():
    """What `platform.platform()` says."""
    return platform.platform()


def get_libc_version():
    """Like "glibc-2.36"; "N/A" elsewhere than on Linux."""
    return "-".join(platform.libc_ver()) if get_platform() == "linux" else "N/A"


def get_cpu_info(run_lambda):
    """What the system tells about its processor, or None."""
    command = {"linux": ["lscpu"], "darwin": ["sysctl", "-n", "machdep.cpu.brand_string"]}.get(get_platform())
    return (command and run_and_read_all(run_lambda, command)) or platform.processor() or None


def get_pip_packages(run_lambda, patterns=None):
    """How pip is called here, and the lines "name==version" of installed packages whose name contains a pattern."""
    wanted = PIP_PATTERNS if patterns is None else patterns
    found = {d.metadata["Name"]: d.version for d in reversed(list(importlib.metadata.distributions())) if d.metadata["Name"]}
    lines = sorted(f"{name}=={version}" for name, version in found.items() if any(p in name.lower() for p in wanted))
    return f"pip{sys.version_info.major}", "\n".join(lines)


def get_conda_packages(run_lambda, patterns=None):
    """The lines of `conda list` whose name contains a pattern; None without conda."""
    if "CONDA_EXE" not in os.environ:
        return None
    out = run_and_read_all(run_lambda, [os.environ["CONDA_EXE"], "list"])
    wanted = PIP_PATTERNS if patterns is None else patterns
    return out and "\n".join(line for line in out.splitlines() if not line.startswith("#") and any(p in line.split()[0] for p in wanted if line.strip()))


def get_env_info():
    """All facts, as a SystemEnv."""
    pip, packages = get_pip_packages(run)
    bits = sys.maxsize.bit_length() + 1
    known = {
        "torch_version": facula.__version__, "is_debug_build": str(facula.version.debug), "gcc_version": get_gcc_version(run),
        "clang_version": get_clang_version(run), "cmake_version": get_cmake_version(run), "os": get_os(run), "libc_version": get_libc_version(),
        "python_version": f"{sys.version} ({bits}-bit runtime)".replace("\n", ""), "python_platform": get_python_platform(),
        "is_cuda_available": str(facula.cuda.is_available()), "is_xpu_available": str(facula.xpu.is_available()), "pip_version": pip,
        "pip_packages": packages, "conda_packages": get_conda_packages(run), "is_xnnpack_available": "False", "cpu_info": get_cpu_info(run)}
    return SystemEnv(**{**dict.fromkeys(SystemEnv._fields), **known})


def _about_facula():
    return [f"Facula version: {torch_alias.OWN_VERSION}", f"PyTorch API version: {torch_alias.VERSIONS['torch']}", f"Core's instruction set: {level}",
            f"Threads: {facula.get_num_threads()} of {os.cpu_count()} processors"]


def _listed(mark, lines):
    return [f"[{mark}] {line}" for line in (lines or UNKNOWN).splitlines()]


def pretty_str(envinfo):
    """The text of a SystemEnv, as a bug report shows it."""
    e = envinfo._replace(**{k: UNKNOWN for k in ("gcc_version", "clang_version", "cmake_version", "cpu_info") if not getattr(envinfo, k)})
    return "\n".join([
        *_about_facula(), f"Is debug build: {e.is_debug_build}", "",
        f"OS: {e.os}", f"GCC version: {e.gcc_version}", f"Clang version: {e.clang_version}", f"CMake version: {e.cmake_version}",
        f"Libc version: {e.libc_version}", "",
        f"Python version: {e.python_version}", f"Python platform: {e.python_platform}", f"Is CUDA available: {e.is_cuda_available}", "",
        "CPU:", e.cpu_info, "",
        "Versions of relevant libraries:", *_listed(e.pip_version, e.pip_packages), *_listed("conda", e.conda_packages)])


def get_pretty_env_info():
    """All facts, as text."""
    return pretty_str(get_env_info())


def get_summary():
    """The few facts that matter to speed, as text."""
    return "\n".join([*_about_facula(), f"Python: {platform.python_version()} on {get_python_platform()}"])


def main():
    """Prints the facts."""
    print("Collecting environment information...")
    print(get_pretty_env_info())


if __name__ == "__main__":
    main()
