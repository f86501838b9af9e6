"""Fewer bits, more tokens a second."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.quantization.steps import SETTLE, VARIANTS, arithmetic, step
from lessons.formulas.roofline import time_bound
from lessons.llm.footprint import step_bytes, step_work
from lessons.measure import in_turns, median_interval, median_ratio
from lessons.measure.conditions import one_thread
from lessons.passport import Passport
from lessons.units import Quantity, format_bytes, format_value


class Speed(Experiment):
    """Time one token with the weights in four representations."""

    id = "quantization.speed"
    title = "tokens a second, packed with int8 arithmetic over float32"
    rounds = 7
    unit = "1"
    question = "How many times as many tokens a second does one core write with packed 4-bit weights as with float32?"
    SMALL = {"rounds": 2}

    def predict(self, passport: Passport) -> Outcome:
        rate = passport.bandwidth("read", "dram").value
        seconds = {
            name: time_bound(step_work(name, 1), passport.flops(arithmetic(name)).value, rate)
            for name in VARIANTS
        }
        return Outcome(
            Quantity(seconds["float32"] / seconds["packed, int8"], "1"),
            {"seconds": seconds, "bandwidth": rate},
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
        return Outcome(
            median_ratio(found["float32"], found["packed, int8"]),
            {"seconds": {name: median_interval(s, "s").to_json() for name, s in found.items()}},
        )

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        names = list(VARIANTS)
        rates = [_seconds(result, name).inverse(1, "tokens/s") for name in names]
        places = range(len(names))
        ax.bar(places, [q.value for q in rates], 0.6, color=figures.COLOURS["sky"], label="measured")
        spread = [[q.value - q.low for q in rates], [q.high - q.value for q in rates]]
        ax.errorbar(places, [q.value for q in rates], yerr=spread, fmt="none", ecolor="#666666", capsize=3)
        expected = [1 / prediction.data["seconds"][name] for name in names]
        ax.hlines(
            expected,
            [i - 0.38 for i in places],
            [i + 0.38 for i in places],
            color=figures.COLOURS["vermilion"],
            linestyle="--",
            label="predicted: bandwidth over bytes",
            zorder=5,
        )
        labels = [f"{name}\n{format_bytes(step_bytes(name))}" for name in names]
        ax.set_xticks(list(places), labels)
        ax.grid(axis="x", visible=False)
        figures.rate_axis(ax.yaxis, "tokens/s")
        figure.legend(loc="outside lower center", ncols=2)

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        rates = ", ".join(f"{name}: {1 / _seconds(result, name).value:.0f}" for name in VARIANTS)
        return (
            f"Bars of tokens a second on one core, with the prediction from bytes as a dashed line: {rates}."
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        rows = []
        for name in VARIANTS:
            q, expected = _seconds(result, name), prediction.data["seconds"][name]
            rows.append(
                f"| {name} | {format_bytes(step_bytes(name))} | {format_value(expected, 's')} | {q} | "
                f"{format_value(step_bytes(name) / q.value, 'B/s')} |"
            )
        bandwidth = prediction.data["bandwidth"]
        plain, whole = (_seconds(result, name).value for name in ("packed, float32", "packed, int8"))
        # Against the float32 model's own rate: a busy machine slows both.
        stream = step_bytes("float32") / _seconds(result, "float32").value
        reached = step_bytes("packed, float32") / plain / stream
        gain = plain / whole
        text = [
            "| weights | bytes a token | predicted | measured | weights read |",
            "|---|---:|---:|---:|---:|",
            *rows,
            "",
        ]
        if reached > 1.1:
            text.append(
                f"The packed weights are read at {reached:.1f} times the rate of the float32 weights. They are small "
                "enough to stay in the last cache in part, where float32 weights are not: **fewer bytes help "
                "twice**."
            )
        elif reached > 0.75:
            text.append(
                "Packed weights are read as fast as memory gives them, though each must be taken apart, scaled and "
                "multiplied in registers. That arithmetic hides behind the reading."
            )
        else:
            text.append(
                f"Packed weights are read at {100 * reached:.0f} % of the float32 weights' rate: taking them apart "
                "costs more here than reading them. The bytes fell, and the core became the limit."
            )
        if stream < 0.75 * bandwidth:
            text.append(
                f"(All were slower than predicted: the float32 model read its weights at "
                f"{100 * stream / bandwidth:.0f} % of the passport's bandwidth, so this machine had other work. The "
                "lines can still be compared.)"
            )
        text.append("")
        if gain < 0.9:
            text.append(
                f"Whole-number arithmetic gives a factor of {gain:.2f}: it is slower here at one row. Rounding the "
                "activations first costs time, and nothing waited for the multiplications that it saves."
            )
        elif gain < 1.25:
            text.append(
                f"And the whole-number arithmetic, which does four times as much in an instruction where the "
                f"processor has it, gives a factor of {gain:.2f}: at one row there is nothing left for it to save."
            )
        else:
            text.append(
                f"Whole-number arithmetic gives a further factor of {gain:.2f}: even at one row this core was not "
                "waiting for memory alone."
            )
        return "\n".join(text)


def _seconds(result: Outcome, name: str) -> Quantity:
    return Quantity.from_json(result.data["seconds"][name])
