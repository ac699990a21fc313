"""A backbone and the heads that read its maps."""

from __future__ import annotations

from collections import OrderedDict

from facula import nn
from facula.nn import functional as F

from .. import resnet
from .._api import fix
from .._utils import IntermediateLayerGetter


class _SimpleSegmentationModel(nn.Module):
    """Scores of classes at the size of the image, under "out"; under "aux" those of the second head, where there is one.

    Args:
        backbone: Gives the maps "out" and, for a second head, "aux".
        classifier: Reads the map "out".
        aux_classifier: Reads the map "aux", or None.
    """

    def __init__(self, backbone, classifier, aux_classifier=None):
        super().__init__()
        self.backbone, self.classifier, self.aux_classifier = backbone, classifier, aux_classifier

    def forward(self, x):
        maps, result = self.backbone(x), OrderedDict()
        for name, head in (("out", self.classifier), ("aux", self.aux_classifier)):
            if head is not None:
                result[name] = F.interpolate(head(maps[name]), size=x.shape[-2:], mode="bilinear", align_corners=False)
        return result


def dilated_resnet(name, weights_backbone, second_head):
    """A ResNet of stride 8 that gives the outputs of its last stage and, for a second head, of the one before."""
    backbone = getattr(resnet, name)(weights=weights_backbone, replace_stride_with_dilation=[False, True, True])
    return IntermediateLayerGetter(backbone, {"layer4": "out", **({"layer3": "aux"} if second_head else {})})


def settled(weights, num_classes, aux_loss, second_head=True):
    """The number of classes and whether there is a second head, as trained weights or defaults say."""
    chosen = {"aux_loss": aux_loss}
    if weights is not None and second_head:
        fix(chosen, "aux_loss", True)
    return 21 if num_classes is None else num_classes, chosen["aux_loss"]
