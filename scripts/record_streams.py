"""Records random streams of PyTorch 2.13 for tests/test_random.py. Needs torch."""

import hashlib
import json
from pathlib import Path

import torch

DRAWS = {
    "rand": lambda: torch.rand(5), "randn_small": lambda: torch.randn(5), "randn_blocks": lambda: torch.randn(20),
    "rand_double": lambda: torch.rand(5, dtype=torch.float64), "randn_double": lambda: torch.randn(20, dtype=torch.float64),
    "randint": lambda: torch.randint(0, 100, (8,)), "randperm": lambda: torch.randperm(10),
    "bernoulli": lambda: torch.empty(10).bernoulli_(0.3), "exponential": lambda: torch.empty(5).exponential_(),
    "linear": lambda: torch.nn.Linear(3, 2).weight.detach(), "dropout": lambda: torch.nn.functional.dropout(torch.ones(10), 0.5)}

recorded = {}
for name, draw in DRAWS.items():
    torch.manual_seed(0)
    recorded[name] = draw().double().tolist()
recorded["bits"] = {}  # every bit of longer streams
for dtype in ("float32", "float64", "bfloat16"):
    for name, draw in {"normal_": (0.3, 0.0456), "uniform_": (-0.05, 0.05)}.items():
        torch.manual_seed(0)
        drawn = getattr(torch.empty(1003, dtype=getattr(torch, dtype)), name)(*draw)
        recorded["bits"][f"{dtype} {name}"] = hashlib.sha256(drawn.view(torch.uint8).numpy().tobytes()).hexdigest()[:16]
path = Path(__file__).parent.parent / "tests" / "streams.json"
path.write_text(json.dumps(recorded, indent=0) + "\n")
