"""A long prompt arrives while others write: how long they wait, by the tokens a step may hold."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.batching.service import (
    ROWS,
    SEED,
    SLOTS,
    VOCAB,
    Served,
    cost,
    measure,
    simulate,
)
from lessons.experiments.derivation import Operand
from lessons.experiments.ratios import ratio
from lessons.experiments.text import rows
from lessons.measure.conditions import one_thread
from lessons.measure.verdict import JUDGED, differs
from lessons.passport import Passport, needs
from lessons.serving.costs import Work
from lessons.serving.policies import ChunkedPrefill, Continuous, Policy
from lessons.serving.request import Request
from lessons.serving.workload import AtOnce, Fixed, workload
from lessons.units import Quantity, format_value

WRITERS, ANSWER = 4, 48
LONG = 1000  # tokens of the prompt that arrives
BUDGETS = {"whole": math.inf, "256": 256, "16": ROWS}
SMALL_STEPS = math.ceil(LONG / (ROWS - WRITERS))  # that the prompt takes
COUNTED = "counted in the simulation"
ENDS = {"whole prompt": "whole", f"steps of {ROWS}": "16"}


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
    unit = "1"
    kind = "ratio"
    needs = (needs.MODEL,)
    FINDINGS = (
        "worst-gap-bounded",
        "worst-gap-alike",
        *JUDGED,
        "newcomer-pays",
        "mostly-reading",
        "mostly-other",
        "newcomer-gains",
        "newcomer-alike",
        "middle-is-worst",
        "decoding-rides",
    )
    panels = (1, 2)

    def predict(self, passport: Passport) -> Outcome:
        seconds = cost(passport)
        works: dict[float, Work] = {}

        def step(work: Work) -> float:
            works[seconds(work)] = work
            return seconds(work)

        runs = {name: _figures(simulate(policy(b), load(), step)) for name, b in BUDGETS.items()}
        # A gap is one step: the one that took as long tells what was in it.
        whole, small = (
            works[min(works, key=lambda s: abs(s - runs[key]["p99"].value))] for key in ENDS.values()
        )
        operands = {
            "F": Operand("operations, whole prompt", Quantity(seconds.flop(whole), "OP"), COUNTED),
            "P": Operand("product of packed weights and int8", passport.product("packed", "int8")),
            "B": Operand("weights and caches, whole prompt", Quantity(seconds.moved(whole), "B"), COUNTED),
            "R": Operand("reads in memory", passport.bandwidth("read")),
            "G": Operand(f"operations, step of {ROWS}", Quantity(seconds.flop(small), "OP"), COUNTED),
            "C": Operand(f"weights and caches, step of {ROWS}", Quantity(seconds.moved(small), "B"), COUNTED),
        }
        by, ends = ratio(dict(zip(ENDS, ("max(F / P, B / R)", "max(G / P, C / R)"))), operands)
        # A chunk of the middle has half of the prompt before it.
        middle = seconds.moved(Work(ROWS, WRITERS + 1, LONG // 2 + WRITERS * ANSWER // 2, 0))
        data = {"runs": runs, "reading": SMALL_STEPS * middle / seconds.bandwidth}
        return Outcome(by.quantity(self.unit), data, by=by, ends=ends)

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
        from lessons.figures.style import FOREGROUND

        left, right = figure.axes
        runs, foretold = result.data["runs"], prediction.data["runs"]
        for (name, run), colour, mark in zip(runs.items(), ("vermilion", "orange", "blue"), figures.MARKS):
            look: dict[str, Any] = {"color": figures.COLOURS[colour], "marker": mark, "linestyle": "none"}
            label = "whole prompt" if name == "whole" else f"{name} tokens per step"
            figures.measured(left, run["moments"], run["gaps"], label=label, markersize=4, **look)
            figures.measured(
                right, [run["p99"].value], [run["throughput"]], label=label, markersize=8, **look
            )
            right.hlines(run["throughput"], run["p99"].low, run["p99"].high, color=look["color"])
        gaps, rates = zip(*((foretold[name]["p99"].value, foretold[name]["throughput"]) for name in runs))
        figures.predicted(right, gaps, rates, "predicted, in this order", color=FOREGROUND, marker="+", ms=10)
        figures.time_axis(left.yaxis, log=True)
        figures.time_axis(right.xaxis, log=True)
        right.xaxis.set_major_locator(LogLocator())
        left.set_xlabel("when the token came (s)")
        left.set_ylabel("gap before it")
        right.set_xlabel("99th percentile of the gap")
        right.set_ylabel("throughput (tokens/s)")
        right.margins(x=0.15)
        right.set_ylim(0, 1.1 * max(*rates, *(run["throughput"] for run in runs.values())))
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        runs, foretold = result.data["runs"], prediction.data["runs"]
        table: list[list[object]] = [
            [
                "tokens per step",
                "99th percentile of the gap",
                "predicted",
                "median gap",
                "first token of the long prompt",
                "tokens/s of the others",
            ]
        ]
        for name, run in runs.items():
            gap, first = run["p99"], run["first"]
            typical, rate = format_value(run["p50"], "s"), f"{run['throughput']:.0f}"
            table.append([name, gap, foretold[name]["p99"], typical, first, rate])
        return {
            "table": rows(table),
            "by_budget": "; ".join(
                f"{name} {format_value(run['p99'].value, 's')}" for name, run in runs.items()
            ),
            "whole_gap": format_value(runs["whole"]["p99"].value, "s"),
            "small_gap": format_value(runs["16"]["p99"].value, "s"),
            "whole_miss": runs["whole"]["p99"].ratio(foretold["whole"]["p99"]),
            "small_miss": runs["16"]["p99"].ratio(foretold["16"]["p99"]),
            "whole_rate": f"{runs['whole']['throughput']:.0f}",
            "small_rate": f"{runs['16']['throughput']:.0f}",
            "small_late": runs["16"]["first"].ratio(runs["whole"]["first"]),
            "middle_late": runs["256"]["first"].ratio(runs["whole"]["first"]),
            "small_steps": SMALL_STEPS,
            "reading": format_value(prediction.data["reading"], "s"),
            "later": format_value(_later(result).value, "s"),
            "middle_steps": math.ceil(LONG / (BUDGETS["256"] - WRITERS)),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        runs = result.data["runs"]
        first = {name: run["first"] for name, run in runs.items()}
        late = differs(first["16"].ratio(first["whole"]))
        worst = all(differs(first["256"].ratio(first[name])) > 0 for name in ("whole", "16"))
        return [
            "worst-gap-bounded" if differs(result.quantity) > 0 else "worst-gap-alike",
            self.verdict(prediction, result),
            {1: "newcomer-pays", -1: "newcomer-gains", 0: "newcomer-alike"}[late],
            *_what_it_pays_for(prediction, result) * (late > 0),
            *["middle-is-worst"] * worst,
            *["decoding-rides"] * (differs(runs["whole"]["end"].ratio(runs["16"]["end"])) > 0),
        ]


def _later(result: Outcome) -> Quantity:
    """Return by how much later the newcomer's first token comes in steps of 16 than with its prompt whole."""
    small, whole = (result.data["runs"][name]["first"] for name in ("16", "whole"))
    return Quantity(
        small.value - whole.value, "s", small.low - whole.high, small.high - whole.low, min(small.n, whole.n)
    )


def _what_it_pays_for(prediction: Outcome, result: Outcome) -> list[str]:
    """Return whether reading the weights again, at the passport's rate, is at least half of what it waits longer."""
    side = differs(_later(result), 2 * prediction.data["reading"])
    return {1: ["mostly-other"], -1: ["mostly-reading"], 0: []}[side]


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
        "p99": served.interval(gaps[math.ceil(0.99 * len(gaps)) - 1]),
        "first": served.interval(long.token_times[0] - long.arrival),
        "end": served.interval(end),
        "throughput": WRITERS * ANSWER / end,
    }


def _outcome(runs: dict[str, dict[str, Any]]) -> Outcome:
    ends = {name: runs[key]["p99"] for name, key in ENDS.items()}
    return Outcome(runs["whole"]["p99"].ratio(runs["16"]["p99"]), {"runs": runs}, ends=ends)
