"""The launcher, with programs that are written for PyTorch."""

import os
import subprocess
import sys
import threading

import facula

sys.path.insert(0, os.path.dirname(__file__))
from processes import free_port  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(facula.__file__)))
PROGRAM = """
import os, sys
import torch
import torch.distributed as dist
dist.init_process_group("gloo")
t = torch.ones(2) * (dist.get_rank() + 1)
dist.all_reduce(t)
line = f"{os.environ['RANK']}/{os.environ['WORLD_SIZE']} local {os.environ['LOCAL_RANK']} sum {t[0].item():g} {sys.argv[1:]}\\n"
sys.stdout.write(line)
sys.stdout.flush()
dist.barrier()
dist.destroy_process_group()
"""


def launch(folder, *options, text=PROGRAM, arguments=("a", "--b")):
    (folder / "program.py").write_text(text)
    environment = {**os.environ, "PYTHONPATH": ROOT}
    return subprocess.run([sys.executable, "-m", "facula.distributed.run", *options, str(folder / "program.py"), *arguments], env=environment,
                          capture_output=True, text=True, timeout=100, cwd=folder)


def test_one_machine(tmp_path):
    done = launch(tmp_path, "--standalone", "--nproc_per_node=2")
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [f"{r}/2 local {r} sum 3 ['a', '--b']" for r in range(2)]


def test_two_launchers_meet(tmp_path):
    endpoint, found = f"localhost:{free_port()}", []
    options = ("--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d", f"--rdzv-endpoint={endpoint}", "--rdzv-id=job")
    threads = [threading.Thread(target=lambda: found.append(launch(tmp_path, *options))) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [d.returncode for d in found] == [0, 0], found
    assert sorted("".join(d.stdout for d in found).splitlines()) == [f"{r}/2 local 0 sum 3 ['a', '--b']" for r in range(2)]


def test_a_failure_ends_all(tmp_path):
    done = launch(tmp_path, "--standalone", "--nproc-per-node=2",
                  text="import os, sys, time\nif os.environ['RANK'] == '1':\n    sys.exit(3)\ntime.sleep(60)\n")
    assert done.returncode == 1
    assert "rank      : 1 (local_rank: 1)" in done.stderr and "exitcode  : 3" in done.stderr


def test_starting_again(tmp_path):
    done = launch(tmp_path, "--standalone", "--nproc-per-node=2", "--max-restarts=1",
                  text="import os, sys\nsys.exit(os.environ['TORCHELASTIC_RESTART_COUNT'] == '0')\n")
    assert done.returncode == 0 and "0 restarts left" not in done.stdout and "1 restarts left" in done.stderr


def test_output_files(tmp_path):
    done = launch(tmp_path, "--standalone", "--nproc-per-node=2", "-r", "1", "--log-dir", str(tmp_path / "logs"))
    assert done.returncode == 0 and done.stdout == ""
    assert "sum 3" in (tmp_path / "logs" / "attempt_0" / "1" / "stdout.log").read_text()


def test_wrong_options(tmp_path):
    assert launch(tmp_path, "--nproc-per-node=many").returncode == 2
    assert "fixed number" in launch(tmp_path, "--nnodes=1:4").stderr
