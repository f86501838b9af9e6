"""The formula against the real model, with a coarser copy of itself as the drafter."""

from __future__ import annotations

from itertools import pairwise

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Derivation
from lessons.experiments.speculative.passes import ACCEPTANCE, DRAFT, FLOATS, PUBLISHED, chat, target
from lessons.formulas.speculative import expected_tokens
from lessons.measure.conditions import one_thread
from lessons.measure.stats import share_interval
from lessons.measure.verdict import differs
from lessons.passport import Passport, needs
from lessons.units import Quantity

COPY_PRICE = 0.5  # of a guess by the copy, which reads half the bytes of the float32 model


class TokensPerPass(Experiment):
    """The formula against the real model, with a coarser copy of itself as the drafter."""

    id = "speculative.tokens"
    unit = "tokens"
    needs = (needs.MODEL,)
    SMALL = {"tokens": 9, "prompts": ("story",)}
    FINDINGS = ("fewer", "more", "cant-tell")
    tokens, prompts = 25, ("story", "explain")

    def predict(self, passport: Passport) -> Outcome:
        by = Derivation(f"(1 - a**{DRAFT + 1}) / (1 - a)", {"a": ACCEPTANCE})
        return Outcome(by.quantity(self.unit), {"acceptance": PUBLISHED}, by=by)

    @one_thread()
    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons.llm import prompts
        from lessons.llm.drafters import ModelDrafter
        from lessons.llm.load import load
        from lessons.llm.speculative import generate

        progress("rounding a copy to four bits")
        copy = load("bfloat16", through="Q4_0")
        steps = []
        for prompt in [p for p in prompts.load() if p.name in self.prompts]:
            progress(prompt.name)
            answer = generate(
                target(FLOATS), chat(prompt.request), ModelDrafter(copy, capacity=512), self.tokens
            )
            steps += [s for s in answer.steps if s.drafted == DRAFT]
        reached = [sum(s.accepted >= i for s in steps) for i in range(DRAFT + 1)]
        kept, judged = sum(reached[1:]), sum(reached[:-1])
        data = {
            "acceptance": share_interval(kept, judged),
            "reached": reached,
            "formula": expected_tokens(kept / judged, DRAFT),
        }
        return Outcome(_tokens(reached), data)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures
        from lessons.experiments import looks

        (ax,) = figure.axes
        places = list(range(1, DRAFT + 1))
        figures.predicted(ax, places, [result.data["acceptance"].value] * DRAFT, "one rate for all (formula)")
        pairs = [(position, a, b) for position, (a, b) in zip(places, pairwise(result.data["reached"])) if a]
        rates = [share_interval(b, a) for _, a, b in pairs]
        looks.measured(ax, [position for position, _, _ in pairs], rates)
        for (position, judged, _), rate in zip(pairs, rates):
            ax.annotate(
                f"of {judged}", (position, rate.low), (0, -12), textcoords="offset points", ha="center"
            )
        ax.set_xlabel("position in the draft")
        ax.set_ylabel("kept, if all before were")
        ax.set(xlim=(0.5, DRAFT + 0.5), ylim=(-0.12, 1.05))
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        gain = result.quantity.value / (DRAFT * COPY_PRICE + 1)
        return {
            "borrowed": PUBLISHED,
            "acceptance": result.data["acceptance"],
            "rate": f"{result.data['acceptance'].value:.2f}",
            "formula": f"{result.data['formula']:.2f}",
            "tokens": f"{result.quantity.value:.2f}",
            "drafts": result.quantity.n,
            "gain": f"{gain:.2f}",
            "shares": ", ".join(f"{b} of {a}" for a, b in pairwise(result.data["reached"])),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        return [{1: "more", -1: "fewer", 0: "cant-tell"}[differs(result.quantity, result.data["formula"])]]


def _tokens(reached: list[int]) -> Quantity:
    """Return the mean tokens of a pass: its own one, and the share of the passes that kept each further guess.

    Args:
        reached: how many passes kept at least 0, 1, 2, ... guesses.
    """
    shares = [share_interval(kept, reached[0]) for kept in reached[1:]]
    value, low, high = (
        1 + sum(ends) for ends in zip(*((share.value, share.low, share.high) for share in shares))
    )
    return Quantity(value, "tokens", low, high, reached[0])
