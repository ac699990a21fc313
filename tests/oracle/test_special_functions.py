"""Special functions, windows, short-time transforms and distributions beside PyTorch's."""

import pytest

import facula

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle


def same(ours, theirs, **tolerance):
    torch.testing.assert_close(torch.from_numpy(ours.detach().numpy()), theirs.detach(), equal_nan=True, **tolerance)


ENDS = [0.0, -0.0, float("inf"), float("-inf"), float("nan"), 1e-300, 1e300]
# PyTorch's own Bessel and Airy functions are off by 1e-6; ours are not.
ROUGH = {"bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "airy_ai"}
UNARY = [*sorted(ROUGH), "modified_bessel_i0", "modified_bessel_i1", "modified_bessel_k0", "modified_bessel_k1", "scaled_modified_bessel_k0",
         "scaled_modified_bessel_k1", "spherical_bessel_j0", "i0", "i0e", "i1", "i1e", "erfcx", "log_ndtr", "ndtr", "ndtri", "digamma", "gammaln", "entr", "logit"]


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_argument(name, dtype):
    torch.manual_seed(0)
    values = torch.cat([torch.randn(100) * 5, torch.rand(100), torch.tensor(ENDS)]).to(getattr(torch, dtype))
    theirs = getattr(torch.special, name)(values)
    ours = getattr(facula.special, name)(facula.from_numpy(values.numpy()))
    same(ours, theirs, rtol=2e-5 if dtype == "float32" or name in ROUGH else 1e-9, atol=2e-5 if dtype == "float32" or name in ROUGH else 1e-11)


@pytest.mark.parametrize("name", [n for n in dir(torch.special) if "polynomial" in n])
def test_polynomials(name):
    x, n = torch.linspace(-1.5, 1.5, 13, dtype=torch.float64), torch.arange(-1, 12).unsqueeze(1)
    same(getattr(facula.special, name)(facula.from_numpy(x.numpy()), facula.from_numpy(n.numpy())), getattr(torch.special, name)(x, n))


@pytest.mark.parametrize("name", ["igamma", "igammac"])
def test_incomplete_gamma(name):
    at = torch.tensor([0, 0.1, 0.5, 1, 3, 15, 40, 300, float("inf"), -1], dtype=torch.float64)
    a, x = at.unsqueeze(1), at * 1.1
    same(getattr(facula, name)(facula.from_numpy(a.numpy()), facula.from_numpy(x.numpy())), getattr(torch, name)(a, x), rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("name", torch.signal.windows.__all__)
def test_windows(name):
    options = {"a": [0.3, 0.2, 0.5]} if name == "general_cosine" else {}
    for length in (2, 9, 40):
        for sym in (True, False):
            same(getattr(facula.signal.windows, name)(length, sym=sym, **options), getattr(torch.signal.windows, name)(length, sym=sym, **options),
                 rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"hop_length": 3, "center": False}, {"win_length": 8, "normalized": True}, {"onesided": False, "pad_mode": "constant"}])
def test_short_time_transforms(options):
    torch.manual_seed(0)
    x, length = torch.randn(2, 50), options.get("win_length", 16)
    theirs = torch.stft(x, 16, window=torch.hann_window(length), return_complex=True, **options)
    ours = facula.stft(facula.from_numpy(x.numpy()), 16, window=facula.hann_window(length), return_complex=True, **options)
    assert ours.stride() == theirs.stride()
    same(ours, theirs, rtol=1e-5, atol=1e-5)
