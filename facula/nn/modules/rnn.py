"""Recurrent layers and cells."""

from __future__ import annotations

import math
import warnings

import facula
from facula.ops import rnn as recurrent

from .. import functional as F
from .. import init
from ..parameter import Parameter
from ..utils.rnn import PackedSequence
from .module import Module

__all__ = ["RNNBase", "RNN", "LSTM", "GRU", "RNNCellBase", "RNNCell", "LSTMCell", "GRUCell"]
_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def apply_permutation(tensor, permutation, dim=1):
    """The tensor in another order of its batch."""
    return tensor.index_select(dim, permutation)


class RNNBase(Module):
    """What recurrent layers share: weights per layer and direction, and the loop over time."""

    __constants__ = ["mode", "input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional", "proj_size"]
    __jit_unused_properties__ = ["all_weights"]

    def __init__(self, mode, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0, bidirectional=False,
                 proj_size=0, device=None, dtype=None):
        super().__init__()
        self.mode, self.input_size, self.hidden_size, self.num_layers = mode, input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        self._flat_weight_refs = []
        if not isinstance(dropout, (int, float)) or not 0 <= dropout <= 1 or isinstance(dropout, bool):
            raise ValueError("dropout should be a number in range [0, 1] representing the probability of an element being zeroed")
        if dropout > 0 and num_layers == 1:
            warnings.warn("dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects num_layers greater "
                          f"than 1, but got dropout={dropout} and num_layers={num_layers}", stacklevel=2)
        if not isinstance(hidden_size, int):
            raise TypeError(f"hidden_size should be of type int, got: {type(hidden_size).__name__}")
        if hidden_size <= 0:
            raise ValueError("hidden_size must be greater than zero")
        if num_layers <= 0:
            raise ValueError("num_layers must be greater than zero")
        if proj_size < 0:
            raise ValueError("proj_size should be a positive integer or zero to disable projections")
        if proj_size >= hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")
        if mode not in _GATES:
            raise ValueError("Unrecognized RNN mode: " + mode)
        gates = _GATES[mode] * hidden_size
        out = proj_size or hidden_size
        directions = 2 if bidirectional else 1
        self._flat_weights_names, self._all_weights = [], []
        for layer in range(num_layers):
            for direction in range(directions):
                size = input_size if layer == 0 else out * directions
                shapes = [("weight_ih", (gates, size)), ("weight_hh", (gates, out))]
                if bias:
                    shapes += [("bias_ih", (gates,)), ("bias_hh", (gates,))]
                if proj_size:
                    shapes.append(("weight_hr", (proj_size, hidden_size)))
                suffix = f"_l{layer}" + ("_reverse" if direction else "")
                names = []
                for name, shape in shapes:
                    setattr(self, name + suffix, Parameter(facula.empty(shape, device=device, dtype=dtype)))
                    names.append(name + suffix)
                self._flat_weights_names.extend(names)
                self._all_weights.append(names)
        self.reset_parameters()

    @property
    def _flat_weights(self):
        return [getattr(self, n, None) for n in self._flat_weights_names]

    @property
    def all_weights(self):
        """The parameters by layer and direction."""
        return [[getattr(self, n) for n in names] for names in self._all_weights]

    def flatten_parameters(self):
        """Nothing to do: weights need not lie together in memory."""

    def reset_parameters(self):
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def __getstate__(self):
        state = super().__getstate__()
        state.pop("_flat_weight_refs", None)
        return {**state, "_flat_weights": self._flat_weights}  # PyTorch's modules keep them

    def __setstate__(self, state):
        state = dict(state)
        state.pop("_flat_weights", None)
        super().__setstate__(state)
        if "all_weights" in state:
            self.__dict__["_all_weights"] = self.__dict__.pop("all_weights")
        self.__dict__.setdefault("proj_size", 0)
        if "_flat_weights_names" not in self.__dict__:
            self._flat_weights_names = [n for names in self._all_weights for n in names]
        self._flat_weight_refs = []

    def check_input(self, input, batch_sizes):
        """Raises where the input's shape or dtype does not fit."""
        if input.dtype != self._flat_weights[0].dtype:
            raise ValueError(f"RNN input dtype ({input.dtype}) does not match weight dtype ({self._flat_weights[0].dtype}). Convert input: "
                             f"input.to({self._flat_weights[0].dtype}), or convert model: model.to({input.dtype})")
        expected = 2 if batch_sizes is not None else 3
        if input.dim() != expected:
            raise RuntimeError(f"input must have {expected} dimensions, got {input.dim()}")
        if self.input_size != input.size(-1):
            raise RuntimeError(f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.size(-1)}")

    def check_hidden_size(self, hx, expected, msg="Expected hidden size {}, got {}"):
        """Raises where a state's shape does not fit."""
        if tuple(hx.size()) != tuple(expected):
            raise RuntimeError(msg.format(tuple(expected), list(hx.size())))

    def _state_sizes(self):
        return (self.proj_size or self.hidden_size, self.hidden_size)[: 2 if self.mode == "LSTM" else 1]

    def permute_hidden(self, hx, permutation):
        if permutation is None:
            return hx
        return tuple(apply_permutation(h, permutation) for h in hx) if isinstance(hx, tuple) else apply_permutation(hx, permutation)

    def forward(self, input, hx=None):
        """Returns (outputs of all steps, last states)."""
        packed = input if isinstance(input, PackedSequence) else None
        directions = 2 if self.bidirectional else 1
        lstm = self.mode == "LSTM"
        batched = True
        if packed is not None:
            data, batch_sizes, sorted_indices, unsorted_indices = packed
            sizes = batch_sizes.tolist()
            batch = sizes[0]
        else:
            if input.dim() not in (2, 3):
                raise ValueError(f"{self._get_name()}: Expected input to be 2D or 3D, got {input.dim()}D instead")
            batched = input.dim() == 3
            data = input if batched else input.unsqueeze(1 if not self.batch_first else 0)
            batch = data.size(0 if self.batch_first else 1)
            batch_sizes = sorted_indices = unsorted_indices = None
        if hx is None:
            kind = self._flat_weights[0].dtype
            states = tuple(facula.zeros((self.num_layers * directions, batch, n), dtype=data.dtype if data.is_floating_point() else kind,
                                        device=data.device) for n in self._state_sizes())
        else:
            states = hx if lstm else (hx,)
            if packed is None:
                wanted = 3 if batched else 2
                for s in states:
                    if s.dim() != wanted:
                        what = f"For batched {'' if wanted == 2 else '3-D '}input, hx " if batched else "For unbatched 2-D input, hx "
                        if lstm:
                            kind = "batched 3-D" if batched else "unbatched 2-D"
                            raise RuntimeError(f"For {kind} input, hx and cx should also be {wanted}-D but got ({states[0].dim()}-D, "
                                               f"{states[1].dim()}-D) tensors")
                        raise RuntimeError(f"{what}should also be {wanted}-D but got {s.dim()}-D tensor")
                if not batched:
                    states = tuple(s.unsqueeze(1) for s in states)
            states = self.permute_hidden(states, sorted_indices)
        self.check_input(data, batch_sizes)
        for s, n, msg in zip(states, self._state_sizes(), ("Expected hidden[0] size {}, got {}" if lstm else "Expected hidden size {}, got {}",
                                                           "Expected hidden[1] size {}, got {}")):
            self.check_hidden_size(s, (self.num_layers * directions, batch, n), msg)
        if packed is None and self.batch_first:
            data = data.transpose(0, 1)
        output, last = self._layers(data, sizes if packed is not None else None, states, directions)
        if packed is not None:
            last = self.permute_hidden(last, unsorted_indices)
            return PackedSequence(output, batch_sizes, sorted_indices, unsorted_indices), last if lstm else last[0]
        if self.batch_first:
            output = output.transpose(0, 1)
        if not batched:
            output = output.squeeze(0 if self.batch_first else 1)
            last = tuple(s.squeeze(1) for s in last)
        return output, last if lstm else last[0]

    def _layers(self, data, sizes, states, directions):
        """All layers over (time, batch, features), or (rows, features) of packed sequences."""
        last = []
        for layer in range(self.num_layers):
            outputs = []
            for direction in range(directions):
                index = layer * directions + direction
                named = dict(zip((n.rpartition("_l")[0] for n in self._all_weights[index]), (getattr(self, n) for n in self._all_weights[index])))
                weights = tuple(named.get(n) for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"))
                out, state = recurrent.layer(self.mode, data, sizes, tuple(s[index] for s in states), weights, direction == 1)
                outputs.append(out)
                last.append(state)
            data = outputs[0] if directions == 1 else facula.cat(outputs, -1)
            if self.dropout and self.training and layer < self.num_layers - 1:
                data = F.dropout(data, self.dropout, True)
        return data, tuple(facula.stack([s[k] for s in last]) for k in range(len(states)))

    def extra_repr(self):
        text = f"{self.input_size}, {self.hidden_size}"
        if self.proj_size != 0:
            text += f", proj_size={self.proj_size}"
        if self.num_layers != 1:
            text += f", num_layers={self.num_layers}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        if self.batch_first is not False:
            text += f", batch_first={self.batch_first}"
        if self.dropout != 0:
            text += f", dropout={self.dropout}"
        if self.bidirectional is not False:
            text += f", bidirectional={self.bidirectional}"
        return text


class RNN(RNNBase):
    """Elman's recurrent layer, with tanh or relu.

    Args:
        input_size: Size of the input's last dimension.
        hidden_size: Size of the state.
        num_layers: Layers, each on the results of the one below.
        nonlinearity: "tanh" or "relu".
        bias: Whether to add biases.
        batch_first: Whether input and result are (batch, time, size) instead of (time, batch, size).
        dropout: Share of the results zeroed between layers in training.
        bidirectional: Whether a second layer reads backwards; results are joined in the last dimension.
        device: Where the parameters lie; None for the default device.
        dtype: The parameters' floating or complex dtype; None for the default one.

    Returns:
        The results (time, batch, size) and the last state (layers, batch, size); without a batch, both lack that dimension.

    Raises:
        ValueError: A size or a share is out of its range.

    Example:
        >>> out, state = facula.nn.RNN(4, 5)(facula.rand(7, 2, 4))
        >>> out.shape, state.shape
        (facula.Size([7, 2, 5]), facula.Size([1, 2, 5]))
    """

    def __init__(self, input_size, hidden_size, num_layers=1, nonlinearity="tanh", *args, **kwargs):
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        self_nonlinearity = nonlinearity
        super().__init__("RNN_TANH" if nonlinearity == "tanh" else "RNN_RELU", input_size, hidden_size, num_layers, *args, **kwargs)
        self.nonlinearity = self_nonlinearity


class LSTM(RNNBase):
    """Long short-term memory; Hochreiter and Schmidhuber (1997).

    Args:
        input_size: Size of the input's last dimension.
        hidden_size: Size of the state.
        num_layers: Layers, each on the results of the one below.
        bias: Whether to add biases.
        batch_first: Whether input and result are (batch, time, size) instead of (time, batch, size).
        dropout: Share of the results zeroed between layers in training.
        bidirectional: Whether a second layer reads backwards; results are joined in the last dimension.
        device: Where the parameters lie; None for the default device.
        dtype: The parameters' floating or complex dtype; None for the default one.
        proj_size: Size to which a matrix takes the result, or 0 for none; less than hidden_size.

    Returns:
        The results (time, batch, size) and the last state (layers, batch, size), as a pair with the last cell; without a batch, both lack that dimension.

    Raises:
        ValueError: A size or a share is out of its range.

    Example:
        >>> out, (state, cell) = facula.nn.LSTM(4, 5, num_layers=2)(facula.rand(7, 2, 4))
        >>> out.shape, cell.shape
        (facula.Size([7, 2, 5]), facula.Size([2, 2, 5]))
    """

    def __init__(self, *args, **kwargs):
        super().__init__("LSTM", *args, **kwargs)


class GRU(RNNBase):
    """Gated recurrent units; Cho et al. (2014).

    Args:
        input_size: Size of the input's last dimension.
        hidden_size: Size of the state.
        num_layers: Layers, each on the results of the one below.
        bias: Whether to add biases.
        batch_first: Whether input and result are (batch, time, size) instead of (time, batch, size).
        dropout: Share of the results zeroed between layers in training.
        bidirectional: Whether a second layer reads backwards; results are joined in the last dimension.
        device: Where the parameters lie; None for the default device.
        dtype: The parameters' floating or complex dtype; None for the default one.

    Returns:
        The results (time, batch, size) and the last state (layers, batch, size); without a batch, both lack that dimension.

    Raises:
        ValueError: A size or a share is out of its range.

    Example:
        >>> out, state = facula.nn.GRU(4, 5, bidirectional=True)(facula.rand(7, 2, 4))
        >>> out.shape, state.shape
        (facula.Size([7, 2, 10]), facula.Size([2, 2, 5]))
    """

    def __init__(self, *args, **kwargs):
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)


class RNNCellBase(Module):
    """One step of a recurrent layer."""

    __constants__ = ["input_size", "hidden_size", "bias"]
    mode = ""

    def __init__(self, input_size, hidden_size, bias, num_chunks, device=None, dtype=None):
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        n = num_chunks * hidden_size
        self.weight_ih = Parameter(facula.empty((n, input_size), device=device, dtype=dtype))
        self.weight_hh = Parameter(facula.empty((n, hidden_size), device=device, dtype=dtype))
        if bias:
            self.bias_ih = Parameter(facula.empty(n, device=device, dtype=dtype))
            self.bias_hh = Parameter(facula.empty(n, device=device, dtype=dtype))
        else:
            self.register_parameter("bias_ih", None)
            self.register_parameter("bias_hh", None)
        self.reset_parameters()

    def reset_parameters(self):
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def extra_repr(self):
        text = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            text += f", nonlinearity={self.nonlinearity}"
        return text

    def _step(self, input, hx):
        name = type(self).__name__
        if input.dim() not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {input.dim()}D instead")
        states = 2 if self.mode == "LSTM" else 1
        given = None if hx is None else tuple(hx) if states == 2 else (hx,)
        for i, h in enumerate(given or ()):
            if h.dim() not in (1, 2):
                where = f"hx[{i}]" if states == 2 else "hidden"
                raise ValueError(f"{name}: Expected {where} to be 1D or 2D, got {h.dim()}D instead")
        batched = input.dim() == 2
        x = input if batched else input.unsqueeze(0)
        if given is None:
            zeros = facula.zeros((x.size(0), self.hidden_size), dtype=x.dtype, device=x.device)
            given = (zeros,) * states
        elif not batched:
            given = tuple(h.unsqueeze(0) for h in given)
        new = recurrent.step(self.mode, F.linear(x, self.weight_ih, self.bias_ih), given, self.weight_hh, self.bias_hh)
        if not batched:
            new = tuple(h.squeeze(0) for h in new)
        return new if states == 2 else new[0]

    def forward(self, input, hx=None):
        return self._step(input, hx)


class RNNCell(RNNCellBase):
    """One step of `RNN`."""

    __constants__ = ["input_size", "hidden_size", "bias", "nonlinearity"]

    def __init__(self, input_size, hidden_size, bias=True, nonlinearity="tanh", device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    @property
    def mode(self):
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        return "RNN_" + self.nonlinearity.upper()


class LSTMCell(RNNCellBase):
    """One step of `LSTM`."""

    mode = "LSTM"

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)


class GRUCell(RNNCellBase):
    """One step of `GRU`."""

    mode = "GRU"

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)
