"""Connectionist temporal classification."""

from __future__ import annotations

import facula

from ._table import composite, op
from .loss import _CODES, reduction_code

op("_ctc_loss(Tensor log_probs, Tensor targets, int[] input_lengths, int[] target_lengths, int blank=0, bool zero_infinity=False) -> (_, _)",
   kernel="loss.ctc", method=False, node="CtcLossBackward0",
   vjp={"log_probs": lambda grads, log_probs, targets, input_lengths, target_lengths, results, blank, zero_infinity: None if grads[0] is None else
        facula._ctc_loss_back(grads[0], log_probs, targets, input_lengths, target_lengths, results[0], results[1], blank, zero_infinity)})
op("_ctc_loss_back(Tensor grad_, Tensor log_probs, Tensor targets, int[] input_lengths, int[] target_lengths, Tensor nll, Tensor log_alpha, int blank, "
   "bool zero_infinity)", kernel="loss.ctc_back", method=False)


def _lengths(lengths):
    if isinstance(lengths, facula.Tensor):
        if lengths.is_floating_point() or lengths.is_complex():
            raise RuntimeError("input_lengths and target_lengths must be integral")
        return lengths.reshape(-1).tolist()
    return list(lengths) if isinstance(lengths, (tuple, list)) else [lengths]


@composite("nn.functional.ctc_loss")
def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean", zero_infinity=False):
    """Minus the log-likelihood of label sequences of unknown alignment: log_probs (time, batch, classes), or of one sequence.

    Source: Graves et al., "Connectionist temporal classification", ICML 2006.
    """
    code = reduction_code(reduction)
    batched = log_probs.dim() == 3
    inputs, labels = _lengths(input_lengths), _lengths(target_lengths)
    rows = log_probs if batched else log_probs.unsqueeze(1)
    loss = facula._ctc_loss(rows, targets if targets.dim() == 2 or batched else targets[: labels[0]], inputs, labels, blank, zero_infinity)[0]
    if zero_infinity:
        loss = facula.where(loss == float("inf"), facula.zeros((), dtype=loss.dtype), loss)
    if code == _CODES["mean"]:
        return (loss / facula.tensor(labels, dtype=loss.dtype).clamp_min(1)).mean()
    if code == _CODES["sum"]:
        return loss.sum()
    return loss if batched else loss.squeeze(0)


@composite("ctc_loss", method=False)
def _ctc_loss_of_code(log_probs, targets, input_lengths, target_lengths, blank=0, reduction=1, zero_infinity=False):
    return ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, ("none", "mean", "sum")[reduction], zero_infinity)
