"""Four policies under the same arrivals, request by request."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import Any

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.batching.service import (
    DECODE,
    PREFILL,
    ROWS,
    SEED,
    SLOTS,
    VOCAB,
    WASTED,
    cost,
    engine,
    measure,
    simulate,
)
from lessons.experiments.derivation import Derivation, Operand
from lessons.experiments.text import rows
from lessons.measure.conditions import one_thread
from lessons.measure.stats import median
from lessons.measure.verdict import AS_FORESEEN, JUDGED, LESS, MORE, differs, foreseen
from lessons.passport import Passport, needs
from lessons.serving.costs import Roofline, StepCost, Work
from lessons.serving.policies import ChunkedPrefill, Continuous, Dynamic, Policy, Static
from lessons.serving.request import Request
from lessons.serving.workload import AtOnce, Fixed, LogNormal, Poisson, Uniform, workload
from lessons.units import Quantity, format_value, percent

# Times in steps of a lone writer, so that a fast machine and a slow one have something to do.
APART, WINDOW = 6, 30
SIMULATED = "simulated with the passport's costs"
COMPARED = ("static", "chunked prefill")
LONE = Work(tokens=1, sequences=1, context=16, pairs=16)


def policies(step: float) -> dict[str, Policy]:
    """Return the four policies; ``step`` is the seconds of a lone writer's step."""
    return {
        "static": Static(SLOTS),
        "dynamic": Dynamic(SLOTS, delay=WINDOW * step),
        "continuous": Continuous(SLOTS),
        "chunked prefill": ChunkedPrefill(SLOTS, token_budget=ROWS),
    }


def arrivals(step: float) -> list[Request]:
    """Return the load: sixteen requests that come at random moments, ``APART`` steps apart on average."""
    come, prompts, answers = Poisson(1 / (APART * step)), Uniform(4, 16), LogNormal(16, 1.0, 64)
    return list(workload(16, come, prompts, answers, seed=SEED, vocab=VOCAB))


def _simulated(seconds: StepCost) -> dict[str, Any]:
    step = seconds(LONE)
    return {
        name: simulate(policy, arrivals(step), seconds).timeline() for name, policy in policies(step).items()
    }


class Timeline(Experiment):
    """Serve the same sixteen requests under each policy."""

    id = "batching.timeline"
    unit = "1"
    kind = "ratio"
    needs = (needs.MODEL,)
    FINDINGS = (
        "window-costs",
        "window-pays",
        "window-alike",
        "writers-spared",
        "writers-alike",
        "static-paces",
        "waiters-pay",
        *JUDGED,
        "waits-missed",
        "step-explains",
        "step-leaves",
        "waits-longer",
        "static-longest",
    )
    SMALL = {"rounds": 1}
    rounds = 3
    panels = (2, 2)

    def predict(self, passport: Passport) -> Outcome:
        seconds = cost(passport)
        runs, textbook = (_simulated(costs) for costs in (seconds, cost(passport, textbook=True)))
        # All that says what a step costs, so that one of its numbers can be replaced by a measured one.
        costs = {name: value for name, value in asdict(seconds).items() if math.isfinite(value)}
        outcome = _outcome(runs, lone=seconds(LONE), costs=costs)
        by = Derivation(
            "s / c",
            {
                symbol: Operand(f"median wait, {name}", wait, SIMULATED)
                for symbol, (name, wait) in zip("sc", outcome.ends.items())
            },
        )
        return replace(outcome, textbook=_outcome(textbook).quantity, by=by)

    @one_thread()
    def run(self, progress: Progress = SILENT) -> Outcome:
        progress("one writer's step")
        load = workload(1, AtOnce(), Fixed(1), Fixed(LONE.context), seed=SEED, vocab=VOCAB)
        measure(Continuous(1), list(load))
        step = median([step.seconds for step in engine().steps[1:]])
        rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in policies(step)}
        for number in range(self.rounds):
            for name, policy in policies(step).items():
                progress(f"round {number + 1} of {self.rounds}: {name}")
                rounds[name].append(measure(policy, arrivals(step)).timeline())
        runs = {name: _middle(found) for name, found in rounds.items()}
        return _outcome(runs, lone=step)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        looks: dict[str, dict[str, Any]] = {
            PREFILL: {"label": "prompt", "colour": "orange"},
            DECODE: {"label": "writing", "colour": "blue"},
            WASTED: {"label": "finished, slot held", "colour": "vermilion", "alpha": 0.5},
        }
        runs = result.data["runs"]
        last = max(bars[-1][1] for run in runs.values() for bars in run["bars"])
        for ax, (name, run) in zip(figure.axes, runs.items()):
            waits = [
                (row, come, bars[0][0]) for row, (come, bars) in enumerate(zip(run["arrivals"], run["bars"]))
            ]
            ax.hlines(*zip(*waits), label="waiting", **figures.guide())
            for kind, look in looks.items():
                parts = [
                    (row, a, b - a) for row, bars in enumerate(run["bars"]) for a, b, k in bars if k == kind
                ]
                if parts:
                    rows_, begins, lengths = zip(*parts)
                    figures.bars(ax, rows_, lengths, start=begins, lying=True, width=0.8, **look)
            ax.set_title(name)
            ax.set_xlim(0, last)
            ax.set_ylim(len(run["bars"]), -1)
            ax.set_yticks(range(0, len(run["bars"]), 5))
            ax.set_xlabel("seconds")
            ax.set_ylabel("request")
        # A panel's title belongs to what is below it, not to the label above.
        figure.get_layout_engine().set(h_pad=0.12)
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        runs, foretold = result.data["runs"], prediction.data["runs"]
        static, chunked = _missed(prediction, result)
        static_left, chunked_left = _missed(_with_measured_step(prediction, result), result)
        table: list[list[object]] = [
            [
                "policy",
                "first token (median)",
                "the same, simulated",
                "each token after it (median)",
                "rows for nothing",
            ]
        ]
        for name, run in runs.items():
            table.append(
                [name, run["ttft"], foretold[name]["ttft"], run["tpot"], percent(run["wasted"] / run["rows"])]
            )
        return {
            "table": rows(table),
            "waits": ", ".join(
                f"{name} {format_value(run['ttft'].value, 's')}" for name, run in runs.items()
            ),
            "window": _over(runs, "dynamic", "static", "ttft"),
            "pace": _over(runs, "continuous", "chunked prefill", "tpot"),
            "static_miss": static,
            "chunked_miss": chunked,
            "static_left": static_left,
            "chunked_left": chunked_left,
            "lone": format_value(prediction.data["lone"], "s"),
            "lone_here": format_value(result.data["lone"], "s"),
            "static_pace": runs["static"]["tpot"],
            "rows": ROWS,
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        runs = result.data["runs"]
        window = differs(_over(runs, "dynamic", "static", "ttft"))
        spared = differs(_over(runs, "continuous", "chunked prefill", "tpot")) > 0
        others = ("continuous", "chunked prefill")
        paces = all(differs(_over(runs, "static", name, "tpot")) < 0 for name in others)
        waits = all(differs(_over(runs, "static", name, "ttft")) > 0 for name in others)
        return [
            {1: "window-costs", -1: "window-pays", 0: "window-alike"}[window],
            "writers-spared" if spared else "writers-alike",
            *["static-paces"] * paces,
            *["waiters-pay"] * (paces and waits),
            self.verdict(prediction, result),
            *_cause(prediction, result),
        ]


def _cause(prediction: Outcome, result: Outcome) -> list[str]:
    """Return why the simulated waits missed: the step of a lone writer, or what a step of several rows takes."""
    if not {foreseen(miss) for miss in _missed(prediction, result)} & {LESS, MORE}:
        return []
    static, chunked = _missed(_with_measured_step(prediction, result), result)
    left = {foreseen(miss) for miss in (static, chunked)}
    longer = MORE in left and LESS not in left
    return [
        "waits-missed",
        "step-explains" if left == {AS_FORESEEN} else "step-leaves",
        *["waits-longer"] * longer,
        *["static-longest"] * (longer and differs(static.ratio(chunked)) > 0),
    ]


def _with_measured_step(prediction: Outcome, result: Outcome) -> Outcome:
    """Return the prediction with one number replaced: the memory reads as fast as a lone writer's step has shown."""
    seconds = Roofline(**prediction.data["costs"])
    return _outcome(_simulated(replace(seconds, bandwidth=seconds.moved(LONE) / result.data["lone"])))


def _missed(prediction: Outcome, result: Outcome) -> list[Quantity]:
    """Return the median waits under both policies that are compared, over those on the simulated clock."""
    return [result.ends[name].ratio(wait) for name, wait in prediction.ends.items()]


def _over(runs: dict[str, Any], name: str, other: str, median: str) -> Quantity:
    """Return one policy's median over another's, both as in the table."""
    return runs[name][median].ratio(runs[other][median])


def _middle(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the round whose median wait is the middle one; its interval holds the others' medians too."""
    ordered = sorted(rounds, key=lambda run: run["ttft"].value)
    middle, first, last = ordered[len(ordered) // 2], ordered[0]["ttft"].value, ordered[-1]["ttft"].value
    ttft = middle["ttft"]
    if len(rounds) > 1:
        ttft = replace(ttft, low=first, high=last, n=len(rounds))
    return middle | {"ttft": ttft}


def _outcome(runs: dict[str, dict[str, Any]], **data: Any) -> Outcome:
    ends = {name: runs[name]["ttft"] for name in COMPARED}
    over, under = ends.values()
    return Outcome(over.ratio(under), {"runs": runs, **data}, ends=ends)
