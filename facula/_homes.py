"""What PyTorch's pickles name in its C++ library, found here."""

from __future__ import annotations

import facula

_PREFIXED = {"_linalg": "linalg", "_fft": "fft", "_special": "special"}  # torch._C._fft.fft_ifft is fft.ifft


def find(module: str, name: str):
    """The object behind `facula._C...` of a pickle; None for other modules.

    Raises:
        AttributeError: There is none.
    """
    top, _, inner = module.partition("facula._C")
    if top or not (module == "facula._C" or inner.startswith(".")):
        return None
    inner = inner[1:]
    if not inner:
        if name in ("_VariableFunctionsClass", "_VariableFunctions"):
            return facula  # whose attributes are asked for
        return facula.Tensor if name in ("TensorBase", "_TensorBase") else getattr(facula, name)
    if inner in _PREFIXED:
        return getattr(getattr(facula, _PREFIXED[inner]), name.removeprefix(_PREFIXED[inner] + "_"))
    if inner == "_nn":
        return getattr(facula.nn.functional, name)
    raise AttributeError(f"Can't get attribute {name!r} of {module!r}")
