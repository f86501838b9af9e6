"""Static against continuous batching under a queue that never ends: what finished rows cost."""

from __future__ import annotations

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.batching.service import SEED, SLOTS, VOCAB, Served, measure
from lessons.experiments.derivation import Derivation, Operand
from lessons.formulas.batching import static_utilization, static_utilization_exponential
from lessons.measure import median_interval
from lessons.measure.conditions import one_thread
from lessons.measure.verdict import AS_FORESEEN, FORESEEN, UNSURE, foreseen
from lessons.passport import Passport, needs
from lessons.serving.policies import Continuous, Policy, Static
from lessons.serving.request import Request
from lessons.serving.workload import AtOnce, Fixed, Lengths, LogNormal, workload
from lessons.units import Quantity, format_value, percent

ANSWERS = LogNormal(mean=10, sigma=1.0, limit=64)
# Eight prompts of two tokens are sixteen rows: no step leaves the compiled pass, so that both policies run the same
# program and only the schedule differs.
PROMPT = 2


def queue(count: int, answers: Lengths = ANSWERS) -> list[Request]:
    """Return requests that all wait from the start."""
    return list(workload(count, AtOnce(), Fixed(PROMPT), answers, seed=SEED, vocab=VOCAB))


def serve_queue(policy: Policy, count: int = 24, answers: Lengths = ANSWERS) -> Served:
    """Serve such a queue on the real model."""
    return measure(policy, queue(count, answers))


class Slots(Experiment):
    """Serve one queue with both policies."""

    id = "batching.slots"
    unit = "1"
    needs = (needs.MODEL,)
    FINDINGS = ("same-answers", "other-answers", *FORESEEN, "luck-of-the-order", "steps-unequal")
    SMALL = {"requests": 10}
    requests = 48

    def predict(self, passport: Passport) -> Outcome:
        lengths = [r.max_tokens for r in queue(self.requests)]
        used = static_utilization(lengths, SLOTS)
        longest = [max(lengths[i : i + SLOTS]) for i in range(0, len(lengths), SLOTS)]
        mean = sum(lengths) / len(lengths)
        by = Derivation(
            "L / m",
            {
                "L": Operand(
                    f"longest of {SLOTS} answers", Quantity(mean / used, "tokens"), "mean over all orders"
                ),
                "m": Operand("mean answer of the mix", Quantity(mean, "tokens"), "counted"),
            },
        )
        return Outcome(
            by.quantity(self.unit),
            {
                "used": used,
                "lengths": lengths,
                "this_order": sum(lengths) / (SLOTS * sum(longest)),
                "longest": sum(longest) / len(longest),
                "exponential": static_utilization_exponential(SLOTS),
            },
            by=by,
        )

    @one_thread()
    def run(self, progress: Progress = SILENT) -> Outcome:
        progress("static")
        first = serve_queue(Static(SLOTS), self.requests)
        progress("continuous")
        ours = serve_queue(Continuous(SLOTS), self.requests)
        progress("static again")
        second = serve_queue(Static(SLOTS), self.requests)
        continuous = Quantity(ours.queued_rate(), "tokens/s", n=1)
        static = median_interval([first.queued_rate(), second.queued_rate()], "tokens/s")
        ratios = [continuous.value / rate for rate in (static.low, static.high)]
        same = {r.id: r.output_ids for r in ours.requests} == {r.id: r.output_ids for r in first.requests}
        return Outcome(
            median_interval(ratios, "1"),
            {
                "used": 1 - first.record.wasted / first.record.rows,
                "rates": {"static": static, "continuous": continuous},
                "same": same,
            },
        )

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        lengths = prediction.data["lengths"]
        longest = [max(lengths[i : i + SLOTS]) for i in range(0, len(lengths), SLOTS) for _ in range(SLOTS)]
        places = range(len(lengths))
        wasted = [end - own for end, own in zip(longest, lengths)]
        figures.bars(ax, places, lengths, "tokens that were wanted", width=0.8)
        figures.bars(
            ax, places, wasted, "rows computed for nothing",
            start=lengths, width=0.8, colour="vermilion", alpha=0.5,
        )  # fmt: skip
        ax.set_xlabel("requests, eight to a static batch")
        ax.set_ylabel("steps in the batch")
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        foretold, rates = prediction.data, result.data["rates"]
        return {
            "used": percent(foretold["used"]),
            "used_here": percent(foretold["this_order"]),
            "used_exponential": percent(foretold["exponential"]),
            "counted": percent(result.data["used"]),
            "static": rates["static"],
            "continuous": rates["continuous"],
            "gain": format_value(result.quantity.value, "1"),
            "promised": format_value(prediction.quantity.value, "1"),
            "gain_here": format_value(1 / foretold["this_order"], "1"),
            "longest_here": f"{foretold['longest']:.1f}",
            "requests": len(foretold["lengths"]),
            "slots": SLOTS,
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        verdict = self.verdict(prediction, result)
        found = ["same-answers" if result.data["same"] else "other-answers", verdict]
        # Steps of one length would gain exactly this in the order in which the requests came.
        by_order = foreseen(result.quantity.scaled(prediction.data["this_order"]))
        if verdict in (AS_FORESEEN, UNSURE) or by_order == UNSURE:
            return found
        return [*found, "luck-of-the-order" if by_order == AS_FORESEEN else "steps-unequal"]
