"""Notes about a process's failure, for whoever started it."""

from __future__ import annotations

import functools
import json
import os
import time
import traceback

from ....run import ChildFailedError  # noqa: F401


def record(fn, error_handler=None):
    """Decorates a program's main function: an exception is written to the file that TORCHELASTIC_ERROR_FILE names, then raised again."""

    @functools.wraps(fn)
    def call(*args, **kwargs):
        try:
            return fn(*args, **kwargs)
        except SystemExit as end:
            if end.code in (0, None):
                return None
            raise
        except Exception as error:
            path = os.environ.get("TORCHELASTIC_ERROR_FILE")
            if path:
                message = {"message": f"{type(error).__name__}: {error}", "extraInfo": {"py_callstack": traceback.format_exc(), "timestamp": str(int(time.time()))}}
                with open(path, "w") as file:
                    json.dump({"message": message}, file)
            raise

    return call
