"""How much of each prompt is still in the cache when a conversation goes on: multi-turn traffic, and LRU eviction."""

from __future__ import annotations

import random
from itertools import count
from typing import NamedTuple

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Derivation, Operand
from lessons.formulas import kv_cache
from lessons.measure.verdict import AS_FORESEEN, LESS, MORE
from lessons.passport import Passport
from lessons.units import Quantity, percent

BLOCK = 16
SEED = 20230912  # as in the mix of requests


class Traffic(NamedTuple):
    """Conversations that go on side by side; whose turn it is next is drawn at random.

    Attributes:
        conversations: at any time; one that has ended makes room for a new one.
        turns: questions in each.
        shared: tokens of the instruction with which all of them begin.
        user, answer: tokens of a question and of an answer.
    """

    conversations: int = 24
    turns: int = 8
    shared: int = 128
    user: int = 32
    answer: int = 96

    @property
    def one(self) -> float:
        """Tokens that a conversation holds beside the instruction, on average over its turns."""
        return (self.user + self.answer) * (self.turns + 1) / 2

    @property
    def held(self) -> float:
        """Tokens that the cache holds for all of them beside the instruction, if none is evicted, on average."""
        return self.conversations * self.one

    @property
    def longest(self) -> int:
        """Tokens of a conversation at its end."""
        return self.shared + self.turns * (self.user + self.answer)


class HitRate(Experiment):
    """Send many conversations through one pool of blocks, and count the prompt tokens that it still holds."""

    id = "kv_cache.hit_rate"
    unit = "%"
    simulated = True
    SMALL = {"requests": 60}
    # Nothing is measured, so that the verdict is sure.
    FINDINGS = (AS_FORESEEN, MORE, LESS, "eviction-costs", "eviction-free", "ended-stay")
    traffic = Traffic()
    requests = 500
    shares = (0.25, 0.5, 0.75, 1.0, 1.5)  # of the memory over what all conversations hold
    compared = 0.5

    def predict(self, passport: Passport) -> Outcome:
        t = self.traffic
        sent = kv_cache.conversation(t.turns, t.shared, t.user, t.answer)
        by = Derivation(
            "(i + min(1, M / W) * e) / s",
            {
                "i": Operand("instruction, always found", Quantity(sent.shared, "tokens"), "counted"),
                "M": Operand(
                    "memory beside the instruction", Quantity(self.compared * t.held, "tokens"), "chosen"
                ),
                "W": Operand(
                    f"held by {t.conversations} conversations of {t.one:g} on average",
                    Quantity(t.held, "tokens"),
                    "counted",
                ),
                "e": Operand("earlier turns, sent again", Quantity(sent.earlier, "tokens"), "counted"),
                "s": Operand("all prompts of a conversation", Quantity(sent.sent, "tokens"), "counted"),
            },
        )
        line = [(sent.shared + min(1, share) * sent.earlier) / sent.sent for share in self.shares]
        return Outcome(by.quantity(self.unit), {"line": line, "never": 1 - sent.new / sent.sent}, by=by)

    def run(self, progress: Progress = SILENT) -> Outcome:
        rates = []
        for share in self.shares:
            progress(f"memory for {percent(share)} of the conversations")
            rates.append(simulate(self.traffic, share, self.requests))
        return Outcome(Quantity(rates[self.shares.index(self.compared)], "%"), {"rates": rates})

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        figures.predicted(ax, self.shares, prediction.data["line"], "predicted")
        figures.simulated(ax, self.shares, result.data["rates"])
        figures.rate_axis(ax.yaxis, "%")
        ax.set_ylim(0, 1)
        ax.set_xlim(0, None)
        ax.set_xlabel("memory over what all conversations hold")
        ax.set_ylabel("prompt tokens found")
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        rates, t = result.data["rates"], self.traffic
        rate, full = result.quantity.value, rates[-1]
        return {
            **t._asdict(),
            "one": f"{t.one:g}",
            "turn": t.user + t.answer,
            "last_turn": f"{t.turns * (t.user + t.answer):,}",
            "requests": self.requests,
            "half": percent(self.compared),
            "least": percent(rates[0]),
            "most": percent(full),
            "most_memory": f"{self.shares[-1]:g}",
            "never": percent(prediction.data["never"]),
            "room": percent(rates[self.shares.index(1)]),
            "left": percent(1 - rate),
            "left_most": percent(1 - full),
            "times": f"{(1 - rate) / (1 - full):.1f}",
            "rates": ", ".join(f"{s:g}: {percent(rate)}" for s, rate in zip(self.shares, rates)),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        costs = result.quantity.value < result.data["rates"][-1]
        full = self.shares.index(1)
        short = result.data["rates"][full] < prediction.data["line"][full]
        return [
            self.verdict(prediction, result),
            "eviction-costs" if costs else "eviction-free",
            *["ended-stay"] * short,
        ]


def simulate(traffic: Traffic, share: float, requests: int) -> float:
    """Return the share of prompt tokens that the pool still held, once the first quarter of the requests had warmed it.

    Blocks are found by the chain of hashes and evicted where they were used least recently. The requests come one after
    another: what is found does not depend on how many run at once, as long as all of them fit.

    Args:
        traffic: the conversations.
        share: the pool's memory over what all conversations hold.
        requests: turns in all.
    """
    from lessons.llm.block_pool import BlockPool
    from lessons.llm.config import ModelConfig
    from lessons.llm.paged import PagedCache

    blocks = round((traffic.shared + share * traffic.held) / BLOCK)
    # The smallest cache there is: only its book-keeping counts.
    shape = ModelConfig(1, 1, 1, 1, 1, 1, 1, traffic.longest, 1e4, 1e-5)
    pool, draw, fresh = BlockPool(shape, blocks), random.Random(SEED), count(traffic.shared)

    def new(n: int) -> list[int]:
        return [next(fresh) for _ in range(n)]

    instruction = list(range(traffic.shared))
    # Conversations are met at any of their turns, as in a service that has run for long.
    turn = traffic.user + traffic.answer
    talks = [instruction + new(turn * (i % traffic.turns)) for i in range(traffic.conversations)]
    found = sent = 0
    for i in range(requests):
        who = draw.randrange(traffic.conversations)
        if len(talks[who]) >= traffic.longest:
            talks[who] = list(instruction)
        prompt = talks[who] + new(traffic.user)
        cache = PagedCache(pool)
        known = cache.match_prefix(prompt)
        talks[who] = prompt + new(traffic.answer)
        cache.extend(len(talks[who]) - known)
        cache.commit(talks[who])
        cache.free()
        if 4 * i >= requests:
            found, sent = found + known, sent + len(prompt)
    return found / sent
