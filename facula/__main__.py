"""`python -m facula script.py ...`: runs a PyTorch program on Facula, unchanged.

Takes what `python` takes: a script, a folder or zip file with a `__main__.py`, `-m module`, `-c command`, or `-` for standard
input, each with its arguments.
"""

from __future__ import annotations

import contextlib
import os
import sys

USAGE = """usage: python -m facula [-c command | -m module | script.py | -] [arguments]

Runs a PyTorch program with torch and torchvision resolved to Facula."""


def _fresh_main(**names):
    """The module that the program runs as."""
    import types

    main = types.ModuleType("__main__")
    vars(main).update(__builtins__=sys.modules["builtins"], __annotations__={}, **names)
    sys.modules["__main__"] = main
    return main


def _lead_path(folder):
    """What stands first on sys.path: the program's folder instead of the launcher's (neither, under `python -P`)."""
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = folder


def _script(path):
    """Like `python path`."""
    if os.path.isdir(path) or _is_archive(path):
        return _container(path)
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as error:
        print(f"{sys.executable}: can't open file {os.path.abspath(path)!r}: [Errno {error.errno}] {error.strerror}", file=sys.stderr)
        raise SystemExit(2) from None
    from importlib.machinery import SourceFileLoader

    full = os.path.join(os.getcwd(), path)
    _lead_path(os.path.dirname(os.path.realpath(path)))
    main = _fresh_main(__file__=full, __cached__=None, __loader__=SourceFileLoader("__main__", full))
    exec(compile(source, full, "exec"), vars(main))


def _is_archive(path):
    try:
        with open(path, "rb") as file:
            start = file.read(4)
    except OSError:
        return False
    if start != b"PK\3\4":
        return False
    import zipfile

    return zipfile.is_zipfile(path)


def _container(path):
    """A folder or zip file: its `__main__` module runs, and it is where imports look first."""
    sys.path[:0 if getattr(sys.flags, "safe_path", False) else 1] = [os.path.abspath(path)]
    _module("__main__", alter_argv=False)


def _module(name, alter_argv=True):
    import runpy

    _fresh_main()
    runpy._run_module_as_main(name, alter_argv)  # what `python -m` itself calls: it names the faults and sets __spec__


def _text(text, filename):
    from importlib.machinery import BuiltinImporter

    main = _fresh_main(__loader__=BuiltinImporter)
    exec(compile(text, filename, "exec"), vars(main))


def run_script(path, observe):
    """Runs a program as `python path` would, with what `sys.argv` holds, inside `observe()`, a context manager."""
    _guarded(_script, path, observe=observe)


def _guarded(run, *args, observe=contextlib.nullcontext):
    """Runs the program; ends as `python` would, whose traceback does not show the launcher."""
    try:
        with observe():
            run(*args)
    except SystemExit:
        raise
    except BaseException as error:
        frames = error.__traceback__
        while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
            frames = frames.tb_next
        error.__traceback__ = frames
        sys.excepthook(type(error), error, frames)
        if isinstance(error, KeyboardInterrupt):
            _die_of_interrupt()
        raise SystemExit(1) from None


def _die_of_interrupt():
    """Ends by the signal, so that a shell sees it, once the clean-up of a normal exit has run."""
    import atexit
    import signal

    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)


def _lacks_argument(option):
    print(f"Argument expected for the {option} option\n{USAGE}", file=sys.stderr)
    return 2


def main():
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if arguments else 2
    first, rest = arguments[0], arguments[1:]
    option, joined = first[:2], first[2:]
    if option in ("-c", "-m"):  # `-cCODE` and `-mMODULE` are accepted in one word too
        rest = [joined, *rest] if joined else rest
        if not rest:
            return _lacks_argument(option)
    elif first.startswith("-") and first != "-":
        print(f"unknown option {first}: Python's own options go before -m facula\n{USAGE}", file=sys.stderr)
        return 2
    from . import torch_alias

    torch_alias.install()
    if option == "-c":
        sys.argv[:] = ["-c", *rest[1:]]
        _lead_path("")
        _guarded(_text, rest[0], "<string>")
    elif option == "-m":
        sys.argv[:] = ["-m", *rest[1:]]
        _lead_path(os.getcwd())
        _guarded(_module, rest[0])
    elif first == "-":
        sys.argv[:] = arguments
        _lead_path("")
        _guarded(_text, sys.stdin.read(), "<stdin>")
    else:
        sys.argv[:] = arguments
        _guarded(_script, first)
    return 0


if __name__ == "__main__":
    sys.exit(main())
