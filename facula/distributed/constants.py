"""Settings that several modules share."""

from .groups import default_pg_timeout  # noqa: F401

default_pg_nccl_timeout = default_pg_timeout
