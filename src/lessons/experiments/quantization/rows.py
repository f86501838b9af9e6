"""Several tokens share one reading of the weights: when bytes decide, and when arithmetic does."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.quantization.steps import SETTLE, VARIANTS, arithmetic, step
from lessons.formulas.roofline import time_bound
from lessons.llm.footprint import step_work
from lessons.measure import in_turns, median_interval, median_ratio
from lessons.measure.conditions import one_thread
from lessons.passport import Passport
from lessons.units import Quantity


class Rows(Experiment):
    """Time passes of several tokens over packed weights, in both arithmetics."""

    id = "quantization.rows"
    title = "five tokens at once over one, packed, float32 arithmetic"
    unit = "1"
    question = (
        "Five tokens share one reading of the packed weights. How many times as long as one token do they "
        "take in float32 arithmetic?"
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
        at_five = ratios[self.variants[0]][counts.index(5)]
        return Outcome(Quantity(at_five, "1"), {"rows": list(counts), "ratios": ratios})

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
        seconds = {
            name: [median_interval(found[name, n], "s").value for n in self.rows] for name in self.variants
        }
        plain = self.variants[0]
        return Outcome(median_ratio(found[plain, 5], found[plain, 1]), {"seconds": seconds})

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        for name, colour, marker in zip(self.variants, ("blue", "green"), "os"):
            found, look = result.data["seconds"][name], figures.COLOURS[colour]
            expected = prediction.data["ratios"][name]
            figures.predicted(ax, prediction.data["rows"], expected, f"{name}, roofline", color=look)
            figures.measured(
                ax, self.rows, [s / found[0] for s in found], marker=marker, label=name, color=look
            )
        ax.set_xscale("log", base=2)
        ax.set_xticks(self.rows, [str(n) for n in self.rows])
        ax.set_ylim(bottom=0)
        ax.set_xlabel("tokens that share one reading of the weights")
        ax.set_ylabel("time over that of one token")
        ax.legend(loc="upper left")

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        plain, whole = (result.data["seconds"][name] for name in self.variants)
        return (
            "Time of a pass over that of one token, against the tokens in it. In float32 arithmetic it climbs to "
            f"{plain[-1] / plain[0]:.1f} at {self.rows[-1]} tokens, in int8 arithmetic to {whole[-1] / whole[0]:.1f}."
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        plain, whole = (result.data["seconds"][name] for name in self.variants)
        five = self.rows.index(5)
        ratios = [found[five] / found[0] for found in (plain, whole)]
        gains = [plain[i] / whole[i] for i in (0, five, -1)]
        text = (
            f"Five tokens take {ratios[0]:.2f} times as long as one in float32 arithmetic, and {ratios[1]:.2f} times "
            f"in int8. int8 is {gains[0]:.2f} times as fast as float32 for one token, {gains[1]:.2f} times for five "
            f"and {gains[2]:.2f} times for {self.rows[-1]}. "
        )
        if gains[1] > 1.2 * gains[0]:
            text += (
                "**The same format is bound by memory at one row and by arithmetic at five.** This is why a service "
                "that serves one person wants small weights, and one that serves many wants fast arithmetic too. "
            )
        else:
            text += "On this core the arithmetic does not yet decide at five rows. "
        if ratios[0] > 1.25 * prediction.quantity.value:
            text += (
                "The roofline foresaw a later rise: its peak counts nothing but multiply-adds, and here each weight "
                "must also be unpacked and each row's activations loaded."
            )
        return text
