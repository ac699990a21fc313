"""Operations on boxes and features, and blocks that models share."""

from .boxes import box_area, box_convert, box_iou, clip_boxes_to_image, nms, remove_small_boxes
from .misc import MLP, Conv2dNormActivation, StochasticDepth, stochastic_depth

__all__ = ["Conv2dNormActivation", "MLP", "StochasticDepth", "box_area", "box_convert", "box_iou", "clip_boxes_to_image", "nms",
           "remove_small_boxes", "stochastic_depth"]
