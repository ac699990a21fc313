"""Transforms of whole samples: images, videos, masks, boxes and key points together."""

from ..functional import InterpolationMode
from . import _augment, _auto_augment, _color, _container, _geometry, _misc, _transform, functional
from ._augment import *  # noqa: F403
from ._auto_augment import *  # noqa: F403
from ._color import *  # noqa: F403
from ._container import *  # noqa: F403
from ._geometry import *  # noqa: F403
from ._misc import *  # noqa: F403
from ._transform import Identity, Transform, check_type, get_bounding_boxes, get_keypoints, has_all, has_any, query_chw, query_size

__all__ = ["Identity", "InterpolationMode", "Transform", "check_type", "functional", "get_bounding_boxes", "get_keypoints", "has_all", "has_any",
           "query_chw", "query_size", *_augment.__all__, *_auto_augment.__all__, *_color.__all__, *_container.__all__, *_geometry.__all__,
           *_misc.__all__]
