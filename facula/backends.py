"""What PyTorch programs ask about backends. Facula has its own kernels and no accelerator yet."""

from __future__ import annotations


class _Backend:
    """Settings of one backend: attributes may be set freely, nothing depends on them."""

    def __init__(self, available=False, **settings):
        self._available = available
        self.__dict__.update(settings)

    def is_available(self):
        return self._available

    def is_built(self):
        return self._available

    def version(self):
        return None

    def flags(self, *args, **kwargs):
        import contextlib

        return contextlib.nullcontext()


cudnn = _Backend(enabled=True, benchmark=False, deterministic=False, allow_tf32=True)
cuda = _Backend(matmul=_Backend(allow_tf32=False))
mps = _Backend()
mkl, mkldnn, openmp, xnnpack, quantized = _Backend(), _Backend(enabled=False), _Backend(), _Backend(), _Backend(engine="none")
