"""Compares a conformance result with the stored baseline, which may only rise.

    baseline.py RESULT.json BASELINE.json            fails when a cell that passed no longer does
    baseline.py RESULT.json BASELINE.json --update   writes the passing cells down
"""

import json
import sys
from pathlib import Path


def passing(path):
    rows = json.loads(Path(path).read_text())["results"]
    return sorted(" ".join((r["section"], r["name"], r["dtype"], r["check"])) for r in rows if r["status"] == "pass")


def main(result, baseline, *options):
    now = passing(result)
    if "--update" in options:
        Path(baseline).write_text("\n".join(now) + "\n")
        return 0
    known = Path(baseline).read_text().split("\n")[:-1]
    lost = sorted(set(known) - set(now))
    print(f"conformance: {len(now)} cells pass, {len(known)} in the baseline, {len(lost)} lost")
    for cell in lost:
        print("  lost:", cell)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
