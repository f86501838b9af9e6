"""Fewer bits, more tokens a second."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Derivation
from lessons.experiments.quantization.steps import SETTLE, VARIANTS, operands, step
from lessons.experiments.ratios import ratio
from lessons.experiments.text import rows
from lessons.llm.footprint import step_bytes
from lessons.measure import in_turns, median_interval, median_ratio
from lessons.measure.conditions import one_thread
from lessons.measure.verdict import AS_FORESEEN, JUDGED, LESS, differs, foreseen
from lessons.passport import Passport, needs
from lessons.units import format_bytes, format_value, percent

MARGIN = 0.03  # a smaller gain is none that a reader of the two times can see


class Speed(Experiment):
    """Time one token with the weights in four representations."""

    id = "quantization.speed"
    unit = "1"
    kind = "ratio"
    needs = (needs.MODEL,)
    FINDINGS = (
        *JUDGED,
        "bound-loose",
        "helps-twice",
        "unpacking-hides",
        "unpacking-unsure",
        "unpacking-shows",
        "int8-gains",
        "int8-no-gain",
        "int8-unsure",
        "int8-slower",
    )
    SMALL = {"rounds": 2}
    rounds = 7
    compared = ("float32", "packed, int8")

    def predict(self, passport: Passport) -> Outcome:
        bounds = {name: operands(passport, name) for name in VARIANTS}
        seconds = {name: Derivation("max(F / P, B / R)", bound).value for name, bound in bounds.items()}
        float32, packed = (bounds[name] for name in self.compared)
        by, ends = ratio(
            dict(zip(self.compared, ("max(F / P, B / R)", "max(F / Q, C / R)"))),
            {**float32, "Q": packed["P"], "C": packed["B"]},
        )
        return Outcome(
            by.quantity(self.unit),
            {"seconds": seconds, "bandwidth": float32["R"].quantity.value},
            by=by,
            ends=ends,
        )

    @one_thread()
    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons.llm.load import load

        steps: dict[Hashable, Callable[[], None]] = {}
        for name, how in VARIANTS.items():
            progress(f"loading {name}")
            steps[name] = step(load(**how), rows=1)
        progress("measuring")
        found = in_turns(steps, self.rounds, settle=SETTLE, least_of=3)
        seconds = {name: median_interval(s, "s") for name, s in found.items()}
        over, under = self.compared
        return Outcome(
            median_ratio(found[over], found[under]),
            {
                "seconds": seconds,
                # Round by round, since a busy machine slows both: bytes a second of packed over float32 weights ...
                "reached": median_ratio(
                    found["float32"],
                    found["packed, float32"],
                    step_bytes("packed, float32") / step_bytes("float32"),
                ),
                # ... and what the whole-number arithmetic brings.
                "gain": median_ratio(found["packed, float32"], found["packed, int8"]),
            },
            ends={name: seconds[name] for name in self.compared},
        )

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from matplotlib.patheffects import withStroke

        from lessons import figures
        from lessons.figures.style import BACKGROUND, FOREGROUND

        (ax,) = figure.axes
        names = list(VARIANTS)
        rates = [result.data["seconds"][name].inverse(1, "tokens/s") for name in names]
        places = range(len(names))
        figures.bars(ax, places, [q.value for q in rates], "measured", colour="sky")
        spread = [[q.value - q.low for q in rates], [q.high - q.value for q in rates]]
        interval = ax.errorbar(
            places, [q.value for q in rates], yerr=spread, fmt="none", ecolor=FOREGROUND, capsize=3
        )
        for part in (*interval[1], *interval[2]):  # on a bar and on the page, in both themes
            part.set_path_effects([withStroke(linewidth=3, foreground=BACKGROUND)])
        expected = [1 / prediction.data["seconds"][name] for name in names]
        figures.levels(ax, places, expected, "predicted by the roofline")
        labels = [f"{name}\n{format_bytes(step_bytes(name))}".replace(", ", ",\n") for name in names]
        ax.set_xticks(list(places), labels)
        ax.grid(axis="x", visible=False)
        figures.rate_axis(ax.yaxis, "tokens/s")
        ax.set_ylabel("throughput")
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        expected, found = prediction.data["seconds"], result.data["seconds"]
        read = {name: step_bytes(name) / found[name].value for name in VARIANTS}
        stream = read["float32"] / prediction.data["bandwidth"]
        missed = [result.ends[name].ratio(end) for name, end in prediction.ends.items()]
        table: list[list[object]] = [["weights", "bytes per token", "predicted", "measured", "weights read"]]
        for name, q in found.items():
            size, rate = format_bytes(step_bytes(name)), format_value(read[name], "B/s")
            table.append([name, size, format_value(expected[name], "s"), q, rate])
        return {
            "table": rows(table),
            "stream": percent(stream, 3 if stream >= 1 else 2),
            **{f"{name}_miss": f"{q.value:.2f}" for name, q in zip(("float32", "packed"), missed)},
            "reached": format_value(result.data["reached"].value, "1"),
            "reached_interval": result.data["reached"],
            "margin": percent(MARGIN),
            "gain": format_value(result.data["gain"].value, "1"),
            "gain_interval": result.data["gain"],
            "by_form": "; ".join(
                f"{name} {1 / q.value:.0f}, predicted {1 / expected[name]:.0f}" for name, q in found.items()
            ),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        reached, gain = result.data["reached"], result.data["gain"]
        # What can't be told from one is one only where its interval is narrow.
        hides = "unpacking-hides" if foreseen(reached) == AS_FORESEEN else "unpacking-unsure"
        no_gain = "int8-no-gain" if foreseen(gain) == AS_FORESEEN else "int8-unsure"
        gains = "int8-gains" if differs(gain, 1 + MARGIN) > 0 else no_gain
        over = result.ends["float32"].ratio(prediction.ends["float32"])
        return [
            self.verdict(prediction, result),
            *["bound-loose"] * (foreseen(over) == LESS),
            {1: "helps-twice", 0: hides, -1: "unpacking-shows"}[differs(reached)],
            "int8-slower" if differs(gain) < 0 else gains,
        ]
