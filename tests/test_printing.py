import facula
from facula import _printing


def test_floats_share_a_width():
    assert repr(facula.tensor([1.5, -20.25])) == "tensor([  1.5000, -20.2500])"


def test_wide_ranges_print_in_scientific_notation():
    assert repr(facula.tensor([1e-5, 1.5])) == "tensor([1.0000e-05, 1.5000e+00])"


def test_empty_tensors_show_their_size():
    assert repr(facula.empty(2, 0)) == "tensor([], size=(2, 0))"


def test_large_tensors_are_summarised():
    assert repr(facula.arange(2000)) == "tensor([   0,    1,    2,  ..., 1997, 1998, 1999])"


def test_options_return_after_the_block():
    with _printing.printoptions(precision=2):
        assert repr(facula.tensor([1.12345])) == "tensor([1.12])"
    assert repr(facula.tensor([1.12345])) == "tensor([1.1235])"


def test_one_element_takes_a_format():
    assert f"{facula.tensor(2.0):.3f}" == "2.000"
