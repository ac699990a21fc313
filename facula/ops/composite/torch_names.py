"""Functions that PyTorch has beside a method or beside the function of nn.functional: the same work under a second name."""

from __future__ import annotations

import facula

from .._table import composite

_REDUCTIONS = ("none", "mean", "sum")  # by PyTorch's numbers; "none" is what these functions do when nothing is said


def _as_function(name):
    def call(input, *args, **kwargs):
        if not isinstance(input, facula.Tensor):
            raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
        return getattr(input, name)(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"`input.{name}(...)` as a function."
    composite(name, method=False)(call)


for _name in ("conj_physical_", "ldexp_", "nan_to_num_", "detach", "detach_", "get_device", "is_signed", "is_inference"):
    _as_function(_name)


def _reduction(number):
    if not 0 <= number < len(_REDUCTIONS):
        raise ValueError(f"{number} is not a valid value for reduction: use 0 (none), 1 (mean) or 2 (sum)")
    return _REDUCTIONS[number]


@composite("hinge_embedding_loss", method=False)
def hinge_embedding_loss(input, target, margin=1.0, reduction=0):
    """nn.functional's, with a number for the reduction."""
    return facula.nn.functional.hinge_embedding_loss(input, target, margin, reduction=_reduction(reduction))


@composite("cosine_embedding_loss", method=False)
def cosine_embedding_loss(input1, input2, target, margin=0.0, reduction=0):
    """nn.functional's, with a number for the reduction."""
    return facula.nn.functional.cosine_embedding_loss(input1, input2, target, margin, reduction=_reduction(reduction))


@composite("margin_ranking_loss", method=False)
def margin_ranking_loss(input1, input2, target, margin=0.0, reduction=0):
    """nn.functional's, with a number for the reduction."""
    return facula.nn.functional.margin_ranking_loss(input1, input2, target, margin, reduction=_reduction(reduction))


@composite("triplet_margin_loss", method=False)
def triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2.0, eps=1e-6, swap=False, reduction=0):
    """nn.functional's, with a number for the reduction."""
    return facula.nn.functional.triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap, reduction=_reduction(reduction))


@composite("kl_div", method=False)
def kl_div(input, target, reduction=0, *, log_target=False):
    """nn.functional's, with a number for the reduction; "mean" is over all elements."""
    loss = facula.nn.functional.kl_div(input, target, reduction="none" if reduction == 1 else _reduction(reduction), log_target=log_target)
    return loss.mean() if reduction == 1 else loss


@composite("poisson_nll_loss", method=False)
def poisson_nll_loss(input, target, log_input, full, eps, reduction):
    """nn.functional's, with a number for the reduction."""
    return facula.nn.functional.poisson_nll_loss(input, target, log_input, full, eps=eps, reduction=_reduction(reduction))


@composite("binary_cross_entropy_with_logits", method=False)
def binary_cross_entropy_with_logits(input, target, weight=None, pos_weight=None, reduction=0):
    """nn.functional's, with a number for the reduction."""
    return facula.nn.functional.binary_cross_entropy_with_logits(input, target, weight, pos_weight=pos_weight, reduction=_reduction(reduction))


@composite("instance_norm", method=False)
def instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, cudnn_enabled):
    """nn.functional's, with its arguments in another order."""
    return facula.nn.functional.instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


for _name in ("native_channel_shuffle", "nn.functional.native_channel_shuffle"):
    composite(_name, method=False)(lambda input, groups: facula.nn.functional.channel_shuffle(input, groups))


@composite("norm_except_dim", method=False)
def norm_except_dim(v, pow=2, dim=0):
    """The norm over all dimensions but one, which are kept with size 1; over everything if `dim` is -1."""
    if dim == -1:
        return facula.norm(v, pow)
    return facula.linalg.vector_norm(v, pow, [d for d in range(v.dim()) if d != dim % v.dim()], keepdim=True) if v.dim() > 1 else v.abs()


# ---------------------------------------------------------------- one step of a recurrent layer

def _cell(name, mode):
    def call(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
        from ..rnn import step

        state = tuple(hx) if mode == "LSTM" else (hx,)
        new = step(mode, facula.nn.functional.linear(input, w_ih, b_ih), state, w_hh, b_hh)
        return tuple(new) if mode == "LSTM" else new[0]

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"One step of {mode}, from the input, the state and the weights."
    composite(name, method=False)(call)


for _name, _mode in (("lstm_cell", "LSTM"), ("gru_cell", "GRU"), ("rnn_tanh_cell", "RNN_TANH"), ("rnn_relu_cell", "RNN_RELU")):
    _cell(_name, _mode)


# ---------------------------------------------------------------- segments

_SEGMENTED = {"sum": ("sum", 0.0), "mean": ("sum", 0.0), "prod": ("prod", 1.0), "max": ("amax", -float("inf")), "amax": ("amax", -float("inf")),
              "min": ("amin", float("inf")), "amin": ("amin", float("inf"))}


@composite("segment_reduce", method=False)
def segment_reduce(data, reduce, *, lengths=None, indices=None, offsets=None, axis=0, unsafe=False, initial=None):
    """Reduces stretches of `data` along `axis`.

    Args:
        data: Floating values.
        reduce: "sum", "mean", "max", "min" or "prod".
        lengths: Of the stretches, shape (*data.shape[:axis], stretches).
        offsets: Instead of `lengths`: where each stretch starts, and where the last one ends.
        initial: What every stretch starts from; by default the reduction's neutral element.
        unsafe: Leave out the check that the lengths fill the axis.

    Returns:
        Shape (*data.shape[:axis], stretches, *data.shape[axis + 1:]); a mean of nothing is NaN.
    """
    if reduce not in _SEGMENTED:
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    if indices is not None:
        raise RuntimeError("segment_reduce(): indices based reduction is not supported yet.")
    if lengths is None and offsets is None:
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined.")
    lengths = offsets.diff(dim=-1) if lengths is None else lengths
    axis = axis % data.dim()
    if lengths.dim() - 1 != axis:
        raise RuntimeError(f"segment_reduce(): Expected axis to be the last dimension of lengths but got {axis}.")
    if not unsafe and bool((lengths < 0).any()):
        raise RuntimeError("lengths contains negative value!")
    if not unsafe and bool((lengths.sum(-1) != data.shape[axis]).any()):
        raise RuntimeError("segment_reduce(): Expected all rows of lengths along axis to sum to data.size(lengths.dim()-1) when !unsafe.")
    kind, neutral = _SEGMENTED[reduce]
    tail = (1,) * (data.dim() - axis - 1)
    ends, places = lengths.cumsum(-1), facula.arange(data.shape[axis]).expand(data.shape[: axis + 1])
    owners = facula.searchsorted(ends, places.contiguous(), right=True).clamp_(max=lengths.shape[-1] - 1)
    start = data.new_full((*lengths.shape, *data.shape[axis + 1:]), neutral if initial is None else initial)
    found = start.scatter_reduce(axis, owners.reshape(*owners.shape, *tail).expand(data.shape), data, kind, include_self=True)
    if reduce != "mean":
        return found
    counts = lengths.reshape(*lengths.shape, *tail).to(data.dtype)
    return found / counts if initial is None else facula.where(counts == 0, found, found / counts.clamp(min=1))


@composite("dim_order", function=False)
def dim_order(self, *, ambiguity_check=False):
    """The dimensions from the one that varies slowest in memory to the one that varies fastest.

    Args:
        ambiguity_check: True, or the memory formats to choose from: raise where several orders would do.
    """
    strides = self.stride()
    order = tuple(sorted(range(self.dim()), key=lambda d: -strides[d]))
    if ambiguity_check is False:
        return order
    formats = [] if ambiguity_check is True else ambiguity_check
    if not isinstance(formats, (list, tuple)) or not all(isinstance(f, facula.memory_format) for f in formats):
        raise TypeError("The ambiguity_check argument must be a bool or a list of memory formats.")
    if 0 in strides:
        raise RuntimeError("The tensor does not have unique dim order.")
    unique = 1 not in self.shape and len(set(strides)) == self.dim()
    if not unique and sum(self.is_contiguous(memory_format=f) for f in formats) != 1:
        raise RuntimeError("The tensor does not have unique dim order, or cannot map to exact one of the given memory formats.")
    return order


@composite("module_load", function=False)
def module_load(self, other, assign=False):
    """What `load_state_dict` puts in this tensor's place where it swaps tensors; a new object."""
    return other.detach() if assign else self.copy_(other).detach()


# ---------------------------------------------------------------- control flow

def _truth(pred):
    if isinstance(pred, facula.Tensor) and pred.numel() != 1:
        raise RuntimeError(f"Expected pred to be bool or single-element tensor, but got {pred}.")
    return bool(pred)


@composite("cond", method=False)
def cond(pred, true_fn, false_fn, operands=()):
    """`true_fn(*operands)` if `pred` holds, else `false_fn(*operands)`."""
    if not callable(true_fn) or not callable(false_fn):
        raise RuntimeError("Expect both branches to be callable.")
    if not isinstance(operands, (tuple, list)):
        raise RuntimeError(f"Expect operands to be a tuple of possibly nested dict/list/tuple of tensors, got {operands}.")
    return (true_fn if _truth(pred) else false_fn)(*operands)


@composite("while_loop", method=False)
def while_loop(cond_fn, body_fn, carried_inputs):
    """Calls `body_fn`, on what it gave the time before, as long as `cond_fn` of the same holds; what came last."""
    carried = tuple(carried_inputs)
    while _truth(cond_fn(*carried)):
        found = body_fn(*carried)
        if not isinstance(found, (tuple, list)):
            raise RuntimeError(f"body_fn should return a tuple but got {type(found)}")
        if len(found) != len(carried):
            raise RuntimeError("body_fn should return the same number of elements as carried_inputs")
        carried = tuple(found)
    return carried


# ---------------------------------------------------------------- what is gone

_REPLACED = {"lstsq": "linalg.lstsq(A, B), whose arguments are the other way round", "eig": "linalg.eig(A), whose results are complex",
             "symeig": "linalg.eigh(A), which reads the lower triangle", "matrix_rank": "linalg.matrix_rank(A, hermitian=...)",
             "solve": "linalg.solve(A, B), whose arguments are the other way round"}


def _removed(name, instead):
    def call(*args, **kwargs):
        raise RuntimeError(f"This function was deprecated since version 1.9 and is now removed. Use {facula.ops.display_name()}.{instead}.")

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"Removed: use {instead}."
    composite(name)(call)


for _name, _instead in _REPLACED.items():
    _removed(_name, _instead)
