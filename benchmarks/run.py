"""Times Facula and PyTorch side by side and prints a table in Markdown.

    python benchmarks/run.py [--threads N] [--rounds N] [--only REGEX] [--write README.md]

Run it with a Python that has both. The frameworks take turns, round after round, so that what else the
machine does hits both; a figure is the median over rounds of the fastest call in a round. With --write
the table replaces what stands between the marks <!-- benchmarks --> and <!-- /benchmarks --> of a file.
"""

import argparse
import json
import math
import os
import platform
import re
import statistics
import subprocess
import sys
from pathlib import Path

from cases import CASES

HERE = Path(__file__).parent


class Side:
    def __init__(self, module, threads):
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])}
        self.process = subprocess.Popen([sys.executable, str(HERE / "worker.py"), module, str(threads)], text=True, env=environment,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.version = self.answer()["version"]

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args[2]} ended early")
        return json.loads(line)

    def time(self, key, seconds):
        self.process.stdin.write(json.dumps([key, seconds]) + "\n")
        self.process.stdin.flush()
        return self.answer()


def machine():
    try:
        text = Path("/proc/cpuinfo").read_text()
        found = dict(re.findall(r"^(model name|cpu family|model)\s*: (.+)$", text, re.M))
        return f"{found['model name']} (family {found['cpu family']}, model {found['model']})"
    except (OSError, KeyError):
        return platform.processor() or platform.machine()


def shown(seconds):
    for unit, size in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def measure(sides, key, rounds, seconds):
    times = [[], []]
    for _ in range(rounds):
        for side, kept in zip(sides, times):
            kept.append(side.time(key, seconds))
    return [statistics.median(t) for t in times]


def table(results, threads, versions):
    lines = [f"{machine()}, {threads} threads, PyTorch {versions[0]}, Facula {versions[1]}", "",
             "| case | PyTorch | Facula | ratio |", "|---|---|---|---|"]
    for group in dict.fromkeys(c.group for c in CASES):
        rows = [(c.name, *results[f"{group}/{c.name}"]) for c in CASES if c.group == group and f"{group}/{c.name}" in results]
        if not rows:
            continue
        mean = math.exp(statistics.fmean(math.log(b / a) for _, a, b in rows))
        lines.append(f"| **{group}** | | | **{mean:.2f}** |")
        lines += [f"| {name} | {shown(a)} | {shown(b)} | {b / a:.2f} |" for name, a, b in rows]
    return "\n".join(lines)


def replace(path, text, mark="benchmarks"):
    """Puts a text between its marks in a file."""
    before, rest = path.read_text().split(f"<!-- {mark} -->", 1)
    after = rest.split(f"<!-- /{mark} -->", 1)[1]
    path.write_text(f"{before}<!-- {mark} -->\n{text}\n<!-- /{mark} -->{after}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.1, help="of one round of one case")
    parser.add_argument("--only", default="", help="cases whose group/name matches")
    parser.add_argument("--write", type=Path, help="a file with the marks")
    options = parser.parse_args()
    sides = [Side(module, options.threads) for module in ("torch", "facula")]
    results = {}
    for c in CASES:
        key = f"{c.group}/{c.name}"
        if re.search(options.only, key):
            results[key] = measure(sides, key, options.rounds, options.seconds)
            print(f"{key:60s} {results[key][1] / results[key][0]:.2f}", file=sys.stderr)
    text = table(results, options.threads, [s.version for s in sides])
    print(text)
    if options.write:
        replace(options.write, text)


if __name__ == "__main__":
    main()
