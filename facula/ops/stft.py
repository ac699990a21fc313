"""The short-time Fourier transform and its inverse."""

from __future__ import annotations

import warnings

import facula

from ._table import composite

_warned: set[str] = set()  # the operations that have been called without a window: each warns once


def _warn_once(name, advice):
    if name not in _warned:
        _warned.add(name)
        warnings.warn(f"A window was not provided. A rectangular window will be applied{advice}To suppress this warning and use a rectangular window, "
                      "explicitly set `window=torch.ones(n_fft, device=<device>)`.", stacklevel=3)


class _Call:
    """One call's arguments: for messages, and the window brought to n_fft values."""

    def __init__(self, name, input, n_fft, hop_length, win_length, window, **options):
        for key, value in (("n_fft", n_fft), ("hop_length", hop_length), ("win_length", win_length)):
            if not isinstance(value, int) and (value is not None or key == "n_fft"):
                raise TypeError(f"{name}(): argument '{key}' must be int, not {type(value).__name__}")
        self.name, self.input, self.n_fft = name, input, n_fft
        self.hop = n_fft // 4 if hop_length is None else hop_length
        self.win = n_fft if win_length is None else win_length
        self.window, self.options = window, options

    def refuse(self, problem):
        window = "None" if self.window is None else f"{self.window.type()}{{{list(self.window.shape)}}}"
        options = ", ".join(f"{k}={'None' if v is None else int(v)}" for k, v in self.options.items())
        kind = self.input.type()
        kind = kind if self.name == "stft" else kind.replace("torch.", "CPU").replace("Tensor", "Type")
        raise RuntimeError(f"{self.name}({kind}{list(self.input.shape)}, n_fft={self.n_fft}, hop_length={self.hop}, win_length={self.win}, "
                           f"window={window}, {options}) {problem}")

    def full_window(self, like):
        """The window with zeros on both sides up to n_fft values."""
        if self.win == self.n_fft:
            return self.window
        inner = facula.ones(self.win, dtype=like.dtype, device=like.device) if self.window is None else self.window
        left = (self.n_fft - self.win) // 2
        return facula.constant_pad_nd(inner, [left, self.n_fft - self.win - left])

    def bad_window(self):
        return self.window is not None and (self.window.dim() != 1 or self.window.shape[0] != self.win)


def _is_complex(x):
    return x is not None and x.is_complex()


def _centred(input, n_fft, pad_mode):
    """The signal with n_fft / 2 values more on both sides."""
    flat = input.reshape([1] * (3 - input.dim()) + list(input.shape))
    padded = facula.nn.functional.pad(flat, [n_fft // 2] * 2, pad_mode)
    return padded.reshape(padded.shape[-input.dim():])


@composite("stft")
def stft(input, n_fft, hop_length=None, win_length=None, window=None, center=True, pad_mode="reflect", normalized=False, onesided=None,
         return_complex=None, align_to_window=None):
    """Fourier transforms of pieces of n_fft values, hop_length apart, under a window."""
    if center:
        if align_to_window is not None:
            raise RuntimeError("stft align_to_window should only be set when center = false")
        if isinstance(n_fft, int):
            input = _centred(input, n_fft, pad_mode)
    call = _Call("stft", input, n_fft, hop_length, win_length, window, normalized=normalized, onesided=onesided, return_complex=return_complex,
                 align_to_window=align_to_window)
    if window is None:
        _warn_once("stft", ",which is known to cause spectral leakage. Other windows such as torch.hann_window or torch.hamming_window "
                           "are recommended to reduce spectral leakage.")
    complex_values = _is_complex(input) or _is_complex(window)
    if return_complex is None:
        if not complex_values:
            raise RuntimeError("stft requires the return_complex parameter be given for real inputs, and will further require that return_complex=True "
                               "in a future PyTorch release.")
        return_complex = True
    elif not return_complex:
        warnings.warn("stft with return_complex=False is deprecated. In a future pytorch release, stft will return complex tensors for all inputs, and "
                      "return_complex=False will raise an error.\nNote: you can still call torch.view_as_real on the complex output to recover the "
                      "old return format.", stacklevel=2)
    if not (input.is_floating_point() or input.is_complex()):
        call.refuse(": expected a tensor of floating point or complex values")
    if input.dim() not in (1, 2):
        call.refuse(": expected a 1D or 2D tensor")
    rows = input.unsqueeze(0) if input.dim() == 1 else input
    if center is False and align_to_window and call.win < n_fft:
        # The first window, not the first piece, begins where the signal does.
        left = (n_fft - call.win) // 2
        rows = facula.constant_pad_nd(rows, [left, n_fft - call.win - left])
    size = rows.shape[1]
    if not 0 < n_fft <= size:
        call.refuse(f": expected 0 < n_fft < {size}, but got n_fft={n_fft}")
    if call.hop <= 0:
        call.refuse(f": expected hop_length > 0, but got hop_length={call.hop}")
    if not 0 < call.win <= n_fft:
        call.refuse(f": expected 0 < win_length <= n_fft, but got win_length={call.win}")
    if call.bad_window():
        call.refuse(f": expected a 1D window tensor of size equal to win_length={call.win}, but got window with size {list(window.shape)}")
    pieces = rows.unfold(1, n_fft, call.hop)
    full = call.full_window(rows)
    pieces = pieces if full is None else pieces * full
    return _spectra(pieces, complex_values, normalized, onesided, return_complex, input.dim() == 1)


def _spectra(pieces, complex_values, normalized, onesided, return_complex, single):
    onesided = not complex_values if onesided is None else onesided
    norm = 1 if normalized else 0
    if pieces.is_complex():
        if onesided:
            raise RuntimeError("Cannot have onesided output if window or input is complex")
        out = facula._fft_c2c(pieces, [2], norm, True)
    else:
        out = facula._fft_r2c(pieces, [2], norm, onesided)
    out = out.transpose(1, 2)
    out = out.squeeze(0) if single else out
    return out if return_complex else facula.view_as_real(out)


@composite("istft")
def istft(input, n_fft, hop_length=None, win_length=None, window=None, center=True, normalized=False, onesided=None, length=None, return_complex=False):
    """The signal whose short-time Fourier transform is nearest to `input`."""
    call = _Call("istft", input, n_fft, hop_length, win_length, window, center=center, normalized=normalized, onesided=onesided, length=length,
                 return_complex=return_complex)
    if window is None:
        _warn_once("istft", ".Please provide the same window used by stft to make the inversion lossless.")
    _check_inverse(call, onesided, return_complex)
    spectra = input.unsqueeze(0) if input.dim() == 2 else input
    real = input.real.dtype
    full = facula.ones(n_fft, dtype=real, device=input.device) if window is None and call.win == n_fft else call.full_window(input.real)
    onesided = spectra.shape[1] != n_fft if onesided is None else onesided
    spectra, norm = spectra.transpose(1, 2), 1 if normalized else 2
    if return_complex:
        if onesided:
            raise RuntimeError("Cannot have onesided output if window or input is complex")
        pieces = facula._fft_c2c(spectra, [2], norm, False)
    else:
        if _is_complex(window):
            raise RuntimeError("Complex windows are incompatible with return_complex=False")
        pieces = facula._fft_c2r(spectra if onesided else spectra.narrow(2, 0, n_fft // 2 + 1), [2], norm, n_fft)
    signal = _overlapped(call, pieces * full, full, center, length)
    return signal.squeeze(0) if input.dim() == 2 else signal


def _check_inverse(call, onesided, return_complex):
    input, n_fft = call.input, call.n_fft
    if not input.is_complex():
        raise RuntimeError("istft requires a complex-valued input tensor matching the output from stft with return_complex=True.")
    frequencies = input.size(-2)
    if input.numel() == 0:
        call.refuse(": input tensor cannot be empty.")
    if input.dim() not in (2, 3):
        call.refuse(f": expected a tensor with 3 or 4 dimensions, but got {input.dim() + 1}")
    if (onesided is None and frequencies != n_fft) or onesided:
        if n_fft // 2 + 1 != frequencies:
            call.refuse(": expected the frequency dimension (3rd to the last) of the input tensor to match n_fft / 2 + 1 when onesided=True, "
                        f"but got {frequencies}")
    elif frequencies != n_fft:
        call.refuse(f": expected the frequency dimension (3rd to the last) of the input tensor to match n_fft when onesided=False, but got {frequencies}")
    if not 0 < call.hop <= call.win:
        call.refuse(": expected 0 < hop_length <= win_length")
    if not 0 < call.win <= n_fft:
        call.refuse(": expected 0 < win_length <= n_fft")
    if call.bad_window():
        call.refuse(": Invalid window shape. window has to be 1D and length of `win_length`")


def _add_up(pieces, hop):
    """(batch, pieces, n) laid `hop` apart and added."""
    batch, count, n = pieces.shape
    places = facula.arange(count, device=pieces.device).unsqueeze(1) * hop + facula.arange(n, device=pieces.device)
    total = pieces.new_zeros(batch, n + hop * (count - 1))
    return total.index_add(1, places.reshape(-1), pieces.reshape(batch, -1))


def _overlapped(call, pieces, window, center, length):
    """Pieces added up and divided by what the windows' squares add up to."""
    total = _add_up(pieces, call.hop)
    weight = _add_up((window * window).expand(1, pieces.shape[1], -1).contiguous(), call.hop)
    expected = total.shape[1]
    start = call.n_fft // 2 if center else 0
    end = start + length if length is not None else expected - call.n_fft // 2 if center else expected
    total, weight = total[:, start:end], weight[:, start:end]
    smallest = weight.abs().min().item() if weight.numel() else 1
    if not smallest > 1e-11:
        call.refuse("window overlap add min: 1\n[ CPUBoolType{} ]")
    total = total / weight
    if end > expected:
        warnings.warn("The length of signal is shorter than the length parameter. Result is being padded with zeros in the tail. Please check your center "
                      "and hop_length settings.", stacklevel=3)
        total = facula.constant_pad_nd(total, [0, end - expected])
    return total
