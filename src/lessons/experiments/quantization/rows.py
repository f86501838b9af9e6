"""Several tokens share one reading of the weights: when bytes decide, and when arithmetic does."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.quantization.steps import SETTLE, VARIANTS, arithmetic, operands, step
from lessons.experiments.ratios import ratio
from lessons.formulas.roofline import time_bound
from lessons.llm.footprint import step_work
from lessons.measure import in_turns, median_interval, median_ratio
from lessons.measure.conditions import one_thread
from lessons.measure.verdict import JUDGED, LESS, MORE, differs, foreseen
from lessons.passport import Passport, needs

ENDS = ("five tokens, float32", "one token, float32")


class Rows(Experiment):
    """Time passes of several tokens over packed weights, in both arithmetics."""

    id = "quantization.rows"
    unit = "1"
    kind = "ratio"
    needs = (needs.MODEL,)
    FINDINGS = (
        *JUDGED,
        "rows-cost",
        "rows-free",
        "arithmetic-decides",
        "lead-unsure",
        "lead-shrinks",
        "more-work",
        "under-bound",
        "reading-alone",
    )
    SMALL = {"rounds": 2}
    rows = (1, 5, 16)
    variants = ("packed, float32", "packed, int8")
    rounds = 6

    def predict(self, passport: Passport) -> Outcome:
        rate = passport.bandwidth("read", "dram").value
        counts = range(1, self.rows[-1] + 1)
        ratios = {}
        for name in self.variants:
            peak = passport.flops(arithmetic(name)).value
            seconds = [time_bound(step_work(name, n), peak, rate) for n in counts]
            ratios[name] = [s / seconds[0] for s in seconds]
        bounds = dict(zip(ENDS, ("max(5 * F / P, B / R)", "max(F / P, B / R)")))
        by, ends = ratio(bounds, operands(passport, self.variants[0]))
        data = {"rows": list(counts), "ratios": ratios}
        return Outcome(by.quantity(self.unit), data, by=by, ends=ends)

    @one_thread()
    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons.llm.load import load

        steps: dict[Hashable, Callable[[], None]] = {}
        for name in self.variants:
            progress(f"loading {name}")
            llm = load(**VARIANTS[name])
            steps |= {(name, n): step(llm, n) for n in self.rows}
        progress("measuring")
        found = in_turns(steps, self.rounds, settle=SETTLE, least_of=3)
        plain, whole = self.variants
        times = {
            name: [median_ratio(found[name, n], found[name, 1]) for n in self.rows] for name in self.variants
        }
        gains = [median_ratio(found[plain, n], found[whole, n]) for n in self.rows]
        ends = {name: median_interval(found[plain, n], "s") for name, n in zip(ENDS, (5, 1))}
        return Outcome(times[plain][self.rows.index(5)], {"times": times, "gains": gains}, ends=ends)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures
        from lessons.experiments import looks

        (ax,) = figure.axes
        for name, colour, marker in zip(self.variants, ("blue", "green"), "os"):
            look = figures.COLOURS[colour]
            expected = prediction.data["ratios"][name]
            figures.predicted(ax, prediction.data["rows"], expected, f"{name}, roofline", color=look)
            looks.measured(ax, self.rows, result.data["times"][name], name, marker=marker, color=look)
        ax.set_xscale("log", base=2)
        ax.set_xticks(self.rows, [str(n) for n in self.rows])
        ax.set_ylim(bottom=0)
        ax.set_xlabel("tokens that share one reading")
        ax.set_ylabel("time over that of one token")
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        plain, whole = (result.data["times"][name] for name in self.variants)
        five = self.rows.index(5)
        gains = result.data["gains"]
        numbers = {
            "plain_five": plain[five],
            "whole_five": whole[five],
            "plain_last": plain[-1],
            "whole_last": whole[-1],
            "gain_one": gains[0],
            "gain_five": gains[five],
            "gain_last": gains[-1],
            **{
                f"{name}_miss": result.ends[end].ratio(prediction.ends[end])
                for name, end in zip(("five", "one"), ENDS)
            },
        }
        return {"last": self.rows[-1], **{name: f"{q.value:.2f}" for name, q in numbers.items()}}

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        plain, whole = (result.data["times"][name][self.rows.index(5)] for name in self.variants)
        cost = "rows-cost" if differs(plain) > 0 else "rows-free"
        # How the lead of int8 grows from one row to five is how much longer five take in float32.
        lead = {1: "arithmetic-decides", 0: "lead-unsure", -1: "lead-shrinks"}[differs(plain.ratio(whole))]
        verdict, one = self.verdict(prediction, result), ENDS[1]
        # Beside a bound that was beaten the ratio says nothing about the kernel.
        beaten = foreseen(result.ends[one].ratio(prediction.ends[one])) == LESS
        why = ["under-bound"] if beaten else ["more-work"] * (verdict == MORE)
        why += ["reading-alone"] * (verdict == LESS and _reading_alone(prediction))
        return [verdict, *why, cost, lead]


def _reading_alone(prediction: Outcome) -> bool:
    """Tell whether one token's bytes surely take longer than its arithmetic, by the peaks of the prediction."""
    assert prediction.by is not None
    flop, peak, moved, rate = (prediction.by.operands[symbol].quantity for symbol in "FPBR")
    return differs(rate.inverse(moved.value, "s").ratio(peak.inverse(flop.value, "s"))) > 0
