"""Wall-clock speed-up of prompt lookup for every published prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Derivation, Operand
from lessons.experiments.speculative.passes import (
    ACCEPTANCE,
    DRAFT,
    PACKED,
    PUBLISHED,
    chat,
    measured_passes,
    operands,
    predicted_curve,
    target,
)
from lessons.formulas.speculative import best_draft_length
from lessons.measure.conditions import one_thread
from lessons.measure.stats import median
from lessons.measure.verdict import differs
from lessons.passport import Passport, needs
from lessons.units import Quantity

if TYPE_CHECKING:
    from lessons.llm.speculative import Step

KINDS = ("grounded", "open")


class SpeedUp(Experiment):
    """Wall-clock speed-up of prompt lookup for every published prompt."""

    id = "speculative.speed_up"
    unit = "1"
    needs = (needs.MODEL,)
    SMALL = {"tokens": 6}
    FINDINGS = ("gain", "loss", "depends", "beyond-tokens", "lost", "lost-beyond", "lost-unsure", "none-lost")
    tokens = 48

    def predict(self, passport: Passport) -> Outcome:
        ours, textbook = (_gain(passport, textbook) for textbook in (False, True))
        return Outcome(
            ours.quantity(self.unit),
            {"acceptance": PUBLISHED},
            textbook=textbook.quantity(self.unit),
            by=ours,
        )

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
        answers = []
        for prompt in prompts.load():
            progress(prompt.name)
            text = chat(prompt.request)
            plain = generate(llm, text, PromptLookup(), self.tokens, draft_length=0)
            allowance = Allowance(PromptLookup(), curve)
            ours = generate(llm, text, allowance, self.tokens, draft_length=length)
            answers.append((prompt, plain, ours, allowance.slowest(max(1, len(plain.steps)))))
        noise = max(_halves_apart(plain.steps) for _, plain, _, _ in answers)
        rows: list[dict[str, Any]] = []
        for prompt, plain, ours, slowest in answers:
            ratio = plain.decode_seconds / ours.decode_seconds
            rows.append(
                {
                    "name": prompt.name,
                    "kind": prompt.kind,
                    "speed-up": Quantity(ratio, self.unit, ratio / noise, ratio * noise, 1),
                    "tokens a pass": ours.tokens_per_step,
                    "slowest": slowest,
                }
            )
        grounded = [(plain, ours) for prompt, plain, ours, _ in answers if prompt.kind == "grounded"]
        speedups = [row["speed-up"] for row in rows if row["kind"] == "grounded"]
        low, high = min(q.low for q in speedups), max(q.high for q in speedups)
        together = sum(p.decode_seconds for p, _ in grounded) / sum(o.decode_seconds for _, o in grounded)
        data = {"rows": rows, "length": length, "noise": noise}
        return Outcome(Quantity(together, self.unit, low, high, len(speedups)), data)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures
        from lessons.experiments import looks

        (ax,) = figure.axes
        for kind, colour, mark in zip(KINDS, ("blue", "orange"), figures.MARKS):
            rows = [row for row in result.data["rows"] if row["kind"] == kind]
            names, speedups = [row["name"] for row in rows], [row["speed-up"] for row in rows]
            look: dict[str, Any] = {"color": figures.COLOURS[colour], "marker": mark, "linestyle": "none"}
            looks.measured(ax, names, speedups, f"{kind}, measured", **look)
        ax.axhline(1, label="plain decoding", **figures.guide())
        ax.tick_params(axis="x", rotation=35)
        ax.set_ylim(bottom=0)
        ax.set_ylabel("speed-up")
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        rows = result.data["rows"]
        passes = {kind: [row["tokens a pass"] for row in rows if row["kind"] == kind] for kind in KINDS}
        shown = {1: "gained", -1: "lost", 0: "unsure"}
        sorted_out: dict[str, list[str]] = {word: [] for word in shown.values()}
        for row in rows:
            sorted_out[shown[differs(row["speed-up"])]].append(row["name"])
        return {
            "borrowed": PUBLISHED,
            "length": result.data["length"],
            "passes": "; ".join(
                f"{kind} {min(found):.1f} to {max(found):.1f}" for kind, found in passes.items() if found
            ),
            "noise": f"{result.data['noise']:.2f}",
            "together": f"{result.quantity.value:.2f}",
            "low": f"{result.quantity.low:.2f}",
            "high": f"{result.quantity.high:.2f}",
            "by_prompt": ", ".join(f"{row['name']} {row['speed-up'].value:.2f}" for row in rows),
            **{word: ", ".join(names) or "none" for word, names in sorted_out.items()},
            "beyond": ", ".join(_beyond_tokens(rows)) or "none",
            "below": ", ".join(_below_allowance(rows)) or "none",
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        together = {1: "gain", -1: "loss", 0: "depends"}[differs(result.quantity)]
        lost = any(differs(row["speed-up"]) < 0 for row in result.data["rows"])
        beyond = ["beyond-tokens"] * bool(_beyond_tokens(result.data["rows"]))
        # Where the noise is larger than its allowance, a loss may be noise too.
        loss = ("lost-unsure" if beyond else "lost") if lost else "none-lost"
        if _below_allowance(result.data["rows"]):
            loss = "lost-beyond"
        return [together, *beyond, loss]


def _beyond_tokens(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the prompts that surely gained more than the tokens of a pass, which is what free guesses would give."""
    return [row["name"] for row in rows if differs(row["speed-up"], row["tokens a pass"]) > 0]


def _below_allowance(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the prompts that surely lost more than their allowance lets the guesses cost."""
    return [row["name"] for row in rows if differs(row["speed-up"], row["slowest"]) < 0]


def _halves_apart(steps: Sequence[Step]) -> float:
    """Return by which factor the halves of a plain answer differ in time.

    They are the same work twice, so that the factor is what the machine makes up by itself.
    """
    half = len(steps) // 2
    if not half:
        return 1.0
    first, second = (sum(step.seconds for step in part) for part in (steps[:half], steps[-half:]))
    return max(first / second, second / first)


def _gain(passport: Passport, textbook: bool) -> Derivation:
    """Return the speed-up at the best length of a draft, for the published acceptance and free guesses.

    It is the tokens that a pass writes, times what a pass over one costs, over what a pass over all of them does.
    """
    curve = predicted_curve(passport, PACKED, textbook)
    length = best_draft_length(PUBLISHED, 0.0, lambda k: curve[k - 1], DRAFT)
    judged = Operand("tokens of a pass, best draft", Quantity(length + 1, "1"), f"best of 1 to {DRAFT + 1}")
    return Derivation(
        "(1 - a**k) / (1 - a) * max(F / P, B / R) / max(k * F / P, B / R)",
        {"a": ACCEPTANCE, "k": judged, **operands(passport, PACKED, textbook)},
    )
