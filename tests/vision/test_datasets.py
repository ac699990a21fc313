import pytest

from facula.vision.datasets import Digits
from facula.vision.datasets.mnist import read_image_file


def test_digits_are_all_there():
    digits = Digits()
    assert len(digits) == 1797 and digits.data.shape == (1797, 8, 8) and int(digits.data.max()) == 16
    assert len(Digits(train=True)) + len(Digits(train=False)) == 1797


def test_a_web_page_is_no_idx_file(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match="not an IDX file .* looks like a web page"):
        read_image_file(path)
