"""The figures of a load test, as a table and as JSON."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lessons.serving.loadtest.kv_blocks import KVBlocks
from lessons.serving.loadtest.scrape import COUNTERS, MEANS
from lessons.serving.metrics import SLO, Metrics
from lessons.serving.request import Request

PERCENTILES = (50, 90, 99)
NUMBER = re.compile(
    r"(?<!HTTP )(?<!\d)\d+"
)  # the status says what kind of failure it is, so it is no number here


@dataclass
class Report:
    """What a load test has measured so far.

    Attributes:
        slo: what a request may take.
        metrics: of the finished requests.
        prompt_tokens: of the finished requests.
        failures: how many ended without an answer, by reason. Reasons that differ only by numbers are counted
            together, under the first of them.
        unfinished: requests that were under way or not yet sent when the test was interrupted.
        server: what the server says of the same time, see ``scrape.difference``.
        kv_blocks: predicted and reported, where the server tells its blocks.
    """

    slo: SLO
    metrics: Metrics = field(default_factory=Metrics)
    prompt_tokens: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    unfinished: int = 0
    server: dict[str, float] = field(default_factory=dict)
    kv_blocks: KVBlocks = field(default_factory=KVBlocks)
    _alike: dict[str, dict[str, None]] = field(default_factory=dict)

    def add(self, request: Request) -> None:
        """Count one finished request."""
        self.prompt_tokens += request.prompt_tokens
        self.metrics.add(request)
        self.kv_blocks.add(request)

    def fail(self, reason: str) -> None:
        """Count one request that ended without an answer."""
        alike = self._alike.setdefault(NUMBER.sub("#", reason), {})
        alike[reason] = None
        self.failures[next(iter(alike))] += 1

    def to_json(self) -> dict[str, Any]:
        """Return everything in base units: seconds, tokens, tokens/s, requests/s.

        A failed request has missed the objective.
        """
        m = self.metrics
        ended = len(m) + self.failures.total()
        done: dict[str, Any] = {
            "requests": len(m),
            "failed": dict(self.failures),
            "unfinished": self.unfinished,
            "attainment": 0.0 if ended else None,
        }
        if len(m):
            seconds = m.end - m.begin
            done |= {
                "seconds": seconds,
                "prompt_tokens": self.prompt_tokens,
                "output_tokens": m.tokens,
                "requests_per_second": len(m) / seconds,
                "output_tokens_per_second": m.throughput(),
                "ttft": _percentiles(m.ttft),
                # Without a request of two tokens there is no gap to measure.
                "tpot": _percentiles(m.tpot) if m.tokens > len(m) else None,
                "itl": _percentiles(m.itl) if m.tokens > len(m) else None,
                "slo": {"ttft": self.slo.ttft, "tpot": self.slo.tpot},
                "attainment": m.attainment(self.slo) * len(m) / ended,
                "goodput": m.goodput(self.slo),
            }
        return {**done, "server": self.server, "kv_blocks": self.kv_blocks.to_json()}

    def __str__(self) -> str:
        data = self.to_json()
        lines = [("requests", f"{data['requests']} finished, {self.failures.total()} failed")]
        varied = {next(iter(alike)) for alike in self._alike.values() if len(alike) > 1}
        for reason, count in self.failures.most_common():
            lines.append(
                ("  failed", f"{count} x {reason}{' (and other numbers)' if reason in varied else ''}")
            )
        if self.unfinished:
            lines.append(("  interrupted", f"{self.unfinished} unfinished"))
        if data["requests"]:
            lines += [
                ("time", f"{data['seconds']:.2f} s"),
                ("tokens", f"{data['prompt_tokens']} read, {data['output_tokens']} written"),
                ("throughput", f"{data['output_tokens_per_second']:.1f} tokens/s"),
                ("", f"{data['requests_per_second']:.2f} requests/s"),
            ]
            for name in ("ttft", "tpot", "itl"):
                lines.append((name.upper(), _row(data[name])))
            lines.append(
                (
                    "goodput",
                    f"{data['goodput']:.2f} requests/s; {data['attainment']:.0%} met TTFT <= {self.slo.ttft:g} s and "
                    f"TPOT <= {self.slo.tpot:g} s",
                )
            )
        for label, value in self.server.items():
            lines.append((f"server: {label}", _server(label, value)))
        if blocks := data["kv_blocks"]:
            for name in ("mean", "max"):
                predicted, reported = (blocks[f"{who}_{name}"] for who in ("predicted", "reported"))
                lines.append((f"KV blocks, {name}", f"{predicted:.1f} predicted, {reported:.1f} reported"))
        width = max(len(name) for name, _ in lines)
        return "\n".join(f"{name:{width}}  {value}".rstrip() for name, value in lines)


def _percentiles(of: Callable[[float], float]) -> dict[str, float]:
    return {f"p{p}": of(p) for p in PERCENTILES}


def _row(values: dict[str, float] | None) -> str:
    if values is None:
        return "none: no request wrote two tokens"
    return ", ".join(f"{name} {1e3 * seconds:.1f} ms" for name, seconds in values.items())


def _server(label: str, value: float) -> str:
    if label in COUNTERS:
        return f"{value:.0f}"
    return f"{1e3 * value:.1f} ms on average" if label in MEANS else f"{value:.0%}"
