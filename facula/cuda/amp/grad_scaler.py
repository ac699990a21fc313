"""Loss scaling for GPUs by its old name."""

from __future__ import annotations

from ... import amp

__all__ = ["GradScaler"]


class GradScaler(amp.GradScaler):
    """The same as `facula.amp.GradScaler("cuda", ...)`."""

    def __init__(self, init_scale=2.0 ** 16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000, enabled=True):
        super().__init__("cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled)
