"""What a server says in its refusals, as one line that can be printed."""

from __future__ import annotations

import json
from typing import Any

import httpx

LONGEST = 200  # characters that are shown
DEEPEST = 4  # levels below which no reason is looked for
# OpenAI's form, and then those of others: vLLM's older one, FastAPI's, and an item of FastAPI's lists.
KEYS = ("error", "message", "detail", "msg")


def reason(answer: Any, depth: int = DEEPEST) -> str:
    """Return the reason that a decoded answer gives, wherever it stands, or "" if it gives none."""
    if isinstance(answer, dict) and depth:
        return next(filter(None, (reason(answer[key], depth - 1) for key in KEYS if key in answer)), "")
    if isinstance(answer, list) and depth:
        return "; ".join(filter(None, (reason(item, depth - 1) for item in answer[:3])))
    return answer.strip() if isinstance(answer, str) else ""


def words(body: bytes) -> str:
    """Return the server's own words in a body: the reason in it, or all of it; "" for a page for a browser."""
    text = body.decode("utf-8", "replace").strip()
    try:
        return reason(json.loads(text)) or text
    except (ValueError, RecursionError):
        return "" if text.startswith("<") else text


def refusal(status: int, body: bytes) -> str:
    """Return an answer's status and the server's own words, or the name of the status where it has none."""
    return f"HTTP {status}: {words(body) or httpx.codes.get_reason_phrase(status) or 'no reason given'}"


def shown(text: str, secret: str | None = None) -> str:
    """Return a server's words fit to print: one line, not too long, without control characters or the secret."""
    if secret:
        text = text.replace(secret, "(the key)")
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}..."
