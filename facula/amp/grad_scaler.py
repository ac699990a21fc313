"""GradScaler: scales the loss so that small float16 gradients do not vanish, and skips steps whose gradients overflow."""

from __future__ import annotations

import warnings
from enum import Enum

import facula


class OptState(Enum):
    READY = 0
    UNSCALED = 1
    STEPPED = 2


class GradScaler:
    """Multiplies losses by a scale that grows while gradients stay finite and shrinks when they do not.

    Args:
        device: 'cpu'; with 'cuda' and no GPU the scaler warns and does nothing.
        init_scale: The first scale.
        growth_factor: What the scale is multiplied by after `growth_interval` finite steps in a row.
        backoff_factor: What it is multiplied by after gradients with infinities or NaN.
        enabled: False makes every method pass through.
    """

    def __init__(self, device="cuda", init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000, enabled=True):
        self._device = device
        self._enabled = enabled
        if enabled and device == "cuda":
            warnings.warn("torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.", UserWarning, 2)
            self._enabled = False
        if self._enabled:
            assert growth_factor > 1.0, "The growth factor must be > 1.0."
            assert backoff_factor < 1.0, "The backoff factor must be < 1.0."
            self._init_scale, self._growth_factor, self._backoff_factor, self._growth_interval = init_scale, growth_factor, backoff_factor, growth_interval
            self._scale = None
            self._growth_tracker = 0
            self._found: dict = {}   # optimizer -> whether its gradients have infinities or NaN
            self._stage: dict = {}   # optimizer -> OptState

    def scale(self, outputs):
        """Losses (a tensor or nested sequences of them) times the scale."""
        if not self._enabled:
            return outputs
        if self._scale is None:
            self._scale = float(self._init_scale)
        if isinstance(outputs, facula.Tensor):
            return outputs * facula.tensor(self._scale)
        if isinstance(outputs, (list, tuple)):
            return type(outputs)(self.scale(o) for o in outputs)
        if hasattr(outputs, "__iter__"):
            return map(self.scale, outputs)
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def _gradients(self, optimizer):
        return [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]

    def unscale_(self, optimizer):
        """Divides the gradients of an optimizer's parameters by the scale (before clipping them, say)."""
        if not self._enabled:
            return
        self._need_scale("unscale_")
        stage = self._stage.get(optimizer, OptState.READY)
        if stage is OptState.UNSCALED:
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update().")
        if stage is OptState.STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        gradients = self._gradients(optimizer)
        if any(g.dtype == facula.float16 for g in gradients):
            raise ValueError("Attempting to unscale FP16 gradients.")
        self._unscale(optimizer, gradients)

    def _unscale(self, optimizer, gradients):
        finite = True
        inverse = 1 / self._scale
        with facula.no_grad():
            for g in gradients:
                finite = finite and bool(facula.isfinite(g).all())
                g.mul_(inverse)
        self._found[optimizer] = not finite
        self._stage[optimizer] = OptState.UNSCALED

    def step(self, optimizer, *args, **kwargs):
        """Unscales if that was not done, then steps the optimizer if all gradients are finite."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._need_scale("step")
        stage = self._stage.get(optimizer, OptState.READY)
        if stage is OptState.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if stage is OptState.READY:
            self.unscale_(optimizer)
        if not self._gradients(optimizer):
            raise AssertionError("No inf checks were recorded for this optimizer.")
        result = None if self._found[optimizer] else optimizer.step(*args, **kwargs)
        self._stage[optimizer] = OptState.STEPPED
        return result

    def _need_scale(self, method):
        if self._scale is None:
            raise AssertionError(f"Attempted {method} but _scale is None.  This may indicate your script did not use scaler.scale(loss or outputs) earlier in the "
                                 "iteration.")

    def update(self, new_scale=None):
        """Ends an iteration: changes the scale, or sets it."""
        if not self._enabled:
            return
        self._need_scale("update")
        if new_scale is not None:
            self._scale = float(new_scale)
        else:
            if not self._found:
                raise AssertionError("No inf checks were recorded prior to update.")
            if any(self._found.values()):
                self._scale *= self._backoff_factor
                self._growth_tracker = 0
            else:
                self._growth_tracker += 1
                if self._growth_tracker == self._growth_interval:
                    self._scale *= self._growth_factor
                    self._growth_tracker = 0
        self._found.clear()
        self._stage.clear()

    def get_scale(self):
        """The scale, 1 if disabled."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else self._scale

    def get_growth_factor(self):
        return self._growth_factor

    def set_growth_factor(self, new_factor):
        self._growth_factor = new_factor

    def get_backoff_factor(self):
        return self._backoff_factor

    def set_backoff_factor(self, new_factor):
        self._backoff_factor = new_factor

    def get_growth_interval(self):
        return self._growth_interval

    def set_growth_interval(self, new_interval):
        self._growth_interval = new_interval

    def is_enabled(self):
        return self._enabled

    def state_dict(self):
        """The scale and its settings; empty if disabled."""
        if not self._enabled:
            return {}
        return {"scale": self.get_scale(), "growth_factor": self._growth_factor, "backoff_factor": self._backoff_factor,
                "growth_interval": self._growth_interval, "_growth_tracker": self._growth_tracker}

    def load_state_dict(self, state_dict):
        """Takes over what `state_dict` gave."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError("The source state dict is empty, possibly because it was saved from a disabled instance of GradScaler.")
        self._init_scale = state_dict["scale"]
        if self._scale is not None:
            self._scale = state_dict["scale"]
        self._growth_factor, self._backoff_factor = state_dict["growth_factor"], state_dict["backoff_factor"]
        self._growth_interval, self._growth_tracker = state_dict["growth_interval"], state_dict["_growth_tracker"]
