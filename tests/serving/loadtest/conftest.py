"""The server that says whatever a test wants."""

import threading

import pytest

from .fakes import Fake


@pytest.fixture(scope="session")
def _fake():
    with Fake() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def fake(_fake):
    _fake.reset()
    return _fake
