"""Where the real model is, and tiny ones that are written for a test."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lessons.llm.gguf import GGUF
from lessons.llm.load import find_model

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def model_path():
    return find_model()


@pytest.fixture(scope="session")
def open_bytes(tmp_path_factory) -> Callable[[bytes], GGUF]:
    folder, opened = tmp_path_factory.mktemp("gguf"), 0

    def open_(raw: bytes) -> GGUF:
        nonlocal opened
        opened += 1  # a name of its own: a file that is mapped cannot be written again on every system
        path = folder / f"{opened}.gguf"
        path.write_bytes(raw)
        return GGUF.open(path)

    return open_
