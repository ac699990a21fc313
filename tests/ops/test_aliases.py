"""Other names of arithmetic take what the first names take."""

import pytest

import facula


@pytest.mark.parametrize("alias, name", [("subtract", "sub"), ("multiply", "mul"), ("divide", "div"), ("true_divide", "div")])
def test_aliases(alias, name):
    x, y = facula.tensor([1.0, 2.0]), facula.tensor([4.0, 3.0])
    for a, b in ((x, y), (x, 2), (2.0, y)):
        assert getattr(facula, alias)(a, b).tolist() == getattr(facula, name)(a, b).tolist()
    assert getattr(x, alias)(y).tolist() == getattr(x, name)(y).tolist()
