"""How many loads one core keeps in flight: random walks side by side, until more of them bring no more."""

from __future__ import annotations

from typing import Any

from lessons import topology
from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Operand
from lessons.experiments.ratios import ratio
from lessons.formulas import little
from lessons.measure.stats import median_interval
from lessons.measure.turns import in_turns
from lessons.measure.verdict import AS_FORESEEN, JUDGED, LESS, MORE, differs, foreseen
from lessons.passport import Passport
from lessons.units import Quantity, format_value

LINE = 64  # bytes: each link of the ring has a line to itself
BEFORE = 24  # walks: from here to the most of them the line is looked at for its bend
CALLS = 4  # of a turn, of which the shortest counts
ALONE, CEILING = "a load, 1 walk", "a load, as many walks as help"


class InFlight(Experiment):
    """Follow more and more walks of dependent loads at once: the rate rises, and bends."""

    id = "gpu_memory.in_flight"
    unit = "1"
    kind = "ratio"
    FINDINGS = (
        *("below-streaming", "reaches-streaming"),
        *("bends", "still-rising"),
        *(*JUDGED, "alone-decides", "ceiling-decides", "both-decide"),
    )
    SMALL = {"limit": 1 << 20, "loads": 1 << 10, "rounds": 3}
    WALKS = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 28, 32)

    def __init__(self, limit: int = 1 << 40, loads: int = 1 << 13, rounds: int = 15) -> None:
        self.limit = limit  # bytes of the ring
        self.loads = loads  # of each sample, of all walks together
        self.rounds = rounds

    def predict(self, passport: Passport) -> Outcome:
        most = self.WALKS[-1]
        load, random, stream = passport.latency(), passport.gather(), passport.bandwidth()
        operands = {
            "L": Operand("a load from memory", load),
            "n": Operand("walks at most", Quantity(most, "1"), "chosen"),
            "l": Operand("bytes of a line", Quantity(LINE, "B"), "chosen"),
            "G": Operand("random lines, none waiting for another", random),
        }
        by, ends = ratio({ALONE: "L", CEILING: "max(L / n, l / G)"}, operands)
        textbook = little.knee(load.value, stream.value, LINE)
        data = {"latency": load.value, "gather": random.value, "stream": stream}
        return Outcome(by.quantity(self.unit), data, Quantity(textbook, self.unit), by, ends)

    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons.kernels.chase import chase, ring, walker

        size = min(topology.working_sets(topology.read())["dram"], self.limit)
        progress("linking a ring")
        links = ring(size)
        chase(
            links, min(size // LINE, 1 << 22) // 16 * 16
        )  # as the passport: what the last cache holds is in it
        runs = {walks: walker(links, self.loads, walks) for walks in self.WALKS}
        seconds = in_turns(runs, self.rounds, least_of=CALLS, progress=progress)
        rates = [
            median_interval(seconds[walks], "s").inverse(self.loads // walks * walks * LINE, "B/s")
            for walks in self.WALKS
        ]
        data = {"bytes": size, "walks": list(self.WALKS), "rates": rates}
        one, best = asymptotes(data)
        return Outcome(one.ratio(best), data, ends={ALONE: one, CEILING: best})

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures
        from lessons.experiments import looks
        from lessons.figures.style import FOREGROUND

        (ax,) = figure.axes
        latency, stream = prediction.data["latency"], prediction.data["stream"].value
        ceiling, most = prediction.data["gather"], self.WALKS[-1]
        knee = little.knee(latency, ceiling, LINE)
        # Past the last walk, so that the textbook's bend is seen to lie elsewhere.
        end = max(most, min(2 * prediction.textbook.value if prediction.textbook else most, 4 * most))
        bends = [1, little.knee(latency, stream, LINE), end]
        places = sorted({min(max(place, 1), end) for place in bends})
        figures.predicted(
            ax,
            places,
            [little.throughput(place, latency, stream, LINE) for place in places],
            "predicted, up to a stream's rate",
            color=FOREGROUND,
        )
        places = sorted({1, min(max(knee, 1), end), end})
        figures.predicted(
            ax,
            places,
            [little.throughput(place, latency, ceiling, LINE) for place in places],
            "predicted, up to random lines",
        )
        looks.measured(ax, result.data["walks"], result.data["rates"])
        found = result.quantity.value
        best = max(rate.value for rate in result.data["rates"])
        ax.axvline(found, **figures.guide(dotted=True))
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        figures.rate_axis(ax.yaxis, "B/s", log=True)
        ax.set_xlabel("walks at once")
        ax.set_ylabel("bytes per second")
        figures.name_points(ax, {f"{found:.0f} lines in flight": (found, best)})
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        rates, best = result.data["rates"], _best(result.data)
        one, quickest = asymptotes(result.data)
        stream = prediction.data["stream"]
        return {
            "knee": f"{result.quantity.value:.0f}",
            "due": f"{prediction.quantity.value:.0f}",
            "by_the_book": f"{prediction.textbook.value:.0f}" if prediction.textbook else "",
            "most": self.WALKS[-1],
            "alone": format_value(rates[0].value, "B/s"),
            "wait": format_value(one.value, "s"),
            "between": format_value(quickest.value, "s"),
            "ceiling": format_value(best.value, "B/s"),
            "random": format_value(prediction.data["gather"], "B/s"),
            "latency": format_value(prediction.data["latency"], "s"),
            "stream": format_value(stream.value, "B/s"),
            "share": format_value(best.value / stream.value, "1", 2),
            "before": BEFORE,
            "last_rise": format_value(_last_rise(result.data).value, "1"),
            "with_alone": f"{self._knee(one.value, prediction.data['gather']):.0f}",
            "with_ceiling": f"{self._knee(prediction.data['latency'], best.value):.0f}",
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        verdict = self.verdict(prediction, result)
        bend = differs(_last_rise(result.data), (self.WALKS[-1] / BEFORE) ** 0.5)
        against = differs(_best(result.data).ratio(prediction.data["stream"]))
        return [
            *["below-streaming"]
            * (against < 0 and bend < 0),  # a line that still rises has no ceiling to compare
            *["reaches-streaming"] * (against > 0),
            *{-1: ["bends"], 0: [], 1: ["still-rising"]}[bend],
            verdict,
            *([self._cause(prediction, result)] if verdict in (LESS, MORE) else []),
        ]

    def _knee(self, latency: float, ceiling: float) -> float:
        return min(self.WALKS[-1], little.knee(latency, ceiling, LINE))

    def _cause(self, prediction: Outcome, result: Outcome) -> str:
        """Return which value makes the miss: the one that, measured, brings the prediction near."""
        one, _ = asymptotes(result.data)
        latency, ceiling = prediction.data["latency"], prediction.data["gather"]
        if foreseen(result.quantity.scaled(1 / self._knee(one.value, ceiling))) == AS_FORESEEN:
            return "alone-decides"
        if foreseen(result.quantity.scaled(1 / self._knee(latency, _best(result.data).value))) == AS_FORESEEN:
            return "ceiling-decides"
        return "both-decide"


def asymptotes(data: dict[str, Any]) -> tuple[Quantity, Quantity]:
    """Return the seconds between two loads of one walk, and of as many walks as give the highest rate."""
    return data["rates"][0].inverse(LINE, "s"), _best(data).inverse(LINE, "s")


def _best(data: dict[str, Any]) -> Quantity:
    return max(data["rates"], key=lambda rate: rate.value)


def _last_rise(data: dict[str, Any]) -> Quantity:
    """Return the rate of the most walks over that of three quarters of them: from 4/3 on a slope to 1 on a ceiling."""
    rates = dict(zip(data["walks"], data["rates"]))
    return data["rates"][-1].ratio(rates[BEFORE])
