"""`nn.functional`: the operations of the table's namespace of that name, and what is plain Python."""

from __future__ import annotations

from ..ops import functions as _functions
from . import _reduction as _Reduction  # noqa: F401

globals().update(_functions["nn.functional"])
# Operations that PyTorch offers both at top level and here.
for _name in ("relu", "relu_", "tanh", "sigmoid", "softmax", "log_softmax", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
              "conv_transpose3d", "conv_tbc", "celu_", "selu", "selu_", "rrelu", "rrelu_", "threshold_", "prelu", "pixel_shuffle", "pixel_unshuffle",
              "channel_shuffle", "native_channel_shuffle", "pdist", "cosine_similarity", "hardshrink", "layer_norm", "group_norm", "batch_norm",
              "instance_norm", "rms_norm", "dropout", "alpha_dropout", "feature_alpha_dropout", "embedding", "embedding_bag", "ctc_loss", "bilinear",
              "celu", "elu_", "threshold", "max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "adaptive_avg_pool1d", "max_pool1d_with_indices",
              "pairwise_distance", "poisson_nll_loss", "cosine_embedding_loss", "hinge_embedding_loss", "margin_ranking_loss", "kl_div",
              "triplet_margin_loss", "binary_cross_entropy_with_logits", "grid_sampler", "affine_grid_generator"):
    if _name not in globals() and _name in _functions[""]:
        globals()[_name] = _functions[""][_name]

from ._attention import *  # noqa: E402, F403


def _get_softmax_dim(name, ndim, stacklevel):
    import warnings

    warnings.warn(f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
                  stacklevel=stacklevel)
    return 0 if ndim in (0, 1, 3) else 1


from .modules.utils import _list_with_default, _pair, _single, _triple  # noqa: E402, F401
