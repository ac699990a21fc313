import pytest

import facula
from facula.utils import dlpack

np = pytest.importorskip("numpy")
DTYPES = "float32 float64 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex64 complex128".split()


@pytest.mark.parametrize("dtype", DTYPES)
def test_capsules_share_memory(dtype):
    x = facula.tensor([[1, 0, 1], [0, 1, 1]]).to(getattr(facula, dtype)).t()
    y = dlpack.from_dlpack(dlpack.to_dlpack(x))
    assert y.dtype == x.dtype and y.shape == x.shape and y.stride() == x.stride() and y.tolist() == x.tolist()
    y[0, 0] = 0
    assert x[0, 0].item() == 0


def test_arrays_of_others():
    array = np.arange(4.0)
    x = facula.from_dlpack(array)
    x[0] = 7
    assert array[0] == 7 and np.from_dlpack(x).tolist() == [7, 1, 2, 3]


def test_tensors_with_gradients_are_refused():
    with pytest.raises(BufferError, match="detach"):
        dlpack.to_dlpack(facula.ones(1, requires_grad=True))


def test_pytorch_takes_and_gives():
    torch = pytest.importorskip("torch")
    for dtype in DTYPES:
        ours = facula.ones(3, dtype=getattr(facula, dtype))
        theirs = torch.from_dlpack(ours)
        assert str(theirs.dtype) == f"torch.{dtype}" and theirs.data_ptr() == ours.data_ptr()
        assert facula.from_dlpack(theirs).data_ptr() == ours.data_ptr()
