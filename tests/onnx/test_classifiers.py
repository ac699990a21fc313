"""Every classification model of vision.models, at its full size, as ONNX: checked, and equal through ONNX Runtime."""

import gc
import os

import pytest

import facula
from facula.vision import models

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
SIZES = {"inception_v3": 96, "vit": 224, "maxvit": 224}  # the others take 64 x 64
ABOVE_2_GB = ("regnet_y_128gf", "vit_h_14")  # numbers in a file beside the model


def image_size(name):
    return next((size for prefix, size in SIZES.items() if name.startswith(prefix)), 64)


def random_model(name):
    """The model with random weights; those that start as zeros would hide what comes before them."""
    facula.manual_seed(0)
    model = getattr(models, name)(weights=None, **({"init_weights": False} if name in ("googlenet", "inception_v3") else {})).eval()
    with facula.no_grad():
        for p in model.parameters():
            if p.dim() > 1 and not p.any():
                p.normal_(std=0.02)
    return model


@pytest.mark.parametrize("name", models.list_models(module=models))
def test_export(name, tmp_path):
    model, image, path = random_model(name), facula.randn(1, 3, image_size(name), image_size(name)), os.fspath(tmp_path / "model.onnx")
    if name in ABOVE_2_GB:
        facula.onnx.export(model, (image,), path)
    else:
        with open(path, "wb") as file:  # not flushed to the disk, which would take most of the time
            facula.onnx.export(model, (image,), file)
    onnx.checker.check_model(path)
    with facula.no_grad():
        wanted = model(image)
    del model
    gc.collect()
    options = runtime.SessionOptions()
    options.log_severity_level, options.graph_optimization_level = 3, runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    got = facula.from_numpy(session.run(None, {session.get_inputs()[0].name: image.numpy()})[0])
    for file in tmp_path.iterdir():
        file.unlink()
    assert wanted.abs().max() > 0
    facula.testing.assert_close(got, wanted, rtol=1e-3, atol=1e-4 * float(wanted.abs().max()))
