"""The old name of `facula.hub`'s downloads."""

from facula.hub import load_state_dict_from_url as load_url  # noqa: F401
