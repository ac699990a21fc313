"""Sums and scaled additions that are equal to PyTorch's to the last bit; values recorded from PyTorch 2.13 on an x86-64 CPU with AVX2."""

import pytest

import facula
from facula._native import level

pytestmark = pytest.mark.skipif(level not in ("v3", "v4"), reason="without fused multiply-add the last bits differ")
SUMS = [(1, '0x0.0p+0', '0x0.0p+0'),
        (2, '0x1.fbbb7e0000000p-1', '0x1.3b9c8c0000000p-1'),
        (3, '0x1.78e5340000000p-1', '0x1.5956840000000p-1'),
        (5, '0x1.37ba840000000p-2', '0x1.1182160000000p+0'),
        (8, '-0x1.b887980000000p-3', '-0x1.4c25f00000000p-3'),
        (9, '0x1.49c2300000000p-1', '0x1.7124660000000p-2'),
        (12, '-0x1.1d11100000000p-4', '0x1.45b6560000000p+0'),
        (16, '0x1.aba9bc0000000p-3', '0x1.0008c00000000p-2'),
        (30, '-0x1.c65dc00000000p-3', '0x1.2278680000000p-1'),
        (33, '0x1.0a9ad80000000p-2', '0x1.f73b060000000p-2'),
        (64, '0x1.453e100000000p-3', '0x1.35bfa00000000p-3'),
        (100, '-0x1.2b31180000000p-3', '0x1.b569d00000000p-1'),
        (127, '0x1.5c8be40000000p-2', '0x1.37b1600000000p-2'),
        (300, '-0x1.b0ee940000000p-3', None)]


def wave(step, function):
    return function(facula.arange(300, dtype=facula.float64) * step).float()


@pytest.mark.parametrize("count, total, product", SUMS)
def test_short_sums(count, total, product):
    x, y = wave(1.7, facula.sin), wave(0.9, facula.cos)
    assert x[:count].sum().item().hex() == total
    assert product is None or x[:count].clone().dot(y[:count].clone()).item().hex() == product


def test_scaled_operands_round_once():
    x, y = wave(1.7, facula.sin), wave(0.9, facula.cos)
    assert facula.add(x[:4], y[:4], alpha=0.3).tolist() == [0.30000001192092896, 1.178147792816162, -0.32370173931121826, -1.1970363855361938]
    assert facula.addcmul(x[:4], y[:4], x[4:8], value=0.3).tolist() == [0.14823400974273682, 1.1405690908432007, -0.20783720910549164, -0.7581624984741211]
    assert facula.sub(x[:4], y[:4], alpha=0.7).tolist() == [-0.699999988079071, 0.5565378665924072, -0.09649965912103653, -0.2929641902446747]
