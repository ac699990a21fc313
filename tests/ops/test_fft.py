"""Fourier transforms: the definition, inverses, gradients, and what is refused."""

import cmath

import facula
import pytest

SIZES = (1, 2, 3, 7, 8, 15, 16, 17, 34, 60, 101, 143, 256)


def naive(values):
    n = len(values)
    return [sum(v * cmath.exp(-2j * cmath.pi * j * k / n) for j, v in enumerate(values)) for k in range(n)]


def close(a, b, tolerance=1e-11):
    return facula.allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("n", SIZES)
def test_transform_is_its_definition(n):
    x = facula.randn(n, dtype=facula.complex128)
    assert close(facula.fft.fft(x), facula.tensor(naive(x.tolist()), dtype=facula.complex128))


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dim", [0, 1, 2])
def test_inverse_gives_the_signal_back_along_every_dimension(n, dim):
    x = facula.randn(*(n if d == dim else 3 for d in range(3)), dtype=facula.float64)
    assert close(facula.fft.ifft(facula.fft.fft(x, dim=dim), dim=dim).real, x)
    assert close(facula.fft.irfft(facula.fft.rfft(x, dim=dim), n=n, dim=dim), x)
    assert close(facula.fft.hfft(facula.fft.ihfft(x, dim=dim), n=n, dim=dim), x)
    assert close(facula.fft.rfft(x, dim=dim), facula.fft.fft(x, dim=dim).narrow(dim, 0, n // 2 + 1))


def test_several_dimensions_are_one_after_the_other():
    x = facula.randn(4, 6, 10, dtype=facula.complex128)
    one_by_one = facula.fft.fft(facula.fft.fft(x, dim=0), dim=2)
    assert close(facula.fft.fftn(x, dim=(0, 2)), one_by_one)
    assert close(facula.fft.fftn(x.permute(2, 0, 1), dim=(1, 0)), one_by_one.permute(2, 0, 1))


@pytest.mark.parametrize("norm", [None, "backward", "ortho", "forward"])
@pytest.mark.parametrize("n", [5, 6])
def test_gradients_of_all_orders(n, norm):
    x = facula.randn(3, 6, dtype=facula.float64, requires_grad=True)
    z = facula.randn(3, 4, dtype=facula.complex128, requires_grad=True)
    for f, v in ((facula.fft.rfft, x), (facula.fft.fft, x), (facula.fft.irfft, z), (facula.fft.hfft, z), (facula.fft.ifft, z)):
        assert facula.autograd.gradcheck(lambda t, f=f: f(t, n=n, norm=norm), (v,))
        assert facula.autograd.gradgradcheck(lambda t, f=f: f(t, n=n, norm=norm), (v,))


def test_answers_do_not_depend_on_threads():
    x = facula.randn(200, 360, dtype=facula.complex64)
    threads = facula.get_num_threads()
    expected = facula.fft.fft2(x)
    facula.set_num_threads(1)
    assert facula.equal(facula.fft.fft2(x), expected)
    facula.set_num_threads(threads)


def test_frequencies_and_order():
    assert facula.fft.fftfreq(5, 0.5).tolist() == pytest.approx([0, 0.4, 0.8, -0.8, -0.4])
    assert facula.fft.rfftfreq(4).tolist() == [0, 0.25, 0.5]
    x = facula.arange(5)
    assert facula.fft.fftshift(x).tolist() == [3, 4, 0, 1, 2]
    assert facula.fft.ifftshift(facula.fft.fftshift(x)).tolist() == x.tolist()


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: facula.fft.fft(facula.ones(3), n=0), RuntimeError, r"Invalid number of data points \(0\) specified"),
    (lambda: facula.fft.fft(facula.ones(3), norm="bad"), RuntimeError, 'Invalid normalization mode: "bad"'),
    (lambda: facula.fft.fft(facula.ones(3).half()), RuntimeError, "Unsupported dtype Half"),
    (lambda: facula.fft.rfft(facula.ones(3).to(facula.complex64)), RuntimeError, "rfft expects a real input tensor, but got ComplexFloat"),
    (lambda: facula.fft.fftn(facula.ones(3, 3), dim=(0, 0)), RuntimeError, "FFT dims must be unique"),
    (lambda: facula.fft.fft(facula.ones(3), dim=2), IndexError, "Dimension out of range"),
    (lambda: facula.fft.fft([1.0]), TypeError, "must be Tensor, not list"),
])
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
