"""Records what torchvision 0.28 builds and computes for tests/vision/test_models.py. Needs torch and torchvision."""

import hashlib
import inspect
import json
import warnings
from pathlib import Path

import torch
from torchvision import models

FOLDER = Path(__file__).parent.parent / "tests" / "vision"
VALUES = ["alexnet", "resnet18", "squeezenet1_1", "mobilenet_v2", "mobilenet_v3_small", "shufflenet_v2_x0_5", "mnasnet0_5", "efficientnet_b0",
          "regnet_y_400mf", "densenet121", "googlenet", "convnext_tiny", "swin_t", "swin_v2_t", "maxvit_t"]


def digest(data):
    return hashlib.sha256(data).hexdigest()[:16]


def build(name):
    warnings.simplefilter("ignore")
    kwargs = {"weights_backbone": None} if "weights_backbone" in inspect.signature(models.get_model_builder(name)).parameters else {}
    return models.get_model(name, weights=None, **kwargs)


def described(name):
    """Parameters, entries, digests of the entries' names and shapes, and of the text."""
    with torch.device("cpu" if name.startswith("regnet") else "meta"):  # RegNet's widths are computed by tensors
        model = build(name)
    state = model.state_dict()
    names = "\n".join(f"{k} {tuple(v.shape)}" for k, v in state.items())
    return [sum(p.numel() for p in model.parameters()), len(state), digest(names.encode()), digest(repr(model).encode())]


def valued(name):
    """A digest of the first weights' bits after seed 0, and the first four outputs for an image."""
    torch.manual_seed(0)
    model = build(name)
    bits = hashlib.sha256()
    for value in model.state_dict().values():
        bits.update(value.numpy().tobytes())
    torch.manual_seed(1)
    with torch.no_grad():
        out = model.eval()(torch.randn(1, 3, *[224 if name == "maxvit_t" else 64] * 2))
    return [bits.hexdigest()[:16], out[0, :4].tolist()]


if __name__ == "__main__":
    names = [n for n in models.list_models() if not n.startswith("quantized")]
    lines = [f" {json.dumps(n)}: {json.dumps(described(n))}" for n in names]
    (FOLDER / "models.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    lines = [f" {json.dumps(n)}: {json.dumps(valued(n))}" for n in VALUES]
    (FOLDER / "model_values.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
