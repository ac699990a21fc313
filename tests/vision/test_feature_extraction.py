"""Outputs of layers by name. The names are those torchvision 0.28 gives."""

import pytest

import facula
from facula.vision import models
from facula.vision.models._utils import IntermediateLayerGetter
from facula.vision.models.feature_extraction import create_feature_extractor, get_graph_node_names


def test_names():
    train, evaluation = get_graph_node_names(models.resnet18())
    assert train == evaluation
    assert train[:9] == ["x", "conv1", "bn1", "relu", "maxpool", "layer1.0.conv1", "layer1.0.bn1", "layer1.0.relu", "layer1.0.conv2"]
    assert train[10:12] == ["layer1.0.add", "layer1.0.relu_1"] and train[-3:] == ["avgpool", "flatten", "fc"]


@pytest.mark.parametrize("name, train, evaluation", [("densenet121", 432, 432), ("mobilenet_v3_small", 56, 56), ("efficientnet_b0", 88, 88),
                                                     ("regnet_y_400mf", 105, 105)])
def test_number_of_nodes(name, train, evaluation):
    with facula.device("meta"):
        found = get_graph_node_names(models.get_model(name))
    assert tuple(map(len, found)) == (train, evaluation)


def test_modes_that_differ_warn():
    with facula.device("meta"):
        model = models.googlenet(init_weights=False)
    with pytest.warns(UserWarning, match="in eval mode are a subsequence of those obtained in train mode"):
        train, evaluation = get_graph_node_names(model)
    assert (len(train), len(evaluation)) == (216, 198)


def test_extracted_values_and_weights():
    facula.manual_seed(0)
    model, x = models.resnet18().eval(), facula.randn(1, 3, 64, 64)
    extractor = create_feature_extractor(model, {"layer1": "low", "layer3.1.relu": "middle"})
    assert not extractor.training and "fc.weight" not in extractor.state_dict() and len(extractor.state_dict()) == 84
    found = extractor(x)
    assert list(found) == ["low", "middle"] and found["middle"].shape == (1, 256, 4, 4)
    low = model.layer1(model.maxpool(model.relu(model.bn1(model.conv1(x)))))
    assert facula.equal(found["low"], low)
    found["middle"].sum().backward()
    assert model.conv1.weight.grad is not None and model.layer4[0].conv1.weight.grad is None


def test_nodes_by_mode():
    extractor = create_feature_extractor(models.squeezenet1_1(), train_return_nodes=["features.3"], eval_return_nodes={"flatten": "out"})
    x = facula.randn(1, 3, 64, 64)
    assert list(extractor.train()(x)) == ["features.3"] and list(extractor.eval()(x)) == ["out"]


@pytest.mark.parametrize("arguments, text", [
    ({"return_nodes": ["nothing"]}, "node: 'nothing' is not present in model"), ({}, "Either `return_nodes` or"),
    ({"train_return_nodes": ["fc"]}, "then both should be specified"),
    ({"return_nodes": ["fc"], "train_return_nodes": ["fc"], "eval_return_nodes": ["fc"]}, "then both should be specified")])
def test_faults(arguments, text):
    with facula.device("meta"):
        model = models.resnet18()
    with pytest.raises(ValueError, match=text):
        create_feature_extractor(model, **arguments)


def test_children_in_order():
    facula.manual_seed(0)
    model = models.resnet18().eval()
    getter = IntermediateLayerGetter(model, {"layer1": "a", "layer3": "b"})
    assert [n for n, _ in getter.named_children()][-1] == "layer3"
    found = getter(facula.randn(1, 3, 64, 64))
    assert {k: tuple(v.shape) for k, v in found.items()} == {"a": (1, 64, 16, 16), "b": (1, 256, 4, 4)}
    with pytest.raises(ValueError, match="return_layers are not present in model"):
        IntermediateLayerGetter(model, {"layer9": "a"})
