"""How far each operation is from what the machine can do; prints a table in Markdown.

    python benchmarks/limits.py [--threads N] [--write docs/limits.md]

Memory-bound operations are held against the measured speed of a copy, the others against the measured
peak of fused multiply-adds (float64 half of it). Needs g++ for the two measurements, and no PyTorch.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from cases import CASES
from run import HERE, machine, replace, shown
from worker import rounds

# Why a figure stays below 0.7 of its limit.
REASONS = {
    "bandwidth/masked select": "chosen elements are moved one at a time, each to where the last one ended",
    "bandwidth/exp": "arithmetic: 20 operations an element",
    "bandwidth/tanh": "arithmetic: an exponential, a division and a polynomial an element",
    "bandwidth/gelu": "arithmetic: the error function takes two polynomials, 22 multiply-adds an element",
    "bandwidth/max of columns": "a strip of columns at a time: rows are read in short pieces",
    "bandwidth/softmax": "arithmetic: an exponential an element",
    "bandwidth/layer_norm": "two passes over each row: sums first, for their precision",
    "bandwidth/batch_norm": "the input is read twice: statistics must be known before the first output",
    "bandwidth/transpose": "reads one cache line of each page in turn: the translation buffer misses",
    "bandwidth/cumsum": "every sum waits for the one before it, in double precision",
    "products/matmul 128": "4 MFLOP: packing and handing out tasks take a good part of it",
    "products/matmul 512x512x512 bfloat16": "no bfloat16 instructions here: numbers are widened, multiplied in float32 and rounded",
    "convolutions/3x3 stride 2": "no Winograd form with stride; patches are gathered from columns split by their remainder",
    "convolutions/1x1": "12 MB in and out for 0.4 GFLOP: memory and the rewriting of images into panels",
    "convolutions/1-d": "5 taps have no Winograd form of small error here; 4 panels of patches are gathered for each row tile of 64 channels",
    "convolutions/5x5": "16 channels fill few register tiles for each gathered patch",
    "convolutions/depthwise": "18 operations a value: memory sets the pace, not arithmetic",
}


def limits(threads):
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "peak"
        subprocess.run(["g++", "-O3", "-march=native", "-ffp-contract=fast", "-pthread", "-o", program, HERE / "peak.cpp"], check=True)
        return map(float, subprocess.run([program, str(threads)], check=True, capture_output=True, text=True).stdout.split())


def reason(key):
    return next((text for start, text in REASONS.items() if key.startswith(start)), "")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--write", type=Path, help="a file with the marks <!-- limits --> and <!-- /limits -->")
    options = parser.parse_args()
    import facula

    copy, peak = limits(options.threads)
    facula.set_num_threads(options.threads)
    lines = [f"{machine()}, {options.threads} threads: copy {copy / 1e9:.1f} GB/s, peak {peak / 1e9:.0f} GFLOP/s (float32)", "",
             "| operation | time | achieved | of the limit | why below 0.7 |", "|---|---|---|---|---|"]
    for c in CASES:
        if not c.flops and c.moved < 32 << 20:  # arrays that stay in cache know no such limit
            continue
        seconds = rounds(c.make(facula), 0.5)
        top = copy if c.moved else peak / (2 if "float64" in c.name else 1)
        part = (c.moved or c.flops) / seconds / top
        rate = f"{c.moved / seconds / 1e9:.1f} GB/s" if c.moved else f"{c.flops / seconds / 1e9:.0f} GFLOP/s"
        lines.append(f"| {c.name} | {shown(seconds)} | {rate} | {part:.2f} | {reason(f'{c.group}/{c.name}') if part < 0.7 else ''} |")
        print(lines[-1], file=sys.stderr)
    text = "\n".join(lines)
    print(text)
    if options.write:
        replace(options.write, text, "limits")


if __name__ == "__main__":
    main()
