"""Classifiers as backbones of detectors."""

from __future__ import annotations

import warnings

from facula import nn

from ...ops import misc as misc_nn_ops
from ...ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool, LastLevelP6P7
from .. import mobilenet, resnet
from .._utils import IntermediateLayerGetter, strided_stages


class BackboneWithFPN(nn.Module):
    """Layers of a model by `IntermediateLayerGetter`, as a feature pyramid."""

    def __init__(self, backbone, return_layers, in_channels_list, out_channels, extra_blocks=None, norm_layer=None):
        super().__init__()
        self.body = IntermediateLayerGetter(backbone, return_layers=return_layers)
        self.fpn = FeaturePyramidNetwork(in_channels_list, out_channels, extra_blocks=extra_blocks or LastLevelMaxPool(), norm_layer=norm_layer)
        self.out_channels = out_channels

    def forward(self, x):
        return self.fpn(self.body(x))


def freeze(module):
    for p in module.parameters():
        p.requires_grad_(False)


def _validate_trainable_layers(is_trained, trainable_backbone_layers, max_value, default_value):
    """How many of a backbone's stages learn; all, where nothing was learnt before."""
    if not is_trained:
        if trainable_backbone_layers is not None:
            warnings.warn("Changing trainable_backbone_layers has no effect if neither pretrained nor pretrained_backbone have been set to True, "
                          f"falling back to trainable_backbone_layers={max_value} so that all layers are trainable", stacklevel=4)
        trainable_backbone_layers = max_value
    if trainable_backbone_layers is None:
        trainable_backbone_layers = default_value
    if not 0 <= trainable_backbone_layers <= max_value:
        raise ValueError(f"Trainable backbone layers should be in the range [0,{max_value}], got {trainable_backbone_layers} ")
    return trainable_backbone_layers


def _resnet_fpn_extractor(backbone, trainable_layers, returned_layers=None, extra_blocks=None, norm_layer=None):
    """A ResNet's stages `returned_layers` (1 to 4) as a pyramid of 256 channels; the first stages are frozen."""
    if not 0 <= trainable_layers <= 5:
        raise ValueError(f"Trainable layers should be in the range [0,5], got {trainable_layers}")
    learning = ("layer4", "layer3", "layer2", "layer1", "conv1")[:trainable_layers] + (("bn1",) if trainable_layers == 5 else ())
    for name, p in backbone.named_parameters():
        if not name.startswith(learning):
            p.requires_grad_(False)
    returned = returned_layers or [1, 2, 3, 4]
    if min(returned) <= 0 or max(returned) >= 5:
        raise ValueError(f"Each returned layer should be in the range [1,4]. Got {returned}")
    channels = [backbone.inplanes // 8 * 2 ** (i - 1) for i in returned]
    return BackboneWithFPN(backbone, {f"layer{k}": str(i) for i, k in enumerate(returned)}, channels, 256, extra_blocks, norm_layer)


def resnet_fpn_backbone(*, backbone_name, weights, norm_layer=misc_nn_ops.FrozenBatchNorm2d, trainable_layers=3, returned_layers=None,
                        extra_blocks=None):
    """A ResNet as a feature pyramid."""
    backbone = getattr(resnet, backbone_name)(weights=weights, norm_layer=norm_layer)
    return _resnet_fpn_extractor(backbone, trainable_layers, returned_layers, extra_blocks)


def frozen_features(features, stages, trainable_layers):
    """Freezes all but the last `trainable_layers` stages of a sequence of layers; stages are places in it."""
    if not 0 <= trainable_layers <= len(stages):
        raise ValueError(f"Trainable layers should be in the range [0,{len(stages)}], got {trainable_layers} ")
    for layer in features[:len(features) if trainable_layers == 0 else stages[len(stages) - trainable_layers]]:
        freeze(layer)


def _mobilenet_extractor(backbone, fpn, trainable_layers, returned_layers=None, extra_blocks=None, norm_layer=None):
    """A MobileNet as a pyramid, or its last map with 256 channels."""
    features = backbone.features
    stages = strided_stages(features)
    frozen_features(features, stages, trainable_layers)
    if not fpn:
        module = nn.Sequential(features, nn.Conv2d(features[-1].out_channels, 256, 1))
        module.out_channels = 256
        return module
    returned = returned_layers or [len(stages) - 2, len(stages) - 1]
    if min(returned) < 0 or max(returned) >= len(stages):
        raise ValueError(f"Each returned layer should be in the range [0,{len(stages) - 1}], got {returned} ")
    return BackboneWithFPN(features, {str(stages[k]): str(i) for i, k in enumerate(returned)}, [features[stages[k]].out_channels for k in returned],
                           256, extra_blocks, norm_layer)


def mobilenet_backbone(*, backbone_name, weights, fpn, norm_layer=misc_nn_ops.FrozenBatchNorm2d, trainable_layers=2, returned_layers=None,
                       extra_blocks=None):
    """A MobileNet as a feature pyramid or as one map."""
    backbone = getattr(mobilenet, backbone_name)(weights=weights, norm_layer=norm_layer)
    return _mobilenet_extractor(backbone, fpn, trainable_layers, returned_layers, extra_blocks)


def settled_resnet(weights, weights_backbone, trainable_backbone_layers, *, learning_norms=False, p6_channels=None, **pyramid):
    """ResNet-50 as a pyramid.

    Args:
        learning_norms: Whether normalisation learns although it was trained before.
        p6_channels: For a pyramid of the last three stages with two more levels: the channels that these are made of, 256 for the
            coarsest level's and 2048 for the last stage's.
        pyramid: What `_resnet_fpn_extractor` takes.
    """
    trained = weights is not None or weights_backbone is not None
    trainable = _validate_trainable_layers(trained, trainable_backbone_layers, 5, 3)
    norm = misc_nn_ops.FrozenBatchNorm2d if trained and not learning_norms else nn.BatchNorm2d
    backbone = resnet.resnet50(weights=weights_backbone, norm_layer=norm)
    if p6_channels is not None:
        pyramid.update(returned_layers=[2, 3, 4], extra_blocks=LastLevelP6P7(p6_channels, 256))
    return _resnet_fpn_extractor(backbone, trainable, **pyramid)
