"""Every example runs, shortened, and learns."""

import os
import pathlib
import subprocess
import sys

import pytest

import facula

FOLDER = pathlib.Path(__file__).parents[2] / "examples"
PACKAGES = str(pathlib.Path(facula.__file__).resolve().parents[1])  # where the package under test lies
LEARNT = {"quickstart": lambda v: v > 0.7, "custom_dataset": lambda v: v > 0.75, "lenet": lambda v: v > 0.8,
          "transfer_learning": lambda v: v > 0.6, "custom_layer": lambda v: v < 0.01, "char_lstm": lambda v: v < 3.5,
          "transformer": lambda v: v < 3.0}


@pytest.mark.parametrize("name", LEARNT)
def test_example(name, tmp_path):
    run = subprocess.run([sys.executable, str(FOLDER / f"{name}.py"), "--quick"], cwd=tmp_path, capture_output=True, text=True, timeout=300,
                         env={**os.environ, "PYTHONPATH": os.pathsep.join([PACKAGES, os.environ.get("PYTHONPATH", "")])})
    assert run.returncode == 0, run.stderr
    assert LEARNT[name](float(run.stdout.split()[-1])), run.stdout


def test_all_examples_are_tested_and_listed():
    programs = {p.stem for p in FOLDER.glob("*.py")} - {"text"}
    assert programs == set(LEARNT)
    listed = (FOLDER / "README.md").read_text()
    assert all(f"[{name}.py]" in listed for name in programs)
