"""Writes measured figures into README.md, between its marks.

    figures.py conformance RESULT.json     the result of a whole conformance run (run.py --json)
    figures.py bench RESULT.json           the result of the benchmark (bench.py --json)

Operators that do not pass everything must stand, with a reason, in tests/conformance_remainder.txt.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
SECTIONS = {
    "forward": ("operators, forward (with method, in-place and out forms)", ("forward", "method", "inplace")),
    "grad": ("operators, gradients", ("grad",)),
    "gradgrad": ("operators, second gradients", ("gradgrad",)),
}
OTHERS = {"modules": "modules (forward, gradients, initial weights, state, text)", "optims": "optimizers (steps, state)",
          "schedulers": "learning rate schedules", "rng": "random streams"}


def write(mark, lines):
    path = ROOT / "README.md"
    before, rest = path.read_text().split(f"<!-- {mark} -->", 1)
    after = rest.split(f"<!-- /{mark} -->", 1)[1]
    path.write_text(f"{before}<!-- {mark} -->\n" + "\n".join(lines) + f"\n<!-- /{mark} -->{after}")


def failed(row):
    return row["status"] not in ("pass", "skip")  # skipped: PyTorch does not define it


def subjects(rows):
    """Name -> whether all its cells pass."""
    found = defaultdict(lambda: True)
    for r in rows:
        found[r["name"]] &= not failed(r)
    return found


def conformance(result):
    rows = [r for r in result["results"] if r["section"] != "carry"]
    lines = ["| measured | passing | share |", "|---|---|---|"]

    def line(title, good, tried):
        lines.append(f"| {title} | {good} of {tried} | {100 * good / max(1, tried):.1f}% |")

    for title, checks in SECTIONS.values():
        found = subjects(r for r in rows if r["section"] == "ops" and r["check"] in checks)
        line(title, sum(found.values()), len(found))
    errors = [r for r in rows if r["check"] == "errors"]
    line("error inputs raising the right type", sum(r["tried"] - r["failed"] for r in errors), sum(r["tried"] for r in errors))
    for section, title in OTHERS.items():
        found = subjects(r for r in rows if r["section"] == section)
        line(title, sum(found.values()), len(found))
    lines.append(f"| crashes | {sum(r['status'] == 'crash' for r in rows)} | |")
    write("conformance", lines)
    reasons = dict(text.split(": ", 1) for text in (ROOT / "tests/conformance_remainder.txt").read_text().splitlines())
    failing = {r["name"] for r in rows if failed(r)}
    for name in sorted(failing - set(reasons)):
        print("no reason given for", name)
    for name in sorted(set(reasons) - failing):
        print("passes now:", name)
    return 1 if failing - set(reasons) else 0


def bench(result):
    summary = result["summary"]["facula"]["geomean"]
    worst = defaultdict(lambda: (0, ""))
    for c in result["cases"]:
        sides = c["sides"]
        if all(side.get("status") == "ok" for side in sides.values()):
            ratio = sides["facula"]["median"] / sides["torch"]["median"]
            worst[c["group"]] = max(worst[c["group"]], (ratio, c["case"]))
    machine = result["machine"]
    lines = [f"{machine['cpu']}, {machine['threads']} threads, PyTorch {machine['torch']['version']}; other processes kept "
             f"{result['cores_of_others']:.1f} cores busy meanwhile.", "", "| group | ratio | worst case |", "|---|---|---|"]
    lines += [f"| {group} | {ratio:.2f} | {worst[group][1]}: {worst[group][0]:.2f} |" for group, ratio in summary.items()]
    write("bench", lines)
    return 0


if __name__ == "__main__":
    kind, path = sys.argv[1:]
    sys.exit({"conformance": conformance, "bench": bench}[kind](json.loads(Path(path).read_text())))
