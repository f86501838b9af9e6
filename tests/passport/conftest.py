"""Every test has a lock of its own, so that it neither waits for a measurement of this machine nor holds one up."""

import tempfile

import pytest


@pytest.fixture(autouse=True)
def _own_lock(tmp_path_factory, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("lock")))
