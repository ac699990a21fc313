"""Which modules are running, in the forward and in the backward pass."""

from __future__ import annotations

import logging
import weakref

from ..autograd.graph import register_multi_grad_hook
from .._native import core
from ..nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from ._pytree import tree_leaves

__all__ = ["ModuleTracker"]
logger = logging.getLogger(__name__)


class ModuleTracker:
    """Inside a `with`, knows at every point of forward and backward passes which modules are running.

    In the backward pass a module runs from the moment when the gradients of all its outputs are there until those of all its inputs
    are; one whose inputs need no gradient runs until the pass ends.

    Attributes:
        parents: Names of the modules that are running and "Global". A module is called by the way to it from the outermost one that
            was called, which goes by its class: "Net.layers.0".
        is_bw: Whether a backward pass is running.
    """

    def __init__(self):
        self._parents, self._run = {"Global"}, 0
        self._names: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
        self._hooks = ()

    @property
    def parents(self):
        """The names of what is running."""
        if self._run and self._run != core.backward_run():  # what that pass entered and never left ended with it
            self._parents, self._run = {"Global"}, 0
        return self._parents

    @property
    def is_bw(self):
        """Whether a backward pass is running."""
        return core.backward_run() != 0

    def __enter__(self):
        self._hooks = register_module_forward_pre_hook(self._start_forward), register_module_forward_hook(self._end_forward)
        return self

    def __exit__(self, *exc):
        for hook in self._hooks:
            hook.remove()

    def _name_of(self, module):
        if module not in self._names:
            top = type(module).__name__
            for path, part in module.named_modules():
                self._names[part] = f"{top}.{path}" if path else top
        return self._names[module]

    def _enter(self, name):
        running = self.parents
        self._run = core.backward_run()
        if name in running:
            logger.info("%s starts its %s pass while it is running: it is counted once", name, "backward" if self.is_bw else "forward")
        running.add(name)

    def _leave(self, name):
        if name not in self.parents:
            logger.info("%s ends its %s pass without having started", name, "backward" if self.is_bw else "forward")
        self.parents.discard(name)

    def _start_forward(self, module, inputs):
        name = self._name_of(module)
        self._enter(name)
        _when_differentiated(inputs, lambda gradients: self._leave(name))

    def _end_forward(self, module, inputs, output):
        name = self._name_of(module)
        self._leave(name)
        _when_differentiated(output, lambda gradients: self._enter(name))


def _when_differentiated(tree, act):
    """Lets `act` follow when the gradients of all tensors in `tree` are there."""
    tensors = [t for t in tree_leaves(tree) if isinstance(t, core.Tensor) and t.requires_grad]
    if tensors and core.is_grad_enabled():
        register_multi_grad_hook(tensors, act)
