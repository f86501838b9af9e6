"""Requests to serve: when they come, how long they are, and traces of them in files.

Everything is drawn from named streams of one seed: another length mix leaves the arrivals as they were.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from reprlib import repr as shown
from typing import Any, Protocol

from lessons.errors import LessonError
from lessons.files import write_atomic
from lessons.serving.request import Request


class Arrivals(Protocol):
    """Draws the seconds between one arrival and the next."""

    def draw(self, random: Random) -> float: ...


class Lengths(Protocol):
    """Draws a length in tokens."""

    def draw(self, random: Random) -> int: ...


@dataclass(frozen=True)
class AtOnce:
    """All requests are there from the start: a queue that never runs dry."""

    def draw(self, random: Random) -> float:
        return 0.0


@dataclass(frozen=True)
class Poisson:
    """Requests that know nothing of each other: exponential gaps, ``rate`` a second on average."""

    rate: float

    def draw(self, random: Random) -> float:
        return random.expovariate(self.rate)


@dataclass(frozen=True)
class Bursty:
    """Gaps with a gamma distribution: many short ones, a few long ones.

    Attributes:
        rate: requests a second on average.
        cv: standard deviation of a gap over its mean; 1 is ``Poisson``, 2 and more come in bursts.

    Source:
        zhong2024distserve and others vary burstiness in this way; the shape is 1 / cv^2.
    """

    rate: float
    cv: float

    def draw(self, random: Random) -> float:
        shape = self.cv**-2
        return random.gammavariate(shape, 1 / (shape * self.rate))


@dataclass(frozen=True)
class Fixed:
    """Always ``tokens``."""

    tokens: int

    def draw(self, random: Random) -> int:
        return self.tokens


@dataclass(frozen=True)
class Uniform:
    """Any length from ``low`` to ``high``, both included."""

    low: int
    high: int

    def draw(self, random: Random) -> int:
        return random.randint(self.low, self.high)


@dataclass(frozen=True)
class LogNormal:
    """Most are short and a few very long, as in conversations.

    Attributes:
        mean: of the distribution without its limit, in tokens.
        sigma: standard deviation of the logarithm.
        limit: a longer one is drawn again, which lowers the mean a little.

    Source:
        kwon2023pagedattention, Figure 11 shows such histograms; log-normal is our choice.
    """

    mean: float
    sigma: float = 1.0
    limit: int = 2048

    def draw(self, random: Random) -> int:
        location = math.log(self.mean) - self.sigma**2 / 2  # a log-normal's mean is exp(mu + sigma^2 / 2)
        while True:
            tokens = max(1, round(random.lognormvariate(location, self.sigma)))
            if tokens <= self.limit:
                return tokens


def workload(
    count: int,
    arrivals: Arrivals,
    prompts: Lengths,
    outputs: Lengths,
    *,
    seed: int,
    vocab: int | None = None,
    prefix: int = 0,
    groups: int = 1,
) -> Iterator[Request]:
    """Yield ``count`` requests in the order of their arrival; the same seed gives the same ones.

    Args:
        count: requests.
        arrivals: the gaps between them; the first comes after one gap.
        prompts: prompt lengths, without the prefix.
        outputs: lengths of the answers.
        seed: fix it before anything is measured.
        vocab: draw the prompts' tokens below this number; left out, a request has lengths only.
        prefix: tokens that begin every prompt of a group, like a system prompt.
        groups: how many prefixes there are; each request belongs to one at random.

    Raises:
        LessonError: when count or groups is below 1, or prefix is negative.
    """
    if count < 1 or groups < 1 or prefix < 0:
        raise LessonError(
            f"a workload of {count} requests in {groups} groups with prefixes of {prefix} tokens cannot be "
            "made; count and groups must be 1 or more, prefix 0 or more"
        )
    gaps, ins, outs, words = (Random(f"{seed} {name}") for name in ("gaps", "prompts", "outputs", "words"))
    prefixes = [_ids(words, prefix, vocab) for _ in range(groups)] if vocab else []
    now = 0.0
    for number in range(count):
        now += arrivals.draw(gaps)
        own = prompts.draw(ins)
        ids = (*prefixes[words.randrange(groups)], *_ids(words, own, vocab)) if vocab else None
        yield Request(number, now, prefix + own, outputs.draw(outs), ids)


def _ids(random: Random, count: int, vocab: int) -> list[int]:
    return random.choices(range(vocab), k=count)


def write_trace(path: Path | str, requests: Iterable[Request]) -> None:
    """Write requests as JSON lines with id, arrival, prompt_tokens, max_tokens and, where known, prompt_ids."""
    lines = []
    for r in requests:
        line: dict[str, object] = {
            "id": r.id,
            "arrival": r.arrival,
            "prompt_tokens": r.prompt_tokens,
            "max_tokens": r.max_tokens,
        }
        if r.prompt_ids is not None:
            line["prompt_ids"] = list(r.prompt_ids)
        lines.append(json.dumps(line) + "\n")
    write_atomic(path, "".join(lines))


def read_trace(path: Path | str) -> list[Request]:
    """Return the requests of a trace in the order of their arrival.

    Args:
        path: of JSON lines as ``write_trace`` makes them, in any order; empty lines and a byte order mark do no harm.

    Raises:
        LessonError: for a file without requests, one that is not UTF-8, or a line that is no request or has the id
            of another; the message gives its number.
        OSError: when the file cannot be read.
    """
    try:
        lines = Path(path).read_bytes().decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise LessonError(
            f"{path} is no text in UTF-8 (byte {error.start} is {error.object[error.start]:#04x}); save it as UTF-8"
        ) from None
    requests: dict[int, Request] = {}
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            request = _request(json.loads(text))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError, LessonError) as error:
            raise LessonError(
                f"{path}, line {number} is no request ({error}); each line needs id, arrival, "
                "prompt_tokens and max_tokens"
            ) from None
        if request.id in requests:
            raise LessonError(
                f"{path}, line {number} has the id {request.id} of an earlier line; give each its own"
            )
        requests[request.id] = request
    if not requests:
        raise LessonError(
            f"{path} holds no requests; each line needs id, arrival, prompt_tokens and max_tokens"
        )
    return sorted(requests.values(), key=lambda request: request.arrival)


def _request(line: Any) -> Request:
    """Return the request of a decoded line.

    Raises:
        KeyError, TypeError, ValueError, OverflowError: when something is missing, of another type, or not finite.
        LessonError: when its lengths cannot be.
    """
    arrival = line["arrival"]
    if isinstance(arrival, bool) or not isinstance(arrival, (int, float)) or not math.isfinite(arrival):
        raise TypeError(f"arrival is {shown(arrival)} and not a number of seconds")
    ids = line.get("prompt_ids")
    return Request(
        _whole(line["id"]),
        float(arrival),
        _whole(line["prompt_tokens"]),
        _whole(line["max_tokens"]),
        None if ids is None else tuple(map(_whole, ids)),
    )


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{shown(value)} is no whole number")
    return value
