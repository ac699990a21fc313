"""Anomaly mode: a NaN or an error in backward names the forward line that made its node."""

from __future__ import annotations

import warnings

from .._native import core

_state = {"on": False, "check_nan": True}


def is_enabled():
    return _state["on"]


class set_detect_anomaly:
    """Turns anomaly detection on or off, at once and until the end of a `with` block."""

    def __init__(self, mode, check_nan=True):
        self.previous = dict(_state)
        _state.update(on=bool(mode), check_nan=check_nan)
        core.set_anomaly(bool(mode))

    def __enter__(self):
        pass

    def __exit__(self, *exc):
        _state.update(self.previous)
        core.set_anomaly(_state["on"])


class detect_anomaly(set_detect_anomaly):
    """Inside, backward checks for NaN and reports where the failing operation was called."""

    def __init__(self, check_nan=True):
        self.check_nan = check_nan
        warnings.warn("Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for debugging.", UserWarning, 2)

    def __enter__(self):
        super().__init__(True, self.check_nan)


def _reachable(tensors):
    stack, seen = [t.grad_fn for t in tensors if t.grad_fn is not None], set()
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        yield node
        stack.extend(n for n, _ in node.next_functions if n is not None)


def _report(node):
    trace = getattr(node, "traceback_", None)
    text = f"Error detected in {node.name()}. "
    if trace:
        text += "Traceback of forward call that caused the error:\n" + "".join(trace)
    else:
        text += "No forward pass information available. Enable detect anomaly during forward pass for more information."
    warnings.warn(text, UserWarning, 5)


def checked_backward(tensors, gradients, keep, create_graph, inputs, accumulate):
    """The engine with a check after every node."""
    running, handles = [], []

    def before(node):
        def hook(grads):
            running.append(node)

        return hook

    def after(node):
        def hook(outputs, grads):
            if _state["check_nan"]:
                for i, g in enumerate(outputs):
                    if g is not None and bool(g.isnan().any()):
                        raise RuntimeError(f"Function '{node.name()}' returned nan values in its {i}th output.")
            running.pop()

        return hook

    for node in _reachable(tensors):
        node._pre_hooks[("anomaly",)] = before(node)
        node._post_hooks[("anomaly",)] = after(node)
        handles.append(node)
    try:
        return core.backward(tensors, gradients, keep, create_graph, inputs, accumulate)
    except Exception:
        if running:
            _report(running[-1])
        raise
    finally:
        for node in handles:
            node._pre_hooks.pop(("anomaly",), None)
            node._post_hooks.pop(("anomaly",), None)
