"""The base of learning-rate schedules: epochs, order of calls, state."""

from __future__ import annotations

import functools
import warnings
import weakref

import facula

from .optimizer import Optimizer

_ORDER = (" See more details at https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate")
_EPOCH_GIVEN = ("The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. Please use `scheduler.step()` to "
                "step the scheduler. During the deprecation, if epoch is different from None, the closed form is used instead of the new chainable "
                "form, where available. Please open an issue if you are unable to replicate your use case: "
                "https://github.com/pytorch/pytorch/issues/new/choose.")


def _note_steps(optimizer):
    """Lets an optimizer note that it has stepped, for the warning about a wrong order."""
    step = optimizer.step
    if hasattr(step, "_wrapped_by_lr_sched") or not hasattr(step, "__func__"):
        return
    function, reference = step.__func__, weakref.ref(optimizer)

    @functools.wraps(function)
    def noted(*args, **kwargs):
        owner = reference()
        owner._opt_called = True
        return function(owner, *args, **kwargs)

    noted._wrapped_by_lr_sched = True
    optimizer.step = noted


def _set_rate(group, value, name="lr"):
    """A rate that is a tensor keeps its identity."""
    if isinstance(group[name], facula.Tensor):
        group[name].fill_(float(value))
    else:
        group[name] = value


class LRScheduler:
    """Sets the rates of an optimizer's groups; subclasses give `get_lr`, and `_get_closed_form_lr` where rates follow from the epoch alone."""

    def __init__(self, optimizer, last_epoch=-1):
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                if "initial_lr" not in group:
                    lr = group["lr"]
                    group["initial_lr"] = lr.clone() if isinstance(lr, facula.Tensor) else lr
            elif "initial_lr" not in group:
                raise KeyError(f"param 'initial_lr' is not specified in param_groups[{i}] when resuming scheduler with last_epoch >= 0.\n"
                               "This typically happens when:\n1. You're trying to resume training from a checkpoint but haven't properly loaded the "
                               "optimizer state\n2. You're using last_epoch >= 0 for a fresh training run (not recommended)")
        self.base_lrs = [g["initial_lr"] for g in optimizer.param_groups]
        self.last_epoch, self._step_count = last_epoch, 0
        self._is_initial = self._get_lr_called_within_step = False  # in PyTorch's state dicts
        _note_steps(optimizer)
        self._initial_step()

    def _initial_step(self):
        self._step_count = 0
        self.step()

    def get_lr(self):
        """The rates of this epoch."""
        raise NotImplementedError

    def get_last_lr(self):
        """The rates set last."""
        return self._last_lr

    def step(self, epoch=None):
        """Goes to the next epoch."""
        if self._step_count == 1:
            self._check_order()
        self._step_count += 1
        if epoch is not None:
            warnings.warn(_EPOCH_GIVEN, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _check_order(self):
        if not hasattr(self.optimizer.step, "_wrapped_by_lr_sched"):
            warnings.warn("Seems like `optimizer.step()` has been overridden after learning rate scheduler initialization. Please, make sure to call "
                          "`optimizer.step()` before `lr_scheduler.step()`." + _ORDER, UserWarning, stacklevel=3)
        elif not getattr(self.optimizer, "_opt_called", False):
            warnings.warn("Detected call of `lr_scheduler.step()` before `optimizer.step()`. In PyTorch 1.1.0 and later, you should call them in the "
                          "opposite order: `optimizer.step()` before `lr_scheduler.step()`.  Failure to do this will result in PyTorch skipping the "
                          "first value of the learning rate schedule." + _ORDER, UserWarning, stacklevel=3)

    def _update_lr(self, epoch=None):
        if epoch is None:
            self.last_epoch += 1
            rates = self.get_lr()
        else:
            self.last_epoch = epoch
            rates = self._get_closed_form_lr() if hasattr(self, "_get_closed_form_lr") else self.get_lr()
        self._set(rates)

    def _set(self, rates):
        for group, lr in zip(self.optimizer.param_groups, rates):
            _set_rate(group, lr)
        self._last_lr = self._rates()

    def state_dict(self):
        """Everything but the optimizer."""
        return {k: v for k, v in self.__dict__.items() if k != "optimizer"}

    def load_state_dict(self, state_dict):
        """Takes what `state_dict` gave."""
        self.__dict__.update(state_dict)

    def _rates(self):
        return [g["lr"].clone() if isinstance(g["lr"], facula.Tensor) else g["lr"] for g in self.optimizer.param_groups]
