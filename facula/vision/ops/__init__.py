"""Operations on boxes and features, and blocks that models share."""

from .boxes import box_area, box_convert, box_iou, clip_boxes_to_image, nms, remove_small_boxes
from .drop import *  # noqa: F403
from .misc import *  # noqa: F403

