"""One time a token, whatever the pieces of a stream hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.serving.loadtest.client import aligned


@pytest.mark.parametrize(
    "written, tokens, expected",
    [
        ([True] * 3, 3, [1, 2, 3]),
        ([True] * 3, None, [1, 2, 3]),
        ([True, True, False], 3, [1, 2, 3]),  # an end token has no text and is one all the same
        ([True, True, False], 2, [1, 2]),  # the reason for the end came by itself
        ([False, True, True], 2, [2, 3]),  # the server said that it has begun
        ([False, True, True], 3, [2, 3, 3]),  # half a character first: nobody can read it yet
        ([False, True, False], 1, [2]),
        ([True, False, True], 2, [1, 3]),
        ([True, True], 4, [1, 2, 2, 2]),  # pieces of several tokens
        ([True] * 3, 2, [1, 3]),  # pieces of less than a token: the last still ends the answer
        ([True] * 3, 1, [1]),
        ([False] * 3, 3, [1, 2, 3]),  # only control tokens
        ([False] * 3, 2, [1, 2]),
        ([True], 0, []),
        ([], 0, []),
        ([], 3, []),
        ([False], 0, []),
        ([False], None, []),
    ],
)
def test_pieces_become_tokens(written, tokens, expected):
    assert aligned([1.0, 2.0, 3.0][: len(written)], written, tokens) == expected


def test_the_first_token_is_the_first_text():
    assert aligned([0, 1, 1.1, 1.2], [False, True, True, True], 3) == [1, 1.1, 1.2]


@given(st.lists(st.tuples(st.floats(0, 9), st.booleans()), min_size=1, max_size=30), st.integers(2, 40))
def test_first_and_last_text_stay_where_they_are(pieces, tokens):
    times = sorted(time for time, _ in pieces)
    written = [text for _, text in pieces]
    found = aligned(times, written, tokens)
    assert len(found) == tokens and found == sorted(found) and set(found) <= set(times)
    seen = [time for time, text in zip(times, written) if text] or times
    assert found[0] == seen[0]
    if tokens <= sum(written):  # every piece with text is at least a part of a token
        assert found[-1] == seen[-1]
