"""Searches of the tests remember nothing of each other."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _storage(tmp_path, monkeypatch):
    """Each test starts with an empty example database."""
    monkeypatch.setenv("HYPOTHESIS_STORAGE_DIRECTORY", str(tmp_path / "hypothesis"))
