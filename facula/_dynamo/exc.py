"""What PyTorch's compiler raises: programs name it in `except`."""

from ..compiler._backend import InvalidBackend  # noqa: F401


class TorchDynamoException(RuntimeError):
    """The base of the others."""


class Unsupported(TorchDynamoException):
    """Something that cannot be compiled."""


class InternalTorchDynamoError(TorchDynamoException):
    """A fault of the compiler."""


class BackendCompilerFailed(TorchDynamoException):
    """A fault of its backend."""


class UserError(Unsupported):
    """A program that cannot be compiled."""


class TensorifyScalarRestartAnalysis(TorchDynamoException):
    """Another attempt is needed."""
