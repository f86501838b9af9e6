"""Fewer bits, more tokens a second: when bytes decide, and when arithmetic does."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from lessons.datasheets import model
from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.threads import one_thread
from lessons.formulas import llama
from lessons.formulas.roofline import Work, time_bound
from lessons.measure import in_turns, median_interval, median_ratio
from lessons.passport import Passport
from lessons.units import Quantity, format_bytes, format_value

VARIANTS: dict[str, dict[str, str]] = {
    "float32": {"weights": "float32"},
    "bfloat16": {"weights": "bfloat16"},
    "packed, float32": {"weights": "packed"},
    "packed, int8": {"weights": "packed", "activations": "int8"},
}
CONTEXT = 64  # tokens before the ones that are timed
# Seconds of passes before those that are timed, as a model runs that writes token after token: a last cache that held
# other weights keeps the new ones only after some ten passes over them.
SETTLE = 0.06


def step_bytes(variant: str) -> float:
    """Return the bytes of weights that one pass reads."""
    formats = ("Q4_1", "Q8_0") if variant.startswith("packed") else (variant, variant)
    return llama.weight_bytes(model("smollm2-135m"), *formats)


def arithmetic(variant: str) -> str:
    """Return the dtype whose peak bounds a variant on a CPU, which multiplies bfloat16 weights as float32."""
    return "int8" if variant.endswith("int8") else "float32"


def step_work(variant: str, rows: int) -> Work:
    """Return the work of a pass with ``rows`` tokens; activations and the cache are small beside the weights."""
    return llama.step(model("smollm2-135m"), rows, weights=step_bytes(variant))


def step(llm: Any, rows: int) -> Callable[[], None]:
    """Return a function that runs a pass with ``rows`` tokens after ``CONTEXT`` others."""
    import torch

    cache = llm.new_cache(CONTEXT + rows)
    llm.model.forward(torch.arange(1000, 1000 + CONTEXT), cache, last_only=True)
    tokens = torch.arange(2000, 2000 + rows)

    def run() -> None:
        llm.model.forward(tokens, cache)
        cache.truncate(CONTEXT)

    return run


class Speed(Experiment):
    """Time one token with the weights in four representations."""

    id = "quantization.speed"
    title = "tokens a second, packed with int8 arithmetic over float32"
    rounds = 7
    unit = "1"
    question = "How many times as many tokens a second does one core write with packed 4-bit weights as with float32?"

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


class Rows(Experiment):
    """Time passes of several tokens over packed weights, in both arithmetics."""

    id = "quantization.rows"
    title = "five tokens at once over one, packed, float32 arithmetic"
    unit = "1"
    question = (
        "Five tokens share one reading of the packed weights. How many times as long as one token do they "
        "take in float32 arithmetic?"
    )
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


def _seconds(result: Outcome, name: str) -> Quantity:
    return Quantity.from_json(result.data["seconds"][name])
