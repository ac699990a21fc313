"""`facula.utils.bottleneck` and `facula.utils.collect_env`, as commands in real processes."""

import os
import subprocess
import sys

import pytest

import facula
from facula.utils import collect_env

ROOT = os.path.dirname(os.path.dirname(facula.__file__))
PROGRAM = """
import sys, torch
print("run as", __name__, sys.argv[1:], torch.__name__)
def work():
    return [torch.relu(torch.randn(4, 4, requires_grad=True)).sum().backward() for _ in range(5)]
work()
if sys.argv[1:] == ["fails"]:
    raise ValueError("on purpose")
if sys.argv[1:]:
    sys.exit(int(sys.argv[1]))
"""
COMMANDS = [["-m", "facula.utils.bottleneck"], ["-m", "facula", "-m", "torch.utils.bottleneck"]]


def launch(*arguments, cwd):
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=cwd, timeout=120, env=dict(os.environ, PYTHONPATH=ROOT))
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS, ids=len)
def test_shows_the_machine_python_functions_and_operations(folder, command):
    code, out, err = launch(*command, "program.py", cwd=folder)
    assert code == 0, err
    assert out.count("run as __main__ [] torch") == 2
    machine, functions, operations = out.split("run as __main__ [] torch")
    assert "Facula version" in machine and "PyTorch API version" in machine
    assert "cProfile" in functions and "{built-in method core.backward}" in functions
    assert functions.count("\n") < 35
    assert "Self CPU %" in operations and "aten::relu" in operations and "ReluBackward0" in operations


def test_a_failing_program_runs_once_and_its_error_shows(folder):
    code, out, err = launch(*COMMANDS[0], "program.py", "fails", cwd=folder)
    assert code == 1 and out.count("run as") == 1 and "cProfile" in out and "Self CPU %" not in out
    trace = err.split("The program failed")[0]
    assert trace.splitlines()[0] == "Traceback (most recent call last):" and "program.py" in trace.splitlines()[1]
    assert trace.splitlines()[-1] == "ValueError: on purpose"


@pytest.mark.parametrize(("argument", "runs"), [("0", 2), ("3", 1)])
def test_ends_with_the_programs_exit_code(folder, argument, runs):
    code, out, _ = launch(*COMMANDS[1], "program.py", argument, cwd=folder)
    assert code == int(argument) and out.count(f"run as __main__ ['{argument}'] torch") == runs


def test_wrong_use_says_how(folder):
    assert launch(*COMMANDS[0], cwd=folder)[::2] == (2, launch(*COMMANDS[0], "--help", cwd=folder)[1])
    code, out, err = launch(*COMMANDS[0], "absent.py", cwd=folder)
    assert (code, out) == (2, "") and "can't open file" in err and "absent.py" in err


def test_environment_as_a_command(folder):
    code, out, err = launch("-m", "facula.utils.collect_env", cwd=folder)
    assert code == 0, err
    assert f"Facula version: {facula.__version__}\n" in out and "Python platform: " in out and "[pip3] numpy==" in out
    through_alias = launch("-m", "facula", "-m", "torch.utils.collect_env", cwd=folder)[1]
    assert through_alias.split("CPU:")[0] == out.split("CPU:")[0]


def test_environment_as_values():
    info = collect_env.get_env_info()
    assert info.torch_version == facula.__version__ and info.is_cuda_available == "False" and info.cuda_compiled_version is None
    assert info.python_version.startswith(sys.version.split()[0]) and info.python_version.endswith("-bit runtime)")
    bare = info._replace(gcc_version=None, cpu_info=None, conda_packages=None)
    text = collect_env.pretty_str(bare)
    assert "GCC version: Could not collect" in text and "CPU:\nCould not collect" in text and "[conda] Could not collect" in text


def test_commands_that_are_absent_or_fail_give_nothing():
    assert collect_env.run(["no-such-command-here"])[0] == 127
    assert collect_env.get_gcc_version(lambda command: (127, "", "")) is None
    assert collect_env.get_gcc_version(lambda command: (0, "gcc (Some 1-2) 12.2.0\nmore", "")) == "(Some 1-2) 12.2.0"
    assert collect_env.get_clang_version(lambda command: (0, "clang version 16.0.6 (15)", "")) == "16.0.6 (15)"
