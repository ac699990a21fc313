"""One framework's side: times the cases it is told to, in a process of its own."""

import importlib
import json
import sys
import time


def rounds(run, seconds):
    """The fastest call of a round of about `seconds`; short calls are timed in blocks."""
    start = time.perf_counter()
    run()
    best = time.perf_counter() - start
    block = max(1, int(2e-4 / max(best, 1e-8)))
    while time.perf_counter() < start + seconds:
        begin = time.perf_counter()
        for _ in range(block):
            run()
        best = min(best, (time.perf_counter() - begin) / block)
    return best


def main():
    module, threads = sys.argv[1], int(sys.argv[2])
    T = importlib.import_module(module)
    T.set_num_threads(threads)
    from cases import CASES

    known, ready = {f"{c.group}/{c.name}": c for c in CASES}, {}
    print(json.dumps({"version": str(T.__version__)}), flush=True)
    for line in sys.stdin:
        key, seconds = json.loads(line)
        if key not in ready:
            ready.clear()  # one case's arrays at a time
            T.manual_seed(0)
            ready[key] = known[key].make(T)
            ready[key]()
        print(json.dumps(rounds(ready[key], seconds)), flush=True)


if __name__ == "__main__":
    main()
