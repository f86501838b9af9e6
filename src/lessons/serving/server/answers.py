"""The shapes of answers: OpenAI's objects for completions and chats, whole and as a stream."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

DONE = b"data: [DONE]\n\n"


def event(data: dict[str, Any]) -> bytes:
    """Return one server-sent event.

    It is ASCII: many clients take U+2028, U+2029 or U+0085, which JSON need not escape, for the end of a line.
    """
    return b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n"


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    """Return the counts of a request."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


class CompletionShape:
    """An answer to ``POST /v1/completions``.

    Args:
        model: the name of the model.
    """

    prefix, whole_kind, chunk_kind = "cmpl", "text_completion", "text_completion"

    def __init__(self, model: str) -> None:
        self._common = {
            "id": f"{self.prefix}-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": model,
        }

    def whole(self, text: str, finish_reason: str, counts: dict[str, int]) -> dict[str, Any]:
        """Return the answer in one piece."""
        choice = {"index": 0, **self._text(text), "logprobs": None, "finish_reason": finish_reason}
        return {**self._common, "object": self.whole_kind, "choices": [choice], "usage": counts}

    def first(self) -> list[dict[str, Any]]:
        """Return what begins a stream."""
        return []

    def chunk(self, text: str, finish_reason: str | None) -> dict[str, Any]:
        """Return one piece of a stream."""
        return self._chunk(self._delta(text), finish_reason)

    def last(self, counts: dict[str, int]) -> dict[str, Any]:
        """Return the piece with the counts, which has no choices."""
        return {**self._common, "object": self.chunk_kind, "choices": [], "usage": counts}

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
        choice = {"index": 0, **delta, "logprobs": None, "finish_reason": finish_reason}
        return {**self._common, "object": self.chunk_kind, "choices": [choice]}

    def _text(self, text: str) -> dict[str, Any]:
        return {"text": text}

    def _delta(self, text: str) -> dict[str, Any]:
        return {"text": text}


class ChatShape(CompletionShape):
    """An answer to ``POST /v1/chat/completions``."""

    prefix, whole_kind, chunk_kind = "chatcmpl", "chat.completion", "chat.completion.chunk"

    def first(self) -> list[dict[str, Any]]:
        return [self._chunk({"delta": {"role": "assistant", "content": ""}}, None)]

    def _text(self, text: str) -> dict[str, Any]:
        return {"message": {"role": "assistant", "content": text}}

    def _delta(self, text: str) -> dict[str, Any]:
        return {"delta": {"content": text}}
