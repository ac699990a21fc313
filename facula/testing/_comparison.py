"""`assert_close`: whether values are equal within tolerances, with a report of where they are not."""

from __future__ import annotations

import cmath
import collections.abc
import numbers

import facula

Tensor = facula.Tensor
_TOLERANCES = {  # relative, absolute
    facula.float16: (1e-3, 1e-5), facula.bfloat16: (1.6e-2, 1e-5), facula.float32: (1.3e-6, 1e-5), facula.float64: (1e-7, 1e-7),
    facula.complex32: (1e-3, 1e-5), facula.complex64: (1.3e-6, 1e-5), facula.complex128: (1e-7, 1e-7)}


def default_tolerances(*dtypes):
    """(relative, absolute): the widest of the dtypes' own; 0 for integers."""
    found = [_TOLERANCES.get(d, (0.0, 0.0)) for d in dtypes]
    return max(r for r, _ in found), max(a for _, a in found)


class _Failure(Exception):
    def __init__(self, kind, text, path=()):
        super().__init__(text)
        self.kind, self.text, self.path = kind, text, path


class _Settings:
    def __init__(self, rtol, atol, **options):
        if (rtol is None) != (atol is None):
            raise ValueError("Both 'rtol' and 'atol' must be either specified or omitted, but got no " + ("rtol" if rtol is None else "atol") + ".")
        self.rtol, self.atol = rtol, atol
        self.__dict__.update(options)

    def tolerances(self, *dtypes):
        return default_tolerances(*dtypes) if self.rtol is None else (self.rtol, self.atol)


def assert_close(actual, expected, *, allow_subclasses=True, rtol=None, atol=None, equal_nan=False, check_device=True, check_dtype=True,
                 check_layout=True, check_stride=False, msg=None):
    """Raises an AssertionError unless |actual - expected| <= atol + rtol * |expected| everywhere.

    Args:
        actual, expected: Tensors, numbers, None, or sequences and mappings of them.
        rtol, atol: Tolerances; by default they depend on the dtypes.
        equal_nan: Whether NaN equals NaN.
        check_device, check_dtype, check_layout, check_stride: Whether these must agree too.
        msg: The error's text, or a function that makes one of the usual text.
    """
    settings = _Settings(rtol, atol, equal_nan=equal_nan, device=check_device, dtype=check_dtype, layout=check_layout, stride=check_stride,
                         subclasses=allow_subclasses)
    try:
        _compare(actual, expected, settings, ())
    except _Failure as failure:
        text = failure.text
        if failure.path:
            text += "\n\nThe failure occurred for item " + "".join(f"[{p!r}]" for p in failure.path)
        text = text if msg is None else msg(text) if callable(msg) else msg
        raise failure.kind(text) from None


def _compare(actual, expected, settings, path):
    if _sequences(actual, expected):
        if len(actual) != len(expected):
            raise _Failure(AssertionError, f"The length of the sequences mismatch: {len(actual)} != {len(expected)}", path)
        for i, (a, e) in enumerate(zip(actual, expected)):
            _compare(a, e, settings, (*path, i))
    elif isinstance(actual, collections.abc.Mapping) and isinstance(expected, collections.abc.Mapping):
        _compare_mappings(actual, expected, settings, path)
    elif actual is None or expected is None:
        if actual is not expected:
            raise _Failure(AssertionError, f"None mismatch: {actual} is not {expected}", path)
    elif isinstance(actual, (bool, numbers.Number)) and isinstance(expected, (bool, numbers.Number)):
        _compare_numbers(actual, expected, settings, path)
    else:
        _compare_tensors(*_as_tensors(actual, expected, settings, path), settings, path)


def _sequences(a, b):
    return all(isinstance(x, collections.abc.Sequence) and not isinstance(x, (str, Tensor)) for x in (a, b))


def _compare_mappings(actual, expected, settings, path):
    missing, extra = sorted(set(expected) - set(actual), key=str), sorted(set(actual) - set(expected), key=str)
    if missing or extra:
        raise _Failure(AssertionError, "The keys of the mappings do not match:\n"
                       f"Missing keys in the actual mapping: {missing}\nAdditional keys in the actual mapping: {extra}", path)
    for key in expected:
        _compare(actual[key], expected[key], settings, (*path, key))


def _as_tensors(actual, expected, settings, path):
    def unable():
        return _Failure(TypeError, f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}.", path)

    if isinstance(actual, Tensor) and isinstance(expected, Tensor):
        if not settings.subclasses and type(actual) is not type(expected):
            raise unable()
        return actual, expected
    if type(actual) is not type(expected) or isinstance(actual, str) or isinstance(actual, (list, tuple, dict)):
        raise unable()
    try:
        return facula.as_tensor(actual), facula.as_tensor(expected)
    except Exception:
        raise unable() from None


def _kind_of(x):
    return bool if isinstance(x, bool) else int if isinstance(x, numbers.Integral) else float if isinstance(x, numbers.Real) else complex


_DTYPES = {bool: facula.bool, int: facula.int64, float: facula.float64, complex: facula.complex128}


def _compare_numbers(actual, expected, settings, path):
    kinds = _kind_of(actual), _kind_of(expected)
    if kinds[0] is not kinds[1] and settings.dtype:
        raise _Failure(AssertionError, f"The (d)types do not match: {type(actual)} != {type(expected)}.", path)
    rtol, atol = settings.tolerances(*(_DTYPES[k] for k in kinds))
    if not _number_close(actual, expected, rtol, atol, settings.equal_nan):
        raise _Failure(AssertionError, _number_text(actual, expected, rtol, atol), path)


def _number_close(a, e, rtol, atol, equal_nan):
    if a == e:
        return True
    if cmath.isnan(a) or cmath.isnan(e):
        return equal_nan and cmath.isnan(a) and cmath.isnan(e)
    return not (cmath.isinf(a) or cmath.isinf(e)) and abs(a - e) <= atol + rtol * abs(e)


def _allowed(tolerance, exact):
    return "" if exact else f" (up to {tolerance} allowed)"


def _number_text(actual, expected, rtol, atol):
    exact = rtol == 0 and atol == 0
    difference = abs(actual - expected)
    relative = float("inf") if expected == 0 else difference / abs(expected)
    return (f"Scalars are not {'equal' if exact else 'close'}!\n\nExpected {expected} but got {actual}.\n"
            f"Absolute difference: {difference}{_allowed(atol, exact)}\nRelative difference: {relative}{_allowed(rtol, exact)}")


def _check_attribute(name, actual, expected, path):
    if actual != expected:
        raise _Failure(AssertionError, f"The values for attribute '{name}' do not match: {actual} != {expected}.", path)


def _compare_tensors(actual, expected, settings, path):
    _check_attribute("shape", actual.shape, expected.shape, path)
    if settings.layout:
        _check_attribute("layout", actual.layout, expected.layout, path)
    if settings.device:
        _check_attribute("device", actual.device, expected.device, path)
    if settings.dtype:
        _check_attribute("dtype", actual.dtype, expected.dtype, path)
    if settings.stride:
        _check_attribute("stride()", actual.stride(), expected.stride(), path)
    if actual.device.type == "meta":
        return
    rtol, atol = settings.tolerances(actual.dtype, expected.dtype)
    with facula.no_grad():
        if actual.dtype != expected.dtype:
            common = facula.promote_types(actual.dtype, expected.dtype)
            actual, expected = actual.to(common), expected.to(common)
        close = facula.isclose(actual, expected, rtol=rtol, atol=atol, equal_nan=settings.equal_nan)
        if not bool(close.all()):
            raise _Failure(AssertionError, _tensor_text(actual, expected, close, rtol, atol), path)


def _tensor_text(actual, expected, close, rtol, atol):
    if actual.dim() == 0:
        return _number_text(actual.item(), expected.item(), rtol, atol)
    exact = rtol == 0 and atol == 0
    if not (actual.dtype.is_floating_point or actual.dtype.is_complex):
        actual, expected = actual.to(facula.int64), expected.to(facula.int64)
    wrong = int((~close).sum())
    difference = (actual - expected).abs()
    difference[close] = 0  # what is close may still be the largest in relation to the other bound
    relative = difference / expected.abs()
    relative[close] = 0
    lines = [f"Tensor-likes are not {'equal' if exact else 'close'}!", "",
             f"Mismatched elements: {wrong} / {actual.numel()} ({100 * wrong / actual.numel():.1f}%)"]
    for name, values, tolerance in (("absolute", difference, atol), ("relative", relative, rtol)):
        at = int(values.reshape(-1).argmax())
        place = tuple(int(i) for i in facula.unravel_index(facula.tensor(at), values.shape))
        lines.append(f"Greatest {name} difference: {values.reshape(-1)[at].item()} at index {place}{_allowed(tolerance, exact)}")
    return "\n".join(lines)
