"""Types for annotations of scripted functions, under PyTorch's old names."""

from typing import Any, Dict, List, Optional, Tuple, Union  # noqa: F401, UP035
