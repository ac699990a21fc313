"""`python -m facula` against `python`: the same output, errors and exit code, in real processes."""

import os
import subprocess
import sys
import zipfile

import pytest

import facula

ROOT = os.path.dirname(os.path.dirname(facula.__file__))
FILES = {
    "pkg/__init__.py": "",
    "pkg/helper.py": "x = 3\n",
    "pkg/__main__.py": "import sys\nfrom .helper import x\nprint(__name__, __package__, __spec__.name, sys.argv, x)\n",
    "pkg/mod.py": "import sys\nfrom .helper import x\nprint(__name__, __package__, sys.argv, x)\nsys.exit(7)\n",
    "pkg/bad.py": "def f():\n    return 1/0\nf()\n",
    "pkg/sub/__init__.py": "",
    "plain/__main__.py": "import sys\nprint(__file__, sys.argv, sys.path[0])\n",
    "own.py": "import sys\nprint(sys.argv, __name__, __file__, __package__, __spec__, sys.path[0])\nprint(sorted(k for k in globals() if k[:2] == '__'))\n",
    "raise.py": "import atexit\natexit.register(print, 'bye')\ntry:\n    int('x')\nexcept ValueError as e:\n    raise RuntimeError('outer') from e\n",
    "exit.py": "import sys\nsys.exit(eval(sys.argv[1]))\n",
    "syntax.py": "def f(:\n",
    "interrupt.py": "raise KeyboardInterrupt\n",
    "hook.py": "import sys\nsys.excepthook = lambda kind, value, frames: print('hook', kind, value)\n1/0\n",
    "sibling.py": "import pkg.helper\nprint(pkg.helper.x)\n",
}


def launch(*arguments, cwd, alias=True, **options):
    env = dict(os.environ, PYTHONPATH=ROOT, **options.pop("env", {}))
    command = [sys.executable, *(["-m", "facula"] if alias else []), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env, timeout=120, **options)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("programs")
    for name, text in FILES.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    with zipfile.ZipFile(path / "app.zip", "w") as archive:
        archive.writestr("__main__.py", "import sys\nprint(__name__, __file__, sys.path[0])\n")
    return path


@pytest.mark.parametrize("arguments", [
    ["own.py", "--a", "1"], ["./own.py"], ["sibling.py"], ["exit.py", "3"], ["exit.py", "'text'"], ["exit.py", "None"], ["exit.py", "256"],
    ["raise.py"], ["syntax.py"], ["interrupt.py"], ["hook.py"], ["absent.py"], ["pkg", "z"], ["plain", "z"], ["app.zip", "z"], ["pkg/mod.py"],
    ["-m", "pkg", "x"], ["-m", "pkg.mod", "y"], ["-m", "pkg.bad"], ["-m", "pkg.sub"], ["-m", "absent"], ["-mpkg.mod"],
    ["-c", "import sys; print(sys.argv, sys.path[0], __name__)", "a", "-b"], ["-c", "1/0"], ["-c", "def f(:"], ["-cprint(1)"],
    ["-c", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"], ["-", "w"],
], ids=" ".join)
def test_runs_as_python_does(folder, arguments):
    text = "import sys\nprint(sys.argv, __name__)\n1/0\n" if arguments[0] == "-" else None
    assert launch(*arguments, cwd=folder, input=text) == launch(*arguments, cwd=folder, alias=False, input=text)


@pytest.mark.parametrize("arguments", [["-c"], ["-m"], [], ["--nonsense", "x.py"]])
def test_wrong_use_says_how(folder, arguments):
    code, out, err = launch(*arguments, cwd=folder)
    assert code == 2 and "usage: python -m facula" in out + err


def run(folder, text):
    (folder / "program.py").write_text(text)
    code, out, err = launch("program.py", cwd=folder)
    assert code == 0, err
    return out.splitlines()


def test_workers_have_the_alias_however_they_start(folder):
    out = run(folder, """
import multiprocessing as mp, torch
from concurrent.futures import ProcessPoolExecutor
from torch.utils.data import DataLoader, Dataset

class Numbers(Dataset):
    def __len__(self): return 4
    def __getitem__(self, i): return torch.tensor([float(i)])

def work(i):
    import torch
    return torch.__name__, str(torch.ones(2) * i), torch.__version__

def fail(rank, word):
    if rank: raise ValueError(word)

if __name__ == "__main__":
    for method in ("spawn", "fork", "forkserver"):
        with ProcessPoolExecutor(1, mp_context=mp.get_context(method)) as pool:
            print(*pool.map(work, [2]))
        print([b.flatten().tolist() for b in DataLoader(Numbers(), 2, num_workers=1, multiprocessing_context=method)])
    try:
        torch.multiprocessing.spawn(fail, args=("boom",), nprocs=2)
    except Exception as error:
        print(type(error).__name__, "ValueError: boom" in str(error))
""")
    assert out == [str(("torch", "tensor([2., 2.])", "2.13.0")), "[[0.0, 1.0], [2.0, 3.0]]"] * 3 + ["ProcessRaisedException True"]


def test_names_are_pytorchs(folder):
    out = run(folder, """
import importlib, importlib.metadata as metadata, importlib.util as util, inspect, pickle, sys, typing
import torch, torch.nn as nn, torch.nn.functional as F, torchvision, torchvision.transforms as T
assert [m.__name__ for m in (torch, nn, F, torchvision, T)] == ["torch", "torch.nn", "torch.nn.functional", "torchvision", "torchvision.transforms"]
assert repr(nn.Linear) == "<class 'torch.nn.modules.linear.Linear'>" and repr(torch.Tensor) == "<class 'torch.Tensor'>"
assert str(torch.zeros(3, 4).shape) == "torch.Size([3, 4])" and str(torch.float32) == "torch.float32"
assert nn is torch.nn is sys.modules["torch.nn"] is importlib.import_module("facula.nn")
assert sys.modules[nn.Linear.__module__].Linear is nn.Linear
assert util.find_spec("torch").name == "torch" and util.find_spec("torch.nn").name == "torch.nn" and util.find_spec("torch.nope") is None
assert metadata.version("torch") == "2.13.0" and metadata.distribution("torch").metadata["Name"] == "torch"
assert any(d.metadata["Name"] == "torch" for d in metadata.distributions()) and "torch" in metadata.packages_distributions()
assert pickle.dumps(nn.Linear, 0) == b"ctorch.nn.modules.linear\\nLinear\\np0\\n." and pickle.loads(pickle.dumps(nn.Linear)) is nn.Linear
assert pickle.dumps(torch.float32, 0) == b"ctorch\\nfloat32\\np0\\n."
assert inspect.getmodule(nn.Linear) is nn.modules.linear and inspect.getsource(nn.Linear).startswith("class Linear")
assert typing.get_type_hints(type("A", (), {"__annotations__": {"x": "torch.Tensor"}}), globals()) == {"x": torch.Tensor}
assert importlib.reload(nn.functional) is F
v = torch.__version__
assert v == "2.13.0" and v >= (2, 0) and v > "2.9" and not v < (2, 13) and v < "2.14" and v > "2.13.0a1" and isinstance(v, str)
assert not torch.cuda.is_available()
print("ok")
""")
    assert out == ["ok"]


def test_missing_names_are_explained(folder):
    out = run(folder, """
import torch
for code in ("torch.absent", "torch.nn.Absent", "torch.nn.functional.absent", "torch.optim.Absent", "import torch.absent", "import torch.nn.absent.x",
             "from torch import absent", "from torch.nn import Absent", "from torch.nn.functional import absent", "from torch.utils import absent"):
    try:
        exec(code)
    except (AttributeError, ImportError) as error:
        print(type(error).__name__, error)
""")
    assert len(out) == 10 and all("Facula does not have it (yet); the README's status table lists what works" in line for line in out)
    assert out[1].startswith("AttributeError module 'torch.nn' has no attribute 'Absent'")
    assert out[4].startswith("ModuleNotFoundError No module named 'torch.absent'")
    assert out[7].startswith("ImportError cannot import name 'Absent' from 'torch.nn'")


def test_install_in_a_running_program(folder):
    (folder / "notebook.py").write_text("""
import facula.torch_alias
facula.torch_alias.install(); facula.torch_alias.install()
import torch, torch.nn
print(torch.ones(2).dtype, torch.nn.Linear)
""")
    assert launch("notebook.py", cwd=folder, alias=False)[:2] == (0, "torch.float32 <class 'torch.nn.modules.linear.Linear'>\n")
