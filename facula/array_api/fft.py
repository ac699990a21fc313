"""Fourier transforms of the array API standard."""

import facula

__all__ = ["fft", "ifft", "fftn", "ifftn", "rfft", "irfft", "rfftn", "irfftn", "hfft", "ihfft", "fftfreq", "rfftfreq", "fftshift", "ifftshift"]


def _one(name):
    def transform(x, /, *, n=None, axis=-1, norm="backward"):
        return getattr(facula.fft, name)(x, n, axis, norm)

    transform.__name__ = transform.__qualname__ = name
    transform.__doc__ = f"torch.fft.{name} along an axis."
    return transform


def _many(name):
    def transform(x, /, *, s=None, axes=None, norm="backward"):
        return getattr(facula.fft, name)(x, s, axes, norm)

    transform.__name__ = transform.__qualname__ = name
    transform.__doc__ = f"torch.fft.{name} along axes."
    return transform


for _name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"):
    globals()[_name] = _one(_name)
for _name in ("fftn", "ifftn", "rfftn", "irfftn"):
    globals()[_name] = _many(_name)


def fftfreq(n, /, *, d=1.0, dtype=None, device=None):
    """The frequencies of a transform of n samples, d apart."""
    return facula.fft.fftfreq(n, d, dtype=dtype, device=device)


def rfftfreq(n, /, *, d=1.0, dtype=None, device=None):
    """The frequencies of a real transform."""
    return facula.fft.rfftfreq(n, d, dtype=dtype, device=device)


def fftshift(x, /, *, axes=None):
    """Frequency 0 moved to the middle."""
    return facula.fft.fftshift(x, axes)


def ifftshift(x, /, *, axes=None):
    """fftshift undone."""
    return facula.fft.ifftshift(x, axes)
