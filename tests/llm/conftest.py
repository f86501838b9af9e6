"""The real model, loaded once for all tests of this folder."""

import pytest

from lessons.llm.load import LLM, find_model, load


@pytest.fixture(scope="session")
def model_path():
    return find_model()


@pytest.fixture(scope="session")
def llm() -> LLM:
    return load()
