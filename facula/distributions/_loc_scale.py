"""What distributions share that are one shape, moved and stretched."""

from __future__ import annotations

from . import constraints
from .utils import broadcast_all


class LocScale:
    """Keeps `loc` and `scale`, broadcast to the shape of the batch."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support, has_rsample = constraints.real, True
    _parameters = {"loc": 0, "scale": 0}

    def __init__(self, loc, scale, validate_args=None):
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.size(), validate_args=validate_args)
