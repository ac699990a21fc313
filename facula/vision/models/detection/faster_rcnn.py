"""Faster R-CNN. Sources: Ren et al., arXiv 1506.01497; its second version: Li et al., arXiv 2111.11429."""

from __future__ import annotations

from facula import nn
from facula.nn import functional as F

from ...ops.misc import Conv2dNormActivation, FrozenBatchNorm2d
from ...ops.poolers import MultiScaleRoIAlign
from .. import mobilenetv3
from .._api import register, register_all
from .._init import fan_out
from . import _utils as det_utils
from .anchor_utils import AnchorGenerator
from .backbone_utils import _mobilenet_extractor, _validate_trainable_layers, settled_resnet
from .generalized_rcnn import GeneralizedRCNN
from .roi_heads import RoIHeads
from .rpn import RegionProposalNetwork, RPNHead
from .transform import GeneralizedRCNNTransform

__all__ = ["FasterRCNN", "fasterrcnn_resnet50_fpn", "fasterrcnn_resnet50_fpn_v2"]
IMAGE_MEAN, IMAGE_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def _default_anchorgen():
    return AnchorGenerator(((32,), (64,), (128,), (256,), (512,)), ((0.5, 1.0, 2.0),) * 5)


def need_type(name, value, kind):
    """Raises where an argument is neither None nor of its class."""
    if not isinstance(value, (kind, type(None))):
        raise TypeError(f"{name} should be of type {kind.__name__} or None instead of {type(value)}")


def need_one(num_classes, predictor, what, count="num_classes"):
    """Raises unless exactly one of a number and a predictor is given."""
    if num_classes is not None and predictor is not None:
        raise ValueError(f"{count} should be None when {what} is specified")
    if num_classes is None and predictor is None:
        raise ValueError(f"{count} should not be None when {what} is not specified")


def need_channels(backbone):
    if not hasattr(backbone, "out_channels"):
        raise ValueError("backbone should contain an attribute out_channels specifying the number of output channels (assumed to be the same for "
                         "all the levels)")


class FasterRCNN(GeneralizedRCNN):
    """Proposals of a region proposal network, classified and moved.

    Args:
        backbone: Gives a map, or maps by name, of `out_channels` channels.
        num_classes: With the background; None where `box_predictor` is given.
        min_size, max_size, image_mean, image_std: See `GeneralizedRCNNTransform`.
        rpn_*: See `RegionProposalNetwork`.
        box_*, bbox_reg_weights: See `RoIHeads`.
    """

    def __init__(self, backbone, num_classes=None, min_size=800, max_size=1333, image_mean=None, image_std=None, rpn_anchor_generator=None,
                 rpn_head=None, rpn_pre_nms_top_n_train=2000, rpn_pre_nms_top_n_test=1000, rpn_post_nms_top_n_train=2000,
                 rpn_post_nms_top_n_test=1000, rpn_nms_thresh=0.7, rpn_fg_iou_thresh=0.7, rpn_bg_iou_thresh=0.3, rpn_batch_size_per_image=256,
                 rpn_positive_fraction=0.5, rpn_score_thresh=0.0, box_roi_pool=None, box_head=None, box_predictor=None, box_score_thresh=0.05,
                 box_nms_thresh=0.5, box_detections_per_img=100, box_fg_iou_thresh=0.5, box_bg_iou_thresh=0.5, box_batch_size_per_image=512,
                 box_positive_fraction=0.25, bbox_reg_weights=None, **kwargs):
        need_channels(backbone)
        need_type("rpn_anchor_generator", rpn_anchor_generator, AnchorGenerator)
        need_type("box_roi_pool", box_roi_pool, MultiScaleRoIAlign)
        need_one(num_classes, box_predictor, "box_predictor")
        channels = backbone.out_channels
        anchors = rpn_anchor_generator or _default_anchorgen()
        rpn = RegionProposalNetwork(
            anchors, rpn_head or RPNHead(channels, anchors.num_anchors_per_location()[0]), rpn_fg_iou_thresh, rpn_bg_iou_thresh,
            rpn_batch_size_per_image, rpn_positive_fraction, {"training": rpn_pre_nms_top_n_train, "testing": rpn_pre_nms_top_n_test},
            {"training": rpn_post_nms_top_n_train, "testing": rpn_post_nms_top_n_test}, rpn_nms_thresh, score_thresh=rpn_score_thresh)
        pool = box_roi_pool or MultiScaleRoIAlign(featmap_names=["0", "1", "2", "3"], output_size=7, sampling_ratio=2)
        head = box_head or TwoMLPHead(channels * pool.output_size[0] ** 2, 1024)
        predictor = box_predictor or FastRCNNPredictor(1024, num_classes)
        roi_heads = RoIHeads(pool, head, predictor, box_fg_iou_thresh, box_bg_iou_thresh, box_batch_size_per_image, box_positive_fraction,
                             bbox_reg_weights, box_score_thresh, box_nms_thresh, box_detections_per_img)
        transform = GeneralizedRCNNTransform(min_size, max_size, image_mean or IMAGE_MEAN, image_std or IMAGE_STD, **kwargs)
        super().__init__(backbone, rpn, roi_heads, transform)


class TwoMLPHead(nn.Module):
    """Two linear layers on pooled regions."""

    def __init__(self, in_channels, representation_size):
        super().__init__()
        self.fc6 = nn.Linear(in_channels, representation_size)
        self.fc7 = nn.Linear(representation_size, representation_size)

    def forward(self, x):
        return F.relu(self.fc7(F.relu(self.fc6(x.flatten(start_dim=1)))))


class FastRCNNConvFCHead(nn.Sequential):
    """Convolutions, then linear layers, on pooled regions of size (channels, height, width)."""

    def __init__(self, input_size, conv_layers, fc_layers, norm_layer=None):
        channels, height, width = input_size
        blocks = []
        for out in conv_layers:
            blocks.append(Conv2dNormActivation(channels, out, norm_layer=norm_layer))
            channels = out
        blocks.append(nn.Flatten())
        size = channels * height * width
        for out in fc_layers:
            blocks += [nn.Linear(size, out), nn.ReLU(inplace=True)]
            size = out
        super().__init__(*blocks)
        det_utils.initialize(self, fan_out)


class FastRCNNPredictor(nn.Module):
    """Scores of classes, and four numbers for the box of each class."""

    def __init__(self, in_channels, num_classes):
        super().__init__()
        self.cls_score = nn.Linear(in_channels, num_classes)
        self.bbox_pred = nn.Linear(in_channels, num_classes * 4)

    def forward(self, x):
        if x.dim() == 4 and tuple(x.shape[2:]) != (1, 1):
            raise AssertionError(f"x has the wrong shape, expecting the last two dimensions to be [1,1] instead of {list(x.shape[2:])}")
        x = x.flatten(start_dim=1)
        return self.cls_score(x), self.bbox_pred(x)


def second_version(weights, weights_backbone, trainable_backbone_layers):
    """The backbone and the parts that the second version changes, with normalisation that learns."""
    backbone = settled_resnet(weights, weights_backbone, trainable_backbone_layers, learning_norms=True, norm_layer=nn.BatchNorm2d)
    anchors = _default_anchorgen()
    head = RPNHead(backbone.out_channels, anchors.num_anchors_per_location()[0], conv_depth=2)
    box_head = FastRCNNConvFCHead((backbone.out_channels, 7, 7), [256] * 4, [1024], norm_layer=nn.BatchNorm2d)
    return backbone, {"rpn_anchor_generator": anchors, "rpn_head": head, "box_head": box_head}


@register(backbone="resnet50", positional=("num_classes",))
def fasterrcnn_resnet50_fpn(*, weights=None, num_classes=None, weights_backbone=None, trainable_backbone_layers=None, **kwargs):
    """Faster R-CNN on a pyramid of ResNet-50."""
    model = FasterRCNN(settled_resnet(weights, weights_backbone, trainable_backbone_layers), num_classes=num_classes or 91, **kwargs)
    if weights is not None:
        det_utils.overwrite_eps(model, 0.0)
    return model


@register(backbone=("resnet50", None), positional=("num_classes",))
def fasterrcnn_resnet50_fpn_v2(*, weights=None, num_classes=None, weights_backbone=None, trainable_backbone_layers=None, **kwargs):
    """The second version of Faster R-CNN on a pyramid of ResNet-50."""
    backbone, parts = second_version(weights, weights_backbone, trainable_backbone_layers)
    return FasterRCNN(backbone, num_classes=num_classes or 91, **parts, **kwargs)


def _on_mobilenet(defaults, weights, num_classes=None, weights_backbone=None, trainable_backbone_layers=None, **kwargs):
    trained = weights is not None or weights_backbone is not None
    trainable = _validate_trainable_layers(trained, trainable_backbone_layers, 6, 3)
    backbone = mobilenetv3.mobilenet_v3_large(weights=weights_backbone, norm_layer=FrozenBatchNorm2d if trained else nn.BatchNorm2d)
    backbone = _mobilenet_extractor(backbone, True, trainable)
    anchors = AnchorGenerator(((32, 64, 128, 256, 512),) * 3, ((0.5, 1.0, 2.0),) * 3)
    return FasterRCNN(backbone, num_classes or 91, rpn_anchor_generator=anchors, **{**defaults, **kwargs})


_MODELS = {
    "fasterrcnn_mobilenet_v3_large_320_fpn": ({"min_size": 320, "max_size": 640, "rpn_pre_nms_top_n_test": 150, "rpn_post_nms_top_n_test": 150,
                                               "rpn_score_thresh": 0.05},),
    "fasterrcnn_mobilenet_v3_large_fpn": ({"rpn_score_thresh": 0.05},)}
register_all(globals(), _on_mobilenet, _MODELS, backbone="mobilenet_v3_large", positional=("num_classes",))
__all__ += _MODELS
