"""Export to ONNX. The `onnx` package is imported when it is used."""

from __future__ import annotations

from enum import IntEnum

from ._builder import OnnxExporterError, UnsupportedOperatorError
from ._export import ONNXProgram, export

__all__ = ["export", "ONNXProgram", "OnnxExporterError", "UnsupportedOperatorError", "TrainingMode", "OperatorExportTypes", "is_in_onnx_export",
           "is_onnxrt_backend_supported", "select_model_mode_for_export"]


class TrainingMode(IntEnum):
    """Which mode the module is exported in."""

    EVAL = 0
    PRESERVE = 1
    TRAINING = 2


class OperatorExportTypes(IntEnum):
    """Accepted by `export`; ONNX's own operators are what there is."""

    ONNX = 0
    ONNX_ATEN = 1
    ONNX_ATEN_FALLBACK = 2
    ONNX_FALLTHROUGH = 3


def is_in_onnx_export():
    """Whether an export is running."""
    from . import _export

    return _export.running


def is_onnxrt_backend_supported():
    """False: ONNX Runtime is no backend for eager programs here."""
    return False


class select_model_mode_for_export:  # noqa: N801
    """Inside, the module is in the mode that is exported."""

    def __init__(self, model, mode=TrainingMode.EVAL):
        self.model, self.mode = model, mode

    def __enter__(self):
        self.before = getattr(self.model, "training", None)
        if self.before is not None and self.mode != TrainingMode.PRESERVE:
            self.model.train(self.mode == TrainingMode.TRAINING)

    def __exit__(self, *exc):
        if self.before is not None:
            self.model.train(self.before)
