"""One direction of one recurrent layer as an operation; nn.modules.rnn puts layers together."""

from __future__ import annotations

import facula

from ._table import op, retrace


def step(mode, x, state, w_hh, b_hh):
    """One step; x is the input already projected. Returns the new state."""
    h = state[0]
    g = facula.nn.functional.linear(h, w_hh, b_hh)
    if mode == "LSTM":
        i, f, c, o = (x + g).chunk(4, -1)
        cell = f.sigmoid() * state[1] + i.sigmoid() * c.tanh()
        return o.sigmoid() * cell.tanh(), cell
    if mode == "GRU":
        xr, xz, xn = x.chunk(3, -1)
        hr, hz, hn = g.chunk(3, -1)
        r, z = (xr + hr).sigmoid(), (xz + hz).sigmoid()
        n = (xn + r * hn).tanh()
        return (n + z * (h - n),)
    return ((x + g).tanh() if mode == "RNN_TANH" else (x + g).relu(),)


def run(mode, steps, hx, w_hh, b_hh, w_hr, reverse):
    """The recurrence out of other operations, over a list of per-step inputs whose batch may shrink: (outputs, last states)."""
    order = range(len(steps) - 1, -1, -1) if reverse else range(len(steps))
    outputs = [None] * len(steps)
    state, finished = hx, []
    if reverse:
        state = tuple(s[:steps[-1].shape[0]] for s in hx)
    for t in order:
        x = steps[t]
        n = x.shape[0]
        have = state[0].shape[0]
        if n < have:  # sequences end: their states are final
            finished.append(tuple(s[n:] for s in state))
            state = tuple(s[:n] for s in state)
        elif n > have:  # reversed: longer sequences begin
            state = tuple(facula.cat([s, h[have:n]]) for s, h in zip(state, hx, strict=True))
        state = step(mode, x, state, w_hh, b_hh)
        if w_hr is not None:
            state = (facula.nn.functional.linear(state[0], w_hr), *state[1:])
        outputs[t] = state[0]
    if finished:
        finished.append(state)
        state = tuple(facula.cat([f[k] for f in reversed(finished)]) for k in range(len(state)))
    return outputs, state


def _composed(projected, h0, c0, w_hh, b_hh, sizes, mode, reverse):
    steps = projected.unbind(0) if sizes is None else projected.split(list(sizes))
    outputs, state = run(mode, steps, (h0,) if c0 is None else (h0, c0), w_hh, b_hh, None, reverse)
    return (facula.stack(outputs) if sizes is None else facula.cat(outputs), *state)


def _gradients(grads, projected, h0, c0, w_hh, b_hh, sizes, mode, reverse, results, needs):
    if facula.is_grad_enabled():
        return retrace(_composed, range(5), [projected, h0, c0, w_hh, b_hh, sizes, mode, reverse], grads[:2 if c0 is None else 3], needs)
    output, _, _, kept, cells = results
    return facula._rnn_layer_back(grads[0], grads[1], grads[2] if c0 is not None else None, output, h0, c0, w_hh, kept, cells, sizes, mode, reverse,
                                  b_hh is not None)


for _name, _node in (("_lstm_layer", "MkldnnRnnLayerBackward0"), ("_rnn_layer", "StackBackward0")):
    op(f"{_name}(Tensor projected, Tensor h0, Tensor? c0, Tensor w_hh, Tensor? b_hh, int[]? sizes, str mode, bool reverse) -> (_, _, _, _, _)",
       kernel="rnn.layer", method=False, node=_node, vjp={"projected, h0, c0, w_hh, b_hh": _gradients})
op("_rnn_layer_back(Tensor? grad_, Tensor? grad_hn, Tensor? grad_cn, Tensor output, Tensor h0, Tensor? c0, Tensor w_hh, Tensor kept, Tensor cells, "
   "int[]? sizes, str mode, bool reverse, bool bias) -> (_, _, _, _, _)", kernel="rnn.layer_back", method=False, differentiable=False)


def layer(mode, data, sizes, state, weights, reverse):
    """One direction of one layer over (time, batch, features), or packed rows with the batch sizes of the steps: (output, last states)."""
    w_ih, w_hh, b_ih, b_hh, w_hr = weights
    projected = facula.nn.functional.linear(data, w_ih, b_ih)  # all steps at once
    if w_hr is not None:
        steps = projected.unbind(0) if sizes is None else projected.split(sizes)
        outputs, last = run(mode, steps, state, w_hh, b_hh, w_hr, reverse)
        return (facula.stack(outputs) if sizes is None else facula.cat(outputs)), last
    lstm = mode == "LSTM"
    call = facula._lstm_layer if lstm else facula._rnn_layer
    output, hn, cn, _, _ = call(projected, state[0], state[1] if lstm else None, w_hh, b_hh, sizes, mode, reverse)
    return output, (hn, cn) if lstm else (hn,)
