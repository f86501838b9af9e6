"""A request cannot contradict itself."""

import pytest

from lessons.errors import LessonError
from lessons.serving.request import Request


def test_its_length_is_the_prompt_and_what_was_written():
    request = Request(1, 2.5, 3, 4, (7, 8, 9))
    assert (request.length, request.generated, request.limit, request.ready) == (3, 0, 7, 2.5)
    request.output_ids.append(5)
    request.length += 1
    assert request.generated == 1 and request.token_ids == [7, 8, 9, 5]


@pytest.mark.parametrize("prompt, output, ids", [(0, 1, None), (1, 0, None), (2, 1, (5,))])
def test_impossible_requests_are_refused(prompt, output, ids):
    with pytest.raises(LessonError, match="request 1 "):
        Request(1, 0.0, prompt, output, ids)
