"""MTIA devices: this build has none, and says so in PyTorch's words."""

from . import _absent

globals().update(_absent.names("mtia", __name__))
