"""Windows and short-time Fourier transforms: values, inverses, gradients, errors."""

import math

import pytest

import facula
from facula.autograd import gradcheck

W = facula.signal.windows


def close(got, expected, **tolerance):
    facula.testing.assert_close(got, facula.tensor(expected, dtype=got.dtype), **({"rtol": 1e-4, "atol": 1e-5} | tolerance))


@pytest.mark.parametrize("name, periodic, symmetric", [
    ("hann", [0, 0.3455, 0.9045, 0.9045, 0.3455], [0, 0.5, 1, 0.5, 0]), ("hamming", [0.08, 0.3979, 0.9121, 0.9121, 0.3979], [0.08, 0.54, 1, 0.54, 0.08]),
    ("bartlett", [0, 0.4, 0.8, 0.8, 0.4], [0, 0.5, 1, 0.5, 0]), ("blackman", [0, 0.2008, 0.8492, 0.8492, 0.2008], [0, 0.34, 1, 0.34, 0]),
    ("kaiser", [5.2773e-05, 0.10172, 0.79294, 0.79294, 0.10172], [5.2773e-05, 0.21567, 1, 0.21567, 5.2773e-05])])
def test_windows(name, periodic, symmetric):
    for made in (getattr(facula, name + "_window"), lambda n, p=True: getattr(W, name)(n, sym=not p)):
        close(made(5), periodic, atol=6e-5)
        close(made(5, False), symmetric, atol=6e-5)
        assert made(0).shape == (0,) and made(1).tolist() == [1]


def test_the_newer_windows():
    close(W.exponential(5), [math.exp(-abs(n - 2)) for n in range(5)])
    close(W.exponential(4, center=1, tau=2.0, sym=False), [math.exp(-abs(n - 1) / 2) for n in range(4)])
    close(W.gaussian(5, std=2.0), [math.exp(-((n - 2) / 2) ** 2 / 2) for n in range(5)])
    close(W.cosine(4), [math.sin(math.pi * (n + 0.5) / 4) for n in range(4)])
    close(W.general_cosine(5, a=[0.3, 0.4]), [-0.1, 0.3, 0.7, 0.3, -0.1])
    close(W.general_hamming(5, alpha=0.3), [-0.4, 0.3, 1, 0.3, -0.4])
    close(W.nuttall(5), [3.628e-04, 0.22698, 1, 0.22698, 3.628e-04])
    assert W.hann(7, dtype=facula.float64, requires_grad=True).requires_grad


@pytest.mark.parametrize("call, error, text", [
    (lambda: facula.hann_window(-1), RuntimeError, "requires non-negative window_length, got window_length=-1"),
    (lambda: facula.hann_window(3, dtype=facula.int32), RuntimeError, "expects floating point dtypes"),
    (lambda: W.hann(-1), ValueError, "general_cosine requires non-negative window length, got M=-1"),
    (lambda: W.gaussian(5, std=-1), ValueError, "Standard deviation must be positive, got: -1 instead."),
    (lambda: W.kaiser(5, beta=-1), ValueError, "beta must be non-negative, got: -1 instead."),
    (lambda: W.exponential(5, center=2), ValueError, "Center must be None for symmetric windows"),
    (lambda: W.general_cosine(5, a=[]), ValueError, "Coefficients cannot be empty"),
    (lambda: W.hann(5, dtype=facula.float16), ValueError, "expects float32 or float64 dtypes"),
    (lambda: W.cosine(5, tau=1), TypeError, "unexpected keyword argument 'tau'")])
def test_what_windows_refuse(call, error, text):
    with pytest.raises(error, match=text):
        call()


def signal(*shape):
    return facula.sin(facula.arange(math.prod(shape), dtype=facula.float64).reshape(shape) * 0.7)


@pytest.mark.parametrize("options", [{}, {"hop_length": 3}, {"win_length": 10}, {"normalized": True}, {"onesided": False}, {"hop_length": 4, "n_fft": 15}])
def test_there_and_back(options):
    options = {"n_fft": 16} | options
    x, n_fft = signal(2, 40), options.pop("n_fft")
    window = facula.hann_window(options.get("win_length", n_fft), dtype=x.dtype)
    spectra = facula.stft(x, n_fft, window=window, return_complex=True, **options)
    assert spectra.shape[1] == (n_fft if options.get("onesided") is False else n_fft // 2 + 1)
    facula.testing.assert_close(facula.istft(spectra, n_fft, window=window, length=40, **options), x)
    facula.testing.assert_close(x[0].stft(n_fft, window=window, return_complex=True, **options), spectra[0])


def test_a_piece_is_a_fourier_transform():
    x, window = signal(40), facula.hamming_window(8, dtype=facula.float64)
    spectra = facula.stft(x, 8, 5, window=window, center=False, return_complex=True)
    facula.testing.assert_close(spectra[:, 2], facula.fft.rfft(x[10:18] * window))
    both = facula.stft(x + 0j, 8, 5, window=window, center=False)
    facula.testing.assert_close(both[:5], spectra)
    aligned = facula.stft(x, 8, 5, win_length=4, window=window[:4], center=False, align_to_window=True, return_complex=True)
    assert aligned.shape[1] == (40 + 4 - 8) // 5 + 1


def test_gradients():
    window = facula.hann_window(8, dtype=facula.float64)
    x = signal(1, 20).requires_grad_()
    assert gradcheck(lambda x: facula.view_as_real(facula.stft(x, 8, window=window, return_complex=True)), (x,))
    spectra = facula.stft(x.detach(), 8, window=window, return_complex=True).requires_grad_()
    assert gradcheck(lambda s: facula.istft(s, 8, window=window), (spectra,))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("call, text", [
    (lambda x, w: facula.stft(x, 16, window=w), "stft requires the return_complex parameter be given for real inputs"),
    (lambda x, w: facula.stft(x, 100, window=None, center=False, return_complex=True), "expected 0 < n_fft < 40, but got n_fft=100"),
    (lambda x, w: facula.stft(x, 16, hop_length=0, window=w, return_complex=True), "expected hop_length > 0, but got hop_length=0"),
    (lambda x, w: facula.stft(x, 16, window=w[:8], return_complex=True), "expected a 1D window tensor of size equal to win_length=16"),
    (lambda x, w: facula.stft(x.long(), 16, window=w, return_complex=True), "expected a tensor of floating point or complex values"),
    (lambda x, w: facula.stft(x + 0j, 16, window=w, onesided=True), "Cannot have onesided output if window or input is complex"),
    (lambda x, w: facula.istft(x, 16, window=w), "istft requires a complex-valued input tensor"),
    (lambda x, w: facula.istft(facula.ones(9, 5) + 0j, 18, window=None), "expected the frequency dimension"),
    (lambda x, w: facula.istft(facula.ones(9, 5) + 0j, 16, window=facula.zeros(16)), "window overlap add min: 1")])
def test_what_transforms_refuse(call, text):
    with pytest.raises(RuntimeError, match=text):
        call(facula.ones(2, 40), facula.hann_window(16))


def test_complex_halves_are_stored():
    x = facula.tensor([1.5, -2.25])
    z = x.chalf()
    assert z.dtype == facula.complex32 and z.tolist() == [1.5 + 0j, -2.25 + 0j] and (z + z).dtype == facula.complex32
    assert z.to(facula.complex64).real.tolist() == [1.5, -2.25]
    assert facula.empty(3, dtype=facula.complex64).uniform_().imag.max() < 1
