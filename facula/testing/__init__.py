"""Comparing tensors in tests, and making tensors to test with."""

import warnings

from ._comparison import assert_close, default_tolerances
from ._creation import make_tensor

__all__ = ["assert_close", "assert_allclose", "make_tensor"]


def assert_allclose(actual, expected, rtol=None, atol=None, equal_nan=True, msg=""):
    """The older form of `assert_close`, which does not mind dtypes."""
    warnings.warn("`torch.testing.assert_allclose()` is deprecated since 1.12 and will be removed in a future release. Please use "
                  "`torch.testing.assert_close()` instead. You can find detailed upgrade instructions in https://github.com/pytorch/pytorch/issues/61844.",
                  FutureWarning, 2)
    import facula

    actual = actual if isinstance(actual, facula.Tensor) else facula.tensor(actual)
    expected = expected if isinstance(expected, facula.Tensor) else facula.tensor(expected, dtype=actual.dtype)
    if rtol is None and atol is None:
        rtol, atol = default_tolerances(actual.dtype, expected.dtype)
    assert_close(actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_device=True, check_dtype=False, check_stride=False, msg=msg or None)
