"""The real model, loaded once, and prompts of real text."""

import pytest

from lessons.llm.load import load


@pytest.fixture(scope="session")
def llm():
    return load()


@pytest.fixture(scope="session")
def prompts(llm):
    texts = (
        "The capital of France is",
        "A list is a mutable sequence type, and a tuple",
        "Water boils when",
        "The function returns the sum of all numbers in the list. For example, sum([1, 2, 3]) is",
        "One, two, three, four,",
    )
    return [tuple(llm.tokenizer.encode(text)) for text in texts]
