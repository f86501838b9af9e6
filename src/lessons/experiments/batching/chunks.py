"""A long prompt arrives while others write: how long they wait, by the tokens a step may hold."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.batching.service import ROWS, SEED, SLOTS, VOCAB, Served, cost, measure, simulate
from lessons.measure.conditions import one_thread
from lessons.passport import Passport
from lessons.serving.policies import ChunkedPrefill, Continuous, Policy
from lessons.serving.request import Request
from lessons.serving.workload import AtOnce, Fixed, workload
from lessons.units import Quantity, format_value

WRITERS, ANSWER = 4, 48
LONG = 1000  # tokens of the prompt that arrives
BUDGETS = {"whole": math.inf, "256": 256, "16": ROWS}


def policy(budget: float) -> Policy:
    """Return the policy with that many tokens a step."""
    return Continuous(SLOTS) if math.isinf(budget) else ChunkedPrefill(SLOTS, token_budget=int(budget))


def load() -> list[Request]:
    """Return four requests that write at once, and the long prompt, which comes a moment later."""
    writers = list(workload(WRITERS, AtOnce(), Fixed(4), Fixed(ANSWER), seed=SEED, vocab=VOCAB))
    ids = next(workload(1, AtOnce(), Fixed(LONG), Fixed(2), seed=SEED + 1, vocab=VOCAB)).prompt_ids
    return [*writers, Request(WRITERS, 0.1, LONG, 2, ids)]


class Chunks(Experiment):
    """Serve that load with the prompt whole, and in pieces of two sizes."""

    id = "batching.chunks"
    title = "99th percentile of the gap between tokens, whole prompt over pieces of a step of 16"
    unit = "1"
    question = (
        "Four people read along when a prompt of 1,000 tokens arrives. How many times as long is their worst gap (the "
        "99th percentile) when the prompt is computed whole, compared with steps of 16 tokens?"
    )
    panels = (1, 2)

    def predict(self, passport: Passport) -> Outcome:
        seconds = cost(passport)
        return _outcome({name: _figures(simulate(policy(b), load(), seconds)) for name, b in BUDGETS.items()})

    @one_thread()
    def run(self, progress: Progress = SILENT) -> Outcome:
        runs = {}
        for name, budget in BUDGETS.items():
            progress(f"prompt {name}")
            runs[name] = _figures(measure(policy(budget), load()))
        return _outcome(runs)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from matplotlib.ticker import LogLocator

        from lessons import figures

        left, right = figure.axes
        looks = zip(result.data["runs"].items(), ("vermilion", "orange", "blue"), ("s", "D", "o"))
        for (name, run), colour, marker in looks:
            look: dict[str, Any] = {"color": figures.COLOURS[colour], "marker": marker}
            label = "whole prompt" if name == "whole" else f"{name} tokens a step"
            left.plot(run["moments"], run["gaps"], linestyle="none", label=label, markersize=4, **look)
            right.plot([run["p99"]], [run["throughput"]], linestyle="none", markersize=8, **look)
            expected = prediction.data["runs"][name]
            right.plot(
                [expected["p99"]],
                [expected["throughput"]],
                linestyle="none",
                mfc="none",
                markersize=8,
                **look,
            )
        figures.time_axis(left.yaxis, log=True)
        figures.time_axis(right.xaxis, log=True)
        right.xaxis.set_major_locator(LogLocator())
        left.set_xlabel("when the token came (s)")
        left.set_ylabel("gap before it")
        right.set_xlabel("99th percentile of the gap")
        right.set_ylabel("tokens/s (hollow: predicted)")
        right.margins(x=0.15)
        right.set_ylim(bottom=0)
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        runs = result.data["runs"]
        worst = "; ".join(f"{name}: {format_value(run['p99'], 's')}" for name, run in runs.items())
        return (
            "Left, every gap between two tokens against the time: the whole prompt leaves one long gap, smaller "
            f"steps leave many short ones. Right, throughput against the 99th percentile of the gap ({worst})."
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        runs = result.data["runs"]
        lines = [
            "| tokens a step | 99th percentile of the gap | predicted | median gap | first token of the long prompt | "
            "tokens/s of the others |",
            "|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {name} | {format_value(run['p99'], 's')} | "
            f"{format_value(prediction.data['runs'][name]['p99'], 's')} | {format_value(run['p50'], 's')} | "
            f"{format_value(run['first'], 's')} | {run['throughput']:.0f} |"
            for name, run in runs.items()
        ]
        text = "\n".join([*lines, "\n"])
        text += "Whole, the prompt stops everybody for as long as it takes: one gap, and all of them see it. "
        whole, middle, small = (runs[name]["first"] for name in ("whole", "256", "16"))
        if small > 1.1 * whole:
            text += (
                "In small steps the others go on, and the newcomer pays: the first token comes "
                f"{small / whole:.2f} times as late, because each step reads the weights again, and the keys of the "
                "earlier pieces."
            )
        else:
            text += (
                f"In steps of 16 the others go on, and here the newcomer does not even pay ({small / whole:.2f} times "
                "the wait). Steps of up to 16 rows run as one compiled pass over packed weights; longer ones expand "
                "the weights first. A GPU has no such second program, and small pieces cost it time."
            )
        if middle > 1.1 * whole:
            text += (
                f" Steps of 256 tokens make the newcomer wait {middle / whole:.2f} times as long as the whole "
                "prompt in one: what a step does before it multiplies is done once for each piece."
            )
        return text


def _figures(served: Served) -> dict[str, Any]:
    """Return the gaps of those who write, and when the long prompt's first token came after its arrival."""
    writers = [r for r in served.requests if r.id < WRITERS]
    (long,) = (r for r in served.requests if r.id == WRITERS)
    pairs = [pair for r in writers for pair in pairwise(r.token_times)]
    gaps = sorted(after - before for before, after in pairs)
    end = max(r.token_times[-1] for r in writers)
    return {
        "moments": [after for _, after in pairs],
        "gaps": [after - before for before, after in pairs],
        "p50": gaps[len(gaps) // 2],
        "p99": gaps[math.ceil(0.99 * len(gaps)) - 1],
        "mean": sum(gaps) / len(gaps),
        "first": long.token_times[0] - long.arrival,
        "throughput": WRITERS * ANSWER / end,
    }


def _outcome(runs: dict[str, dict[str, Any]]) -> Outcome:
    return Outcome(Quantity(runs["whole"]["p99"] / runs["16"]["p99"], "1"), {"runs": runs})
