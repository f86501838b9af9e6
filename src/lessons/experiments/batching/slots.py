"""Static against continuous batching under a queue that never ends: what finished rows cost."""

from __future__ import annotations

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.batching.service import SEED, SLOTS, VOCAB, Served, measure
from lessons.formulas.batching import static_utilization, static_utilization_exponential
from lessons.measure.conditions import one_thread
from lessons.passport import Passport
from lessons.serving.policies import Continuous, Policy, Static
from lessons.serving.request import Request
from lessons.serving.workload import AtOnce, Fixed, Lengths, LogNormal, workload
from lessons.units import Quantity

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
    title = "throughput of continuous over static batching"
    unit = "1"
    question = (
        "Eight slots, and answers of very unequal length: how many times the tokens a second does continuous "
        "batching write, compared with static batching?"
    )
    SMALL = {"requests": 10}
    requests = 48

    def predict(self, passport: Passport) -> Outcome:
        lengths = [r.max_tokens for r in queue(self.requests)]
        used = static_utilization(lengths, SLOTS)
        longest = [max(lengths[i : i + SLOTS]) for i in range(0, len(lengths), SLOTS)]
        return Outcome(
            Quantity(1 / used, "1"),
            {
                "used": used,
                "lengths": lengths,
                "this_order": sum(lengths) / (SLOTS * sum(longest)),
                "exponential": static_utilization_exponential(SLOTS),
            },
        )

    @one_thread()
    def run(self, progress: Progress = SILENT) -> Outcome:
        progress("static")
        first = serve_queue(Static(SLOTS), self.requests)
        progress("continuous")
        ours = serve_queue(Continuous(SLOTS), self.requests)
        progress("static again")
        second = serve_queue(Static(SLOTS), self.requests)
        rate = ours.queued_rate()
        ratios = sorted(rate / other.queued_rate() for other in (first, second))
        same = {r.id: r.output_ids for r in ours.requests} == {r.id: r.output_ids for r in first.requests}
        return Outcome(
            Quantity(sum(ratios) / 2, "1", ratios[0], ratios[1], 2),
            {
                "used": 1 - first.record.wasted / first.record.rows,
                "steps": {"static": first.record.steps, "continuous": ours.record.steps},
                "rates": {
                    "static": (first.queued_rate() + second.queued_rate()) / 2,
                    "continuous": rate,
                },
                "same": same,
            },
        )

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        lengths = prediction.data["lengths"]
        colours = [figures.COLOURS["blue"], figures.COLOURS["vermilion"]]
        longest = [max(lengths[i : i + SLOTS]) for i in range(0, len(lengths), SLOTS) for _ in range(SLOTS)]
        places = range(len(lengths))
        ax.bar(places, lengths, 0.8, color=colours[0], label="tokens that were wanted")
        wasted = [end - own for end, own in zip(longest, lengths)]
        ax.bar(
            places,
            wasted,
            0.8,
            bottom=lengths,
            color=colours[1],
            alpha=0.5,
            label="rows computed for nothing",
        )
        ax.set_xlabel("requests, eight to a static batch")
        ax.set_ylabel("steps in the batch")
        ax.set_ylim(0, 1.3 * max(lengths))
        ax.legend(loc="upper right")

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        return (
            f"{self.requests} bars, one a request, in groups of {SLOTS}. Each group is as high as its longest answer; "
            f"{100 * result.data['used']:.0f} % of the area is tokens that were wanted, the rest is waste."
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        p, data = prediction.data, result.data
        steps = data["steps"]["static"] / data["steps"]["continuous"]
        text = (
            f"For this mix the formula leaves {100 * p['used']:.0f} % of the rows for tokens that somebody wanted, in "
            f"any order of the requests; in the order in which they came it is {100 * p['this_order']:.0f} %, and the "
            f"engine counted {100 * data['used']:.0f} %. Lengths that are exponential would leave "
            f"{100 * p['exponential']:.0f} %, one over the harmonic number. Static batching wrote "
            f"**{data['rates']['static']:.0f} tokens/s**, continuous batching "
            f"**{data['rates']['continuous']:.0f} tokens/s** with the same kernels. "
        )
        text += (
            "Both wrote the same answers, token for token. "
            if data["same"]
            else "Some answers differ: sums of floats come out differently in another company of rows. "
        )
        ratio = result.quantity.value / prediction.quantity.value
        if 0.8 <= ratio <= 1.25:
            return text + "The gain is the length mix, and hardly anything else."
        if abs(steps / result.quantity.value - 1) > 0.25:
            return text + (
                f"The steps fell by a factor of {steps:.2f}, and the time did not follow them: a step with many rows "
                "costs more than one with few, or something else ran on this computer meanwhile."
            )
        return text + (
            "The rest is luck of the order: with so few batches, where the longest answers fall matters. The "
            "formula is the mean over all orders."
        )
