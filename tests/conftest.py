"""Shared by all tests: a fixed seed before each, so that order and workers do not matter."""

import pytest

import facula


@pytest.fixture(autouse=True)
def seed():
    facula.manual_seed(0)
