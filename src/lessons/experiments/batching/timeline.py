"""Four policies under the same arrivals, request by request."""

from __future__ import annotations

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
    measure,
    simulate,
)
from lessons.measure.conditions import one_thread
from lessons.passport import Passport
from lessons.serving.policies import ChunkedPrefill, Continuous, Dynamic, Policy, Static
from lessons.serving.request import Request
from lessons.serving.workload import LogNormal, Poisson, Uniform, workload
from lessons.units import Quantity, format_value

POLICIES: dict[str, Policy] = {
    "static": Static(SLOTS),
    "dynamic": Dynamic(SLOTS, delay=0.25),
    "continuous": Continuous(SLOTS),
    "chunked prefill": ChunkedPrefill(SLOTS, token_budget=ROWS),
}


def arrivals() -> list[Request]:
    """Return the load: sixteen requests that come at random moments."""
    return list(workload(16, Poisson(12), Uniform(4, 16), LogNormal(16, 1.0, 64), seed=SEED, vocab=VOCAB))


class Timeline(Experiment):
    """Serve the same sixteen requests under each policy."""

    id = "batching.timeline"
    title = "median time to the first token, static over chunked prefill"
    unit = "1"
    question = (
        "The same sixteen requests come one after another. How many times as long does the median request wait for "
        "its first token with static batching, compared with chunked prefill?"
    )
    panels = (2, 2)

    def predict(self, passport: Passport) -> Outcome:
        seconds = cost(passport)
        runs = {name: simulate(policy, arrivals(), seconds).to_json() for name, policy in POLICIES.items()}
        return _outcome(runs)

    @one_thread()
    def run(self, progress: Progress = SILENT) -> Outcome:
        runs = {}
        for name, policy in POLICIES.items():
            progress(name)
            runs[name] = measure(policy, arrivals()).to_json()
        return _outcome(runs)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        colours = {
            PREFILL: figures.COLOURS["orange"],
            DECODE: figures.COLOURS["blue"],
            WASTED: figures.COLOURS["vermilion"],
        }
        runs = result.data["runs"]
        last = max(bars[-1][1] for run in runs.values() for bars in run["bars"])
        for ax, (name, run) in zip(figure.axes, runs.items()):
            for row, (arrival, bars) in enumerate(zip(run["arrivals"], run["bars"])):
                ax.plot([arrival, bars[0][0]], [row, row], color="#888888", linewidth=0.8)
                for begin, end, kind in bars:
                    ax.barh(row, end - begin, 0.8, left=begin, color=colours[kind])
            ax.set_title(name)
            ax.set_xlim(0, last)
            ax.set_ylim(len(run["bars"]), -1)
            ax.set_xlabel("seconds")
            ax.set_ylabel("request")
        names = {PREFILL: "prompt", DECODE: "writing", WASTED: "finished, slot held"}
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        handles: list[Any] = [Line2D([], [], color="#888888", linewidth=0.8, label="waiting")]
        handles += [Patch(color=colours[kind], label=names[kind]) for kind in (PREFILL, DECODE, WASTED)]
        figure.legend(handles=handles, loc="outside lower center", ncols=4)

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        runs = result.data["runs"]
        waits = ", ".join(f"{name} {format_value(run['ttft'], 's')}" for name, run in runs.items())
        return (
            "Four timelines of sixteen requests, each a row that waits, computes its prompt and writes. Under static "
            "and dynamic batching rows go on after they have finished, and newcomers wait for the whole batch. Under "
            f"the other two, rows begin soon after they arrive. Median waits: {waits}."
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        runs = result.data["runs"]
        lines = [
            "| policy | first token (median) | the same, simulated | per token after it (median) | rows for nothing |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| {name} | {format_value(run['ttft'], 's')} | "
            f"{format_value(prediction.data['runs'][name]['ttft'], 's')} | {format_value(run['tpot'], 's')} | "
            f"{100 * run['wasted'] / run['rows']:.0f} % |"
            for name, run in runs.items()
        ]
        text = "\n".join([*lines, "\n"])
        static, dynamic = runs["static"], runs["dynamic"]
        text += "A newcomer to a static batch waits until its longest answer ends. "
        change = dynamic["ttft"] / static["ttft"]
        if change > 1.1:
            text += (
                "The dynamic window made the wait longer: the batch that it fills better does not end sooner. A "
                "window helps where every request costs the same, and these do not. "
            )
        elif change < 0.9:
            text += (
                "The dynamic window paid here: a fuller batch came first, and fewer batches followed. It still "
                "holds every slot until the longest answer ends. "
            )
        else:
            text += (
                "The dynamic window changed little: what newcomers wait for is the batch before theirs, and not "
                "the filling of their own. "
            )
        if runs["continuous"]["tpot"] > 1.25 * runs["chunked prefill"]["tpot"]:
            text += (
                "Continuous batching computes a newcomer's prompt whole, and those who write wait for it; chunked "
                f"prefill keeps every step at {ROWS} rows or fewer. "
            )
        ratio = result.quantity.value / prediction.quantity.value
        if 0.67 <= ratio <= 1.5:
            return (
                text
                + "The same scheduler on a simulated clock, with the roofline's step time, foresaw the factor."
            )
        return text + (
            "The simulated clock missed the factor. A real step takes longer than the roofline allows, above all one "
            f"with more than {ROWS} rows, which expands the weights first, and a static batch begins with such a step. "
            "A longer batch lets a longer queue form behind it. So a small error in a step becomes a large one in the "
            "wait."
        )


def _outcome(runs: dict[str, dict[str, Any]]) -> Outcome:
    return Outcome(Quantity(runs["static"]["ttft"] / runs["chunked prefill"]["ttft"], "1"), {"runs": runs})
