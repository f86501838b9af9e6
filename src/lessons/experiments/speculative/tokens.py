"""The formula against the real model, with a coarser copy of itself as the drafter."""

from __future__ import annotations

from itertools import pairwise

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.speculative.passes import BORROWED, DRAFT, FLOATS, PUBLISHED, chat, target
from lessons.formulas.speculative import expected_tokens
from lessons.measure.conditions import one_thread
from lessons.measure.stats import share_interval
from lessons.passport import Passport
from lessons.units import Quantity

COPY_PRICE = 0.5  # of a guess by the copy, which reads half the bytes of the float32 model


class TokensPerPass(Experiment):
    """The formula against the real model, with a coarser copy of itself as the drafter."""

    id = "speculative.tokens"
    title = "tokens written in a pass"
    unit = "tokens"
    question = "How many tokens does a pass write when a copy of the model drafts seven?"
    SMALL = {"tokens": 9, "prompts": ("story",)}
    tokens, prompts = 25, ("story", "explain")

    def predict(self, passport: Passport) -> Outcome:
        return Outcome(Quantity(expected_tokens(PUBLISHED, DRAFT), self.unit), {"acceptance": PUBLISHED})

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
        tokens = [s.accepted + 1 for s in steps]
        value = sum(tokens) / len(tokens)
        data = {
            "acceptance": kept / judged,
            "reached": reached,
            "formula": expected_tokens(kept / judged, DRAFT),
        }
        return Outcome(Quantity(value, self.unit, n=len(tokens)), data)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        places = list(range(1, DRAFT + 1))
        figures.predicted(
            ax, places, [result.data["acceptance"]] * DRAFT, "one rate for all, as the formula has it"
        )
        pairs = [(position, a, b) for position, (a, b) in zip(places, pairwise(result.data["reached"])) if a]
        rates = [share_interval(b, a) for _, a, b in pairs]
        figures.measured(
            ax,
            [position for position, _, _ in pairs],
            [q.value for q in rates],
            [q.low for q in rates],
            [q.high for q in rates],
        )
        for (position, judged, _), rate in zip(pairs, rates):
            ax.annotate(
                f"of {judged}", (position, rate.low), (0, -12), textcoords="offset points", ha="center"
            )
        ax.set_xlabel("position in the draft")
        ax.set_ylabel("kept, given that all before it were")
        ax.set_ylim(-0.12, 1.05)
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1))

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        shares = ", ".join(f"{b} of {a}" for a, b in pairwise(result.data["reached"]))
        return (
            "The share of guesses that are kept against their position in the draft, beside one rate for all of "
            f"{result.data['acceptance']:.2f}. From the first position to the last: {shares}."
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        d = result.data
        text = BORROWED + (
            f"Here it is {d['acceptance']:.2f}. With that the formula gives {d['formula']:.2f} tokens a pass. "
        )
        if result.quantity.value < 0.9 * d["formula"]:
            text += "The model wrote fewer: refusals do not come independently of one another. "
        elif result.quantity.value > 1.1 * d["formula"]:
            text += "The model wrote more: easy stretches keep whole drafts, hard ones fail at once. "
        else:
            text += "The measured number is close to it. "
        gain = result.quantity.value / (DRAFT * COPY_PRICE + 1)
        return text + (
            f"The vertical bars say how little {result.quantity.n} drafts tell about one position. And the tokens "
            f"are not the speed: seven guesses at half the price of a token make it **{gain:.2f}** times that of "
            "plain decoding, even if verification were free."
        )
