"""What there is, and questions about data types."""

import facula

_KINDS = {
    "bool": ("bool",), "signed integer": ("int8", "int16", "int32", "int64"), "unsigned integer": ("uint8", "uint16", "uint32", "uint64"),
    "real floating": ("float32", "float64"), "complex floating": ("complex64", "complex128"),
}
_KINDS["integral"] = _KINDS["signed integer"] + _KINDS["unsigned integer"]
_KINDS["numeric"] = _KINDS["integral"] + _KINDS["real floating"] + _KINDS["complex floating"]


def _of_kind(kind):
    if kind not in _KINDS:
        raise ValueError(f"unknown kind of data type {kind!r}: it is one of {sorted(_KINDS)}")
    return {name: getattr(facula, name) for name in _KINDS[kind]}


class Info:
    """What the namespace can do, for programs that ask."""

    def capabilities(self):
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self):
        return facula.device("cpu")

    def default_dtypes(self, *, device=None):
        real = facula.get_default_dtype()
        return {"real floating": real, "complex floating": facula.complex128 if real == facula.float64 else facula.complex64,
                "integral": facula.int64, "indexing": facula.int64}

    def dtypes(self, *, device=None, kind=None):
        kinds = ("bool", "numeric") if kind is None else kind if isinstance(kind, tuple) else (kind,)
        return {name: dtype for k in kinds for name, dtype in _of_kind(k).items()}

    def devices(self):
        return [facula.device("cpu"), facula.device("meta")]


def __array_namespace_info__():
    """An object that tells capabilities, data types and devices."""
    return Info()


def isdtype(dtype, kind):
    """Whether a data type is of a kind, another data type, or one of several."""
    if isinstance(kind, tuple):
        return any(isdtype(dtype, k) for k in kind)
    return dtype in _of_kind(kind).values() if isinstance(kind, str) else dtype == kind


def result_type(*arrays_and_dtypes):
    """The data type that an operation of all of them has; Python numbers have none of their own."""
    dtypes = [x if isinstance(x, facula.dtype) else x.dtype for x in arrays_and_dtypes if not isinstance(x, (int, float, complex))]
    if not dtypes:
        raise ValueError("result_type() needs at least one array or data type")
    found = dtypes[0]
    for other in dtypes[1:]:
        found = facula.promote_types(found, other)
    numbers = [x for x in arrays_and_dtypes if isinstance(x, (int, float, complex))]
    return facula.result_type(facula.empty(1, dtype=found), *numbers[:1]) if numbers else found


def can_cast(from_, to, /):
    """Whether a data type can become another without loss of kind."""
    dtype = from_ if isinstance(from_, facula.dtype) else from_.dtype
    return facula.promote_types(dtype, to) == to


def finfo(type, /):
    """Limits of a floating data type, or an array's."""
    return facula.finfo(type if isinstance(type, facula.dtype) else type.dtype)


def iinfo(type, /):
    """Limits of an integer data type, or an array's."""
    return facula.iinfo(type if isinstance(type, facula.dtype) else type.dtype)
