"""What models compute on the way: outputs of their layers by name.

A node is a call of a layer, or of an operation between layers: `layer1.0.conv1`, `layer1.0.add`, `flatten`; a second call in the same
module gets `_1`. Names come from running the model on tensors without data; extraction runs the model's own `forward`, and stops after
the last node that is wanted.
"""

from __future__ import annotations

import inspect
import warnings
from collections import OrderedDict
from contextlib import contextmanager

import facula
from facula import nn
from facula.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from facula.overrides import TorchFunctionMode

from .. import ops

__all__ = ["create_feature_extractor", "get_graph_node_names"]


_BLOCKS = tuple(c for c in vars(ops).values() if isinstance(c, type) and issubclass(c, nn.Module))
_INDEXING = ("index", "select", "slice")


class _Done(Exception):
    """Everything that was wanted is there."""


def _is_leaf(module, leaf_modules):
    kind = type(module)
    layers = nn.Linear.__module__.partition(".nn.")[0] + ".nn."  # by whatever name the package goes
    own = kind.__module__.startswith(layers) and not isinstance(module, (nn.Sequential, nn.ModuleList, nn.ModuleDict))
    return own or isinstance(module, (*_BLOCKS, *leaf_modules))


class _Recorder(TorchFunctionMode):
    """Numbers the nodes of one run.

    Args:
        root: The model.
        leaf_modules: Classes that are nodes as a whole, besides those of `nn` and `ops`.
        wanted: Names of nodes whose values are kept; None for the names of all.
    """

    def __init__(self, root, leaf_modules=(), wanted=None):
        super().__init__()
        self.paths, self.leaf_modules, self.wanted = {}, leaf_modules, wanted
        for name, module in root.named_modules():
            self.paths.setdefault(id(module), name)
        self.scopes, self.inside, self.counts = [], 0, {}
        self.names, self.values, self.entered = [], {}, []

    def add(self, base, value):
        count = self.counts[base] = self.counts.get(base, -1) + 1
        name = f"{base}_{count}" if count else base
        self.names.append(name)
        if self.wanted is not None and name in self.wanted:
            self.values[name] = value
            if len(self.values) == len(self.wanted):
                raise _Done

    def before(self, module, args):
        path = self.paths.get(id(module))
        if path is None:
            return
        if self.inside or _is_leaf(module, self.leaf_modules):
            self.inside += 1
        else:
            self.scopes.append(path)
        self.entered.append(path)

    def after(self, module, args, output):
        path = self.paths.get(id(module))
        if path is None:
            return
        if not self.inside:
            self.scopes.pop()
            return
        self.inside -= 1
        if not self.inside:
            self.add(path, output)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        name = "getitem" if name in _INDEXING else name
        if not self.inside and self.scopes and name not in ("__get__", "__set__"):
            scope = self.scopes[-1]
            self.add(f"{scope}.{name.strip('_')}" if scope else name.strip("_"), result)
        return result

    @contextmanager
    def watching(self):
        hooks = [register_module_forward_pre_hook(self.before), register_module_forward_hook(self.after)]
        try:
            with self:
                yield self
        except _Done:
            pass
        finally:
            for hook in hooks:
                hook.remove()


def _examples(model):
    """Inputs without data of which most models take one."""
    first = next((m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Conv3d))), None)
    channels = 3 if first is None else first.in_channels
    time = (16,) if isinstance(first, nn.Conv3d) else ()
    return [facula.empty((2, channels, *time, side, side), device="meta") for side in dict.fromkeys((getattr(model, "image_size", 224), 299))]


def _run(model, training, leaf_modules, example):
    recorder = _Recorder(model, leaf_modules)
    recorder.names.append(next(iter(inspect.signature(model.forward).parameters)))
    modes = [(m, m.training) for m in model.modules()]
    empty = {name: t.detach().to("meta") for name, t in (*model.named_parameters(), *model.named_buffers())}
    model.train(training)
    try:
        with facula.no_grad(), recorder.watching():
            facula.func.functional_call(model, empty, (example,))
    finally:
        for m, mode in modes:
            m.training = mode
    return recorder


def _traced(model, training, tracer_kwargs):
    """A recorder after a run on nothing, in one of the modes; the model stays as it is."""
    leaf_modules, faults = tuple((tracer_kwargs or {}).get("leaf_modules", ())), []
    for example in _examples(model):
        try:
            return _run(model, training, leaf_modules, example)
        except Exception as error:  # of the model's own forward
            faults.append(f"for an input of shape {tuple(example.shape)}: {error}")
    raise RuntimeError("\n".join([f"the nodes of {type(model).__name__} could not be found: its forward failed on the meta device", *faults]))


def _warn_of_difference(train, evaluation):
    if train == evaluation:
        return

    def within(short, long):
        rest = iter(long)
        return all(name in rest for name in short)

    suggestion = " When choosing nodes for feature extraction, you may need to specify output nodes for train and eval mode separately."
    if within(train, evaluation):
        text = "NOTE: The nodes obtained by tracing the model in train mode are a subsequence of those obtained in eval mode."
    elif within(evaluation, train):
        text = "NOTE: The nodes obtained by tracing the model in eval mode are a subsequence of those obtained in train mode."
    else:
        text = "The nodes obtained by tracing the model in train mode are different to those obtained in eval mode."
    warnings.warn(text + suggestion, stacklevel=3)


def get_graph_node_names(model, tracer_kwargs=None, suppress_diff_warning=False, concrete_args=None):
    """Names of the nodes in the order of execution, in training and in evaluation.

    Args:
        model: A model of images or videos.
        tracer_kwargs: "leaf_modules": classes whose insides are no nodes.
        suppress_diff_warning: Whether nothing is said where the two lists differ.
        concrete_args: Must be None.
    """
    train, evaluation = (_traced(model, mode, tracer_kwargs).names for mode in (True, False))
    if not suppress_diff_warning:
        _warn_of_difference(train, evaluation)
    return train, evaluation


def _resolved(wanted, names):
    """Dict from nodes to names of outputs: a module stands for the last node in it."""
    found = OrderedDict()
    for query, output in wanted.items():
        node = next((n for n in reversed(names) if n == query or n.startswith(f"{query}.")), None)
        if node is None:
            raise ValueError(f"node: '{query}' is not present in model. Hint: use `get_graph_node_names` to make sure the `return_nodes` you specified "
                             "are present. It may even be that you need to specify `train_return_nodes` and `eval_return_nodes` separately.")
        found[node] = output
    return found


def _needed(recorder, nodes):
    """Paths of the modules that run up to the last of the nodes, with those around them."""
    probe, kept = {n: i for i, n in enumerate(recorder.names)}, set()
    last = max(probe[n] for n in nodes)
    ran = {name for name in recorder.names[:last + 1]}
    for path in recorder.entered:
        if any(name == path or name.startswith((f"{path}.", f"{path}_")) for name in ran):
            parts = path.split(".")
            kept.update(".".join(parts[:i]) for i in range(len(parts) + 1))
    return kept


class _Extractor:
    """A model that gives a dict of the nodes in `_nodes`, by mode."""

    def forward(self, *args, **kwargs):
        nodes = self._nodes[self.training]
        recorder = _Recorder(self, self._leaf_modules, set(nodes))
        first = next(iter(inspect.signature(super().forward).parameters))
        if first in nodes:  # the input itself
            recorder.values[first] = args[0] if args else kwargs[first]
        if len(recorder.values) < len(nodes):
            with recorder.watching():
                recorder.scopes.append("")
                super().forward(*args, **kwargs)
        return OrderedDict((output, recorder.values[node]) for node, output in nodes.items())


def _cloned(module, path, needed, leaf_modules):
    """A module of the same parameters, with those children only that are needed; leaves are shared."""
    if path and _is_leaf(module, leaf_modules):
        return module
    clone = object.__new__(type(module))
    vars(clone).update({k: dict(v) if isinstance(v, dict) else v for k, v in vars(module).items()})
    children = OrderedDict()
    for name, child in module.named_children():
        inner = f"{path}.{name}" if path else name
        if inner in needed or _is_leaf(module, leaf_modules):
            children[name] = _cloned(child, inner, needed, leaf_modules)
        else:  # the name is read before the run ends, though nothing is called; it is no child, so it has no weights here
            vars(clone)[name] = None
    vars(clone)["_modules"] = children
    return clone


def create_feature_extractor(model, return_nodes=None, train_return_nodes=None, eval_return_nodes=None, tracer_kwargs=None,
                             suppress_diff_warning=False, concrete_args=None):
    """A model of the same weights that gives outputs of nodes in place of the result.

    Args:
        model: A model of images or videos.
        return_nodes: Names of nodes (see `get_graph_node_names`; a module stands for the last node in it), or a dict from them to names in
            the result.
        train_return_nodes, eval_return_nodes: The same for each mode, in place of `return_nodes`.
        tracer_kwargs: "leaf_modules": classes whose insides are no nodes.
        suppress_diff_warning: Whether nothing is said where the modes have different nodes.
        concrete_args: Must be None.

    Returns:
        A module whose `forward` gives an ordered dict; layers after the last node are left out.
    """
    by_mode = (train_return_nodes, eval_return_nodes)
    if return_nodes is None and by_mode == (None, None):
        raise ValueError("Either `return_nodes` or `train_return_nodes` and `eval_return_nodes` together, should be specified")
    if (train_return_nodes is None) != (eval_return_nodes is None):
        raise ValueError("If any of `train_return_nodes` and `eval_return_nodes` are specified, then both should be specified")
    if return_nodes is not None and by_mode != (None, None):
        raise ValueError("If `train_return_nodes` and `eval_return_nodes` are specified, then both should be specified")
    nodes, needed, names = {}, set(), {}
    for mode, wanted in ((True, train_return_nodes), (False, eval_return_nodes)):
        wanted = return_nodes if wanted is None else wanted
        wanted = {str(k): str(v) for k, v in (wanted.items() if isinstance(wanted, dict) else ((n, n) for n in wanted))}
        recorder = _traced(model, mode, tracer_kwargs)
        names[mode], nodes[mode] = recorder.names, _resolved(wanted, recorder.names)
        needed |= _needed(recorder, nodes[mode])
    if return_nodes is not None and not suppress_diff_warning:
        _warn_of_difference(names[True], names[False])
    leaf_modules = tuple((tracer_kwargs or {}).get("leaf_modules", ()))
    clone = _cloned(model, "", needed, leaf_modules)
    clone.__class__ = type(type(model).__name__, (_Extractor, type(model)), {"__module__": type(model).__module__})
    clone._nodes, clone._leaf_modules = nodes, leaf_modules
    return clone
