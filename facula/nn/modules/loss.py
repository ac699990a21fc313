"""Losses as modules: each keeps its settings and calls the function of nn.functional."""

from __future__ import annotations

from dataclasses import dataclass

import facula

from .._reduction import legacy_get_string
from .module import Module


class _Loss(Module):
    """A loss with `reduction`: 'mean', 'sum' or 'none'."""

    function = ""
    settings: tuple = ()

    def __init__(self, size_average=None, reduce=None, reduction="mean"):
        super().__init__()
        self.reduction = legacy_get_string(size_average, reduce) if size_average is not None or reduce is not None else reduction

    def forward(self, *inputs):
        return getattr(facula.nn.functional, self.function)(*inputs, reduction=self.reduction, **{n: getattr(self, n) for n in self.settings})


class _WeightedLoss(_Loss):
    def __init__(self, weight=None, size_average=None, reduce=None, reduction="mean"):
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


def _simple(name, function, settings="", doc="", base=_Loss):
    """A loss class whose settings come before the legacy arguments."""
    import inspect

    scope: dict = {}
    order = f"{settings}, size_average=None, reduce=None, reduction='mean'".lstrip(", ")
    exec(f"def f({order}): pass", scope)  # our own literal tables
    signature = inspect.signature(scope["f"])
    names = [n for n in signature.parameters if n not in ("size_average", "reduce", "reduction")]

    def __init__(self, *args, **kwargs):
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        values = bound.arguments
        base.__init__(self, size_average=values["size_average"], reduce=values["reduce"], reduction=values["reduction"],
                      **({"weight": values["weight"]} if base is _WeightedLoss else {}))
        for n in names:
            if n != "weight":
                setattr(self, n, values[n])

    return type(name, (base,), {"__init__": __init__, "function": function, "settings": tuple(names), "__doc__": doc, "__module__": __name__})


MSELoss = _simple("MSELoss", "mse_loss", doc="Squared differences.")
L1Loss = _simple("L1Loss", "l1_loss", doc="Absolute differences.")
SoftMarginLoss = _simple("SoftMarginLoss", "soft_margin_loss", doc="log(1 + exp(-target input)).")
KLDivLoss = _simple("KLDivLoss", "kl_div", doc="Kullback and Leibler's divergence.")
KLDivLoss.__init__ = (lambda start: lambda self, size_average=None, reduce=None, reduction="mean", log_target=False:
                      (start(self, size_average, reduce, reduction), setattr(self, "log_target", log_target))[0])(KLDivLoss.__init__)
KLDivLoss.settings = ("log_target",)
PoissonNLLLoss = _simple("PoissonNLLLoss", "poisson_nll_loss", "log_input=True, full=False", "Poisson counts.")
PoissonNLLLoss.__init__ = (lambda start: lambda self, log_input=True, full=False, size_average=None, eps=1e-8, reduce=None, reduction="mean":
                           (start(self, log_input, full, size_average, reduce, reduction), setattr(self, "eps", eps))[0])(PoissonNLLLoss.__init__)
PoissonNLLLoss.settings = ("log_input", "full", "eps")
HingeEmbeddingLoss = _simple("HingeEmbeddingLoss", "hinge_embedding_loss", "margin=1.0", "Hinge on distances.")
MarginRankingLoss = _simple("MarginRankingLoss", "margin_ranking_loss", "margin=0.0", "Order of two inputs.")
CosineEmbeddingLoss = _simple("CosineEmbeddingLoss", "cosine_embedding_loss", "margin=0.0", "Angles of pairs.")
MultiLabelSoftMarginLoss = _simple("MultiLabelSoftMarginLoss", "multilabel_soft_margin_loss", "weight=None", "Labels one by one.", _WeightedLoss)
MultiMarginLoss = _simple("MultiMarginLoss", "multi_margin_loss", "p=1, margin=1.0, weight=None", "Hinge between classes.", _WeightedLoss)
BCELoss = _simple("BCELoss", "binary_cross_entropy", "weight=None", "Cross entropy of probabilities.", _WeightedLoss)


class _Classes(_WeightedLoss):
    def __init__(self, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"):
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index


class NLLLoss(_Classes):
    """Minus the log-probability of the target class."""

    function, settings = "nll_loss", ("weight", "ignore_index")


class NLLLoss2d(NLLLoss):
    """NLLLoss, by its old name for images."""


class CrossEntropyLoss(_Classes):
    """Negative log-likelihood of the target under softmax(input)."""

    function, settings = "cross_entropy", ("weight", "ignore_index", "label_smoothing")

    def __init__(self, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean", label_smoothing=0.0):
        super().__init__(weight, size_average, ignore_index, reduce, reduction)
        self.label_smoothing = label_smoothing


class BCEWithLogitsLoss(_Loss):
    """Cross entropy of sigmoid(input)."""

    function, settings = "binary_cross_entropy_with_logits", ("weight", "pos_weight")

    def __init__(self, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None):
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)


class SmoothL1Loss(_Loss):
    """Squared below beta, absolute above."""

    function, settings = "smooth_l1_loss", ("beta",)

    def __init__(self, size_average=None, reduce=None, reduction="mean", beta=1.0):
        super().__init__(size_average, reduce, reduction)
        self.beta = beta


class HuberLoss(_Loss):
    """Squared below delta, linear above."""

    function, settings = "huber_loss", ("delta",)

    def __init__(self, reduction="mean", delta=1.0):
        super().__init__(reduction=reduction)
        self.delta = delta


class GaussianNLLLoss(_Loss):
    """Negative log-likelihood of normally distributed targets."""

    function, settings = "gaussian_nll_loss", ("full", "eps")

    def __init__(self, *, full=False, eps=1e-6, reduction="mean"):
        super().__init__(None, None, reduction)
        self.full, self.eps = full, eps


class TripletMarginLoss(_Loss):
    """Distances of an anchor to a positive and a negative sample."""

    function, settings = "triplet_margin_loss", ("margin", "p", "eps", "swap")

    def __init__(self, margin=1.0, p=2.0, eps=1e-6, swap=False, size_average=None, reduce=None, reduction="mean"):
        super().__init__(size_average, reduce, reduction)
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap


class TripletMarginWithDistanceLoss(_Loss):
    """The triplet loss with a distance of one's own."""

    def __init__(self, *, distance_function=None, margin=1.0, swap=False, reduction="mean"):
        super().__init__(None, None, reduction)
        if reduction not in {"mean", "sum", "none"}:
            raise ValueError(f"{reduction} is not a valid value for reduction")
        if margin <= 0:
            raise ValueError(f"TripletMarginWithDistanceLoss: expected margin to be greater than 0, got {margin} instead")
        from .distance import PairwiseDistance

        self.distance_function = distance_function if distance_function is not None else PairwiseDistance()
        self.margin, self.swap = margin, swap

    def forward(self, anchor, positive, negative):
        return facula.nn.functional.triplet_margin_with_distance_loss(
            anchor, positive, negative, distance_function=self.distance_function, margin=self.margin, swap=self.swap, reduction=self.reduction)


class MultiLabelMarginLoss(_Loss):
    """Hinge between each target class and every other."""

    function = "multilabel_margin_loss"


class CTCLoss(_Loss):
    """Minus the log-probability of a label sequence under all its alignments; Graves et al. (2006)."""

    def __init__(self, blank=0, reduction="mean", zero_infinity=False):
        super().__init__(reduction=reduction)
        self.blank, self.zero_infinity = blank, zero_infinity

    def forward(self, log_probs, targets, input_lengths, target_lengths):
        return facula.nn.functional.ctc_loss(log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity)


@dataclass
class LinearCrossEntropyOptions:
    """How `LinearCrossEntropyLoss` may cut its work; accepted for compatibility."""

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: object = None


class LinearCrossEntropyLoss(Module):
    """The cross entropy of a linear layer's output."""

    def __init__(self, in_features, num_classes, *, out_features=(), bias=False, device=None, dtype=None, reduction="mean", weight=None,
                 ignore_index=None, label_smoothing=0.0, options=None):
        super().__init__()
        from math import prod

        from .linear import Linear

        self.in_features, self.num_classes, self.out_features = in_features, num_classes, out_features
        self.reduction, self.ignore_index, self.label_smoothing, self.options = reduction, ignore_index, label_smoothing, options
        self.linear = Linear(in_features, num_classes * prod(out_features), bias=bias, device=device, dtype=dtype)
        self.register_buffer("weight", weight)

    def forward(self, input, target):
        logits = self.linear(input)
        if self.out_features:
            logits = logits.reshape(*logits.shape[:-1], self.num_classes, *self.out_features)
        return facula.nn.functional.cross_entropy(logits, target, weight=self.weight, reduction=self.reduction,
                                                  ignore_index=-100 if self.ignore_index is None else self.ignore_index,
                                                  label_smoothing=self.label_smoothing)

    def extra_repr(self):
        return (f"in_features={self.in_features}, num_classes={self.num_classes}, out_features={self.out_features}, "
                f"bias={self.linear.bias is not None}, reduction={self.reduction}, ignore_index={self.ignore_index}, "
                f"label_smoothing={self.label_smoothing}, options={self.options}")
