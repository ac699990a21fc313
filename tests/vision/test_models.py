"""Models against what torchvision 0.28 builds (scripts/record_models.py).

models.json has parameters, entries, and digests of names and of the printed text; model_values.json digests of first weights, and outputs.
"""

import hashlib
import json
import pathlib
import warnings

import pytest

import facula
from facula.vision import models

RECORDED, VALUES = (json.loads((pathlib.Path(__file__).parent / f"{name}.json").read_text()) for name in ("models", "model_values"))


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def build(name, **kwargs):
    if name in ("googlenet", "inception_v3"):
        kwargs.setdefault("init_weights", False)
    if any(package in models.get_model_builder(name).__module__ for package in (".segmentation.", ".detection.")):
        kwargs["weights_backbone"] = None
    return models.get_model(name, weights=None, **kwargs)


@pytest.mark.parametrize("name", models.list_models())
def test_a_model_has_the_parameters_names_and_text_of_torchvision(name):
    params, entries, names, text = RECORDED[name]
    with facula.device("meta"):
        model = build(name)
    state = model.state_dict()
    assert sum(p.numel() for p in model.parameters()) == params and len(state) == entries
    assert digest("\n".join(f"{k} {tuple(v.shape)}" for k, v in state.items())) == names
    assert digest(repr(model)) == text


SIZES = {"inception_v3": 75, "vit_b_16": 224, "maxvit_t": 224}
FAMILIES = [n for n in ("alexnet", "vgg11", "resnet18", "squeezenet1_1", "densenet121", "inception_v3", "googlenet", "mobilenet_v2",
                        "mobilenet_v3_small", "shufflenet_v2_x0_5", "mnasnet0_5", "efficientnet_b0", "efficientnet_v2_s", "regnet_y_400mf",
                        "convnext_tiny", "vit_b_16", "swin_t", "swin_v2_t", "maxvit_t") if n in models.list_models()]


@pytest.mark.parametrize("name", FAMILIES)
def test_output_shape(name):
    size = SIZES.get(name, 64)
    with facula.device("meta"):
        model = build(name, num_classes=7)
        assert model.eval()(facula.empty(2, 3, size, size)).shape == (2, 7)


@pytest.mark.parametrize("name", VALUES)
def test_first_weights_and_outputs(name):
    bits, outputs = VALUES[name]
    facula.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        model = models.get_model(name)
    if facula._native.level in ("v3", "v4"):  # what is fused there is rounded twice elsewhere
        digest = hashlib.sha256()
        for value in model.state_dict().values():
            digest.update(value.numpy().tobytes())
        assert digest.hexdigest()[:16] == bits
    facula.manual_seed(1)
    with facula.no_grad():
        out = model.eval()(facula.randn(1, 3, *[SIZES.get(name, 64)] * 2))
    facula.testing.assert_close(out[0, :4], facula.tensor(outputs), rtol=0, atol=1e-4 * max(map(abs, outputs)))


def test_weights_are_found_by_name():
    assert models.ResNet50_Weights.DEFAULT is models.ResNet50_Weights.IMAGENET1K_V2
    assert repr(models.ResNet18_Weights.IMAGENET1K_V1) == "ResNet18_Weights.IMAGENET1K_V1"
    assert models.get_weight("ResNet50_Weights.IMAGENET1K_V2").url.endswith("resnet50-11ad3fa6.pth")
    meta = models.get_model_weights("vgg16").IMAGENET1K_V1.meta
    assert meta["num_params"] == 138357544 and len(meta["categories"]) == 1000
    assert models.resnet.ResNet18_Weights is models.ResNet18_Weights
    with pytest.raises(ValueError, match="Nothing_Weights"):
        models.get_weight("Nothing_Weights.DEFAULT")
    with pytest.raises(ValueError, match="Unknown model nothing"):
        models.get_model("nothing")


def test_every_model_that_has_weights_is_built():
    enums = {models.get_model_weights(n).__name__ for n in models.list_models() if n in models._api._table()}
    assert "AlexNet_Weights" in enums and models.list_models(include="vgg1?") == ["vgg11", "vgg13", "vgg16", "vgg19"]


def test_weights_come_from_the_hub_cache(tmp_path, monkeypatch):
    trained = models.squeezenet1_1()
    weights = models.SqueezeNet1_1_Weights.DEFAULT
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    facula.save(trained.state_dict(), folder / weights.url.rpartition("/")[2])
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for kwargs in ({"weights": weights}, {"weights": "DEFAULT"}, {"weights": "SqueezeNet1_1_Weights.IMAGENET1K_V1"}):
        model = models.squeezenet1_1(**kwargs)
        assert all(facula.equal(a, b) for a, b in zip(model.state_dict().values(), trained.state_dict().values()))
    with pytest.warns(UserWarning, match="'pretrained' is deprecated"), pytest.warns(UserWarning, match="equivalent to passing `weights=SqueezeNet1_1"):
        models.squeezenet1_1(pretrained=True)
    with pytest.raises(ValueError, match="'num_classes' expected value 1000 but got 5"):
        models.squeezenet1_1(weights=weights, num_classes=5)


def test_old_parameters_warn_as_torchvision():
    with pytest.warns(UserWarning, match="Using 'weights' and 'progress' as positional parameter"):
        models.squeezenet1_1(None, True)
    with pytest.raises(TypeError, match="unexpected keyword argument 'pretrained'"):
        models.squeezenet1_1(weights=None, pretrained=False)
    with pytest.raises(TypeError, match="expected SqueezeNet1_1_Weights but received ResNet18_Weights"):
        models.squeezenet1_1(weights=models.ResNet18_Weights.DEFAULT)
    with pytest.raises(ValueError, match="already registered under the name 'resnet18'"):
        models._api.register_model("resnet18")(print)


def test_pretrained_false_builds_an_untrained_model():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert models.squeezenet1_1(pretrained=False, num_classes=3).num_classes == 3
    with pytest.raises(KeyError):
        models.resnet18(weights="NOTHING")
