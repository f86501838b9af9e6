"""One time a token, whatever the pieces of a stream hold."""

import pytest

from lessons.serving.loadtest.client import aligned


@pytest.mark.parametrize(
    "written, tokens, expected",
    [
        ([True] * 3, 3, [1, 2, 3]),
        ([True] * 3, None, [1, 2, 3]),
        ([True, True, False], 3, [1, 2, 3]),  # an end token has no text and is one all the same
        ([True, True, False], 2, [1, 2]),  # the reason for the end came by itself
        ([False, True, True], 3, [1, 2, 3]),  # half a character first
        ([True, True], 4, [1, 2, 2, 2]),  # pieces of several tokens
        ([], 0, []),
        ([False], 0, []),
    ],
)
def test_pieces_become_tokens(written, tokens, expected):
    assert aligned([1.0, 2.0, 3.0][: len(written)], written, tokens) == expected
