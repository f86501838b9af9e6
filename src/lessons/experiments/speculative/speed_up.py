"""Wall-clock speed-up of prompt lookup for every published prompt."""

from __future__ import annotations

from typing import Any

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.speculative.passes import (
    DRAFT,
    PACKED,
    PUBLISHED,
    chat,
    measured_passes,
    predicted_curve,
    target,
)
from lessons.formulas.speculative import best_draft_length, speedup
from lessons.measure.conditions import one_thread
from lessons.measure.stats import median
from lessons.passport import Passport
from lessons.units import Quantity


class SpeedUp(Experiment):
    """Wall-clock speed-up of prompt lookup for every published prompt."""

    id = "speculative.speed_up"
    title = "speed-up on input-grounded prompts"
    unit = "1"
    question = "How much faster is prompt lookup where the answer stands in the prompt?"
    SMALL = {"tokens": 6}
    tokens = 48

    def predict(self, passport: Passport) -> Outcome:
        curve = predicted_curve(passport, PACKED)
        length = best_draft_length(PUBLISHED, 0.0, lambda k: curve[k - 1], DRAFT)
        gain = speedup(PUBLISHED, length, 0.0, lambda k: curve[k - 1])
        return Outcome(Quantity(gain, self.unit), {"acceptance": PUBLISHED})

    @one_thread()
    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons.llm import prompts
        from lessons.llm.drafters import Allowance, PromptLookup
        from lessons.llm.speculative import DRAFT_LENGTH, generate

        llm = target(PACKED)
        progress("what a guess costs here")
        passes = measured_passes(llm, list(range(1, DRAFT_LENGTH + 2)), rounds=8)

        def curve(k: int) -> float:
            return median(passes[k]) / median(passes[1])

        length = best_draft_length(PUBLISHED, 0.0, curve, DRAFT_LENGTH)
        rows: list[list[Any]] = []
        for prompt in prompts.load():
            progress(prompt.name)
            text = chat(prompt.request)
            plain = generate(llm, text, PromptLookup(), self.tokens, draft_length=0)
            ours = generate(llm, text, Allowance(PromptLookup(), curve), self.tokens, draft_length=length)
            rows.append(
                [prompt.name, prompt.kind, plain.decode_seconds, ours.decode_seconds, ours.tokens_per_step]
            )
        grounded = [row for row in rows if row[1] == "grounded"]
        ratios = [row[2] / row[3] for row in grounded]
        value = sum(row[2] for row in grounded) / sum(row[3] for row in grounded)
        data = {"rows": rows, "length": length}
        return Outcome(Quantity(value, self.unit, min(ratios), max(ratios), len(ratios)), data)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        for kind, colour in (("grounded", "blue"), ("open", "orange")):
            rows = [r for r in result.data["rows"] if r[1] == kind]
            ax.bar(
                [r[0] for r in rows], [r[2] / r[3] for r in rows], color=figures.COLOURS[colour], label=kind
            )
        ax.axhline(1, linestyle="--", color=figures.COLOURS["vermilion"], label="plain decoding")
        ax.tick_params(axis="x", rotation=35)
        ax.set_ylabel("speed-up")
        ax.legend()

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        parts = ", ".join(f"{r[0]} {r[2] / r[3]:.2f}" for r in result.data["rows"])
        return f"Speed-up over plain decoding by prompt: {parts}."

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        rows = result.data["rows"]
        tokens = {kind: [r[4] for r in rows if r[1] == kind] for kind in ("grounded", "open")}
        text = (
            f"The prediction takes the same borrowed acceptance, {PUBLISHED}, for any text. With it and with the curve "
            f"measured here, the formula asks for drafts of {result.data['length']}. "
        ) + "".join(
            f"On the {kind} prompts a pass wrote {min(found):.1f} to {max(found):.1f} tokens. "
            for kind, found in tokens.items()
            if found
        )
        slow = [r[0] for r in rows if r[2] / r[3] < 0.97]
        if slow:
            return text + (
                f"It lost on {', '.join(slow)}: too few guesses stood there, or a neighbour took the core meanwhile."
            )
        return text + "No prompt lost. The allowance stopped guessing where little could be copied."
