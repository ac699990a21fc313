"""Invertible maps with known change of volume, to move distributions and parameters from one set to another."""

from __future__ import annotations

from ._transform import ComposeTransform, IndependentTransform, ReshapeTransform, Transform, identity_transform
from ._transform_matrices import CatTransform, CorrCholeskyTransform, LowerCholeskyTransform, PositiveDefiniteTransform, StackTransform
from ._transform_numbers import (
    AbsTransform,
    AffineTransform,
    CumulativeDistributionTransform,
    ExpTransform,
    PowerTransform,
    SigmoidTransform,
    SoftmaxTransform,
    SoftplusTransform,
    StickBreakingTransform,
    TanhTransform,
)

__all__ = ["AbsTransform", "AffineTransform", "CatTransform", "ComposeTransform", "CorrCholeskyTransform", "CumulativeDistributionTransform",
           "ExpTransform", "IndependentTransform", "LowerCholeskyTransform", "PositiveDefiniteTransform", "PowerTransform", "ReshapeTransform",
           "SigmoidTransform", "SoftplusTransform", "TanhTransform", "SoftmaxTransform", "StackTransform", "StickBreakingTransform", "Transform",
           "identity_transform"]
