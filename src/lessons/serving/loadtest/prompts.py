"""Prompts of a wanted length for a server whose tokenizer is unknown: cut from real English, by measured characters.

Every prompt begins with a number of its own and goes on somewhere else in the text, so that no server can answer from
the cache of an earlier one; the text alone would not do, since it repeats itself.
"""

from __future__ import annotations

import pydoc_data.topics
import re
from functools import cache
from random import Random

from lessons.serving.request import Request

Prompt = str | list[int]


@cache
def real_text() -> str:
    """Return the 700 kB of prose that come with every Python, its white space made plain."""
    topics: dict[str, str] = pydoc_data.topics.topics
    return re.sub(r"\s+", " ", " ".join(topics[name] for name in sorted(topics)))


class Prompts:
    """Makes the prompt of a request.

    Args:
        characters_per_token: of this text on this server, see ``calibrated``.
        seed: of the places where prompts begin.
    """

    def __init__(self, characters_per_token: float, seed: int) -> None:
        self.characters_per_token, self.seed = characters_per_token, seed

    def __call__(self, request: Request) -> Prompt:
        """Return the request's own tokens where a trace has them, else text of about as many tokens."""
        if request.prompt_ids is not None:
            return list(request.prompt_ids)
        text = real_text()
        length = max(1, round(request.prompt_tokens * self.characters_per_token))
        start = Random(f"{self.seed} {request.id}").randrange(len(text))
        copies = 2 + length // len(text)  # the text is a circle
        return (f"{self.seed}.{request.id} " + (text * copies)[start : start + length])[:length]
