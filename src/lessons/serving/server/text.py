"""From tokens to text that can be sent: whole characters only, and nothing that a stop text may still take back."""

from __future__ import annotations

from collections.abc import Sequence

from lessons.llm.tokenizer import BPETokenizer

INCOMPLETE = "\ufffd"  # what a character decodes to whose bytes are not all there


class TextStream:
    """Turns a request's tokens into pieces of text, one piece a token.

    A token is a few bytes, and a character may be four: the piece is empty until the character is whole. The end of
    the text is also kept back while it may be the beginning of a stop text.

    Args:
        tokenizer: the model's.
        stop: texts that end the answer and are left out of it.

    Attributes:
        stopped: a stop text was found; nothing more will come.
    """

    def __init__(self, tokenizer: BPETokenizer, stop: Sequence[str] = ()) -> None:
        self._tokenizer, self._stop = tokenizer, tuple(stop)
        self._ids: list[int] = []  # from the last token that ended with a whole character
        self._taken = 0  # characters of their text that were taken
        self._kept = ""  # text that may be the beginning of a stop text
        self.stopped = False

    def add(self, token: int) -> str:
        """Return the text that can be sent after one more token; it may be empty."""
        self._ids.append(token)
        text = self._tokenizer.decode(self._ids)
        whole = text.removesuffix(INCOMPLETE)
        new = whole[self._taken :]
        if len(whole) == len(text):
            self._ids, self._taken = [], 0
        else:
            self._taken = len(whole)
        return self._release(new)

    def finish(self) -> str:
        """Return what was kept back, now that nothing more comes."""
        rest = self._tokenizer.decode(self._ids)[self._taken :]
        self._ids, self._taken = [], 0
        return self._release(rest) + self._kept  # after a stop text nothing is kept

    def _release(self, new: str) -> str:
        text = self._kept + new
        found = [at for stop in self._stop if (at := text.find(stop)) >= 0]
        if found:
            self.stopped, self._kept = True, ""
            return text[: min(found)]
        keep = max((_overlap(text, stop) for stop in self._stop), default=0)
        self._kept = text[len(text) - keep :]
        return text[: len(text) - keep]


def _overlap(text: str, stop: str) -> int:
    """Return how many characters at the end of ``text`` are a beginning of ``stop``."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)
