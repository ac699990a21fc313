"""`python -m facula script.py ...`: runs a PyTorch program on Facula, unchanged.

Takes what `python` takes: a script with its arguments, `-m module`, `-c command`, or `-` for standard input.
"""

from __future__ import annotations

import os
import runpy
import sys

USAGE = """usage: python -m facula [-c command | -m module | script.py | -] [arguments]

Runs a PyTorch program with torch and torchvision resolved to Facula."""


def _run_script(path):
    """Like `python path`: the script's folder leads sys.path, its code runs in __main__."""
    import types

    try:
        with open(path, "rb") as file:
            source = file.read()
    except FileNotFoundError:
        print(f"{sys.executable}: can't open file {os.path.abspath(path)!r}: [Errno 2] No such file or directory", file=sys.stderr)
        return 2
    except IsADirectoryError:
        sys.path[0] = path
        runpy.run_path(path, run_name="__main__")
        return 0
    sys.path[0] = os.path.dirname(os.path.abspath(path))
    main = types.ModuleType("__main__")
    main.__file__, main.__builtins__, main.__spec__ = path, __builtins__, None
    sys.modules["__main__"] = main
    _execute(compile(source, path, "exec"), main)
    return 0


def _execute(code, main):
    try:
        exec(code, vars(main))
    except SystemExit:
        raise
    except BaseException as error:
        frames = error.__traceback__
        while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
            frames = frames.tb_next  # the launcher is no part of the program
        error.__traceback__ = frames
        sys.excepthook(type(error), error, frames)
        if isinstance(error, KeyboardInterrupt):
            _die_of_interrupt()
        raise SystemExit(1) from None


def _die_of_interrupt():
    import signal

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)


def _run_text(text, filename):
    import types

    main = types.ModuleType("__main__")
    main.__builtins__ = __builtins__
    sys.modules["__main__"] = main
    _execute(compile(text, filename, "exec"), main)
    return 0


def main():
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if arguments else 2
    from . import torch_alias

    torch_alias.install()
    first = arguments[0]
    if first in ("-c", "-m") and len(arguments) < 2:
        print(f"Argument expected for the {first} option\n{USAGE}", file=sys.stderr)
        return 2
    if first == "-c":
        sys.argv[:] = ["-c", *arguments[2:]]
        sys.path[0] = ""
        return _run_text(arguments[1], "<string>")
    if first == "-m":
        sys.argv[:] = arguments[1:]
        sys.path[0] = os.getcwd()
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        return 0
    if first == "-":
        sys.argv[:] = arguments
        sys.path[0] = ""
        return _run_text(sys.stdin.read(), "<stdin>")
    sys.argv[:] = arguments
    return _run_script(first)


if __name__ == "__main__":
    sys.exit(main())
