"""What noise in the weights does to the model: perplexity of the same text, format by format."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.quantization.formats import FORMATS, Format
from lessons.measure.conditions import one_thread, set_one_thread
from lessons.passport import Passport
from lessons.units import Quantity

PACKED = "packed, int8 activations"
PART = 256  # rows of a matrix that are rounded together: their working copies stay in the cache


class Perplexity(Experiment):
    """Round every matrix of the model through a format, and let it foresee the same pages."""

    id = "quantization.perplexity"
    title = "nats that 3 bits add, over those that Q4_0 adds"
    unit = "1"
    question = (
        "How many times as much surprise a token do symmetric 3-bit weights add to the model as Q4_0 weights?"
    )
    SMALL = {"formats": ("Q8_0", "Q4_0", "INT3"), "texts": 1, "length": 33}
    formats = ("Q8_0", "E4M3", "NF4", "Q4_0", "INT3")
    block = 32
    texts, length = 5, 81  # 80 tokens are foreseen in each: five passes of 16

    def predict(self, passport: Passport) -> Outcome:
        noise = {name: FORMATS[name].noise(self.block) for name in self.formats}
        return Outcome(Quantity(noise["INT3"] / noise["Q4_0"], "1"), {"noise": noise})

    @one_thread()
    def run(self, progress: Progress = SILENT) -> Outcome:
        from concurrent.futures import ThreadPoolExecutor

        from lessons.llm.gguf import GGUF
        from lessons.llm.load import LLM, find_model, load
        from lessons.llm.model import Llama
        from lessons.llm.perplexity import score, windows
        from lessons.llm.weights import read_weights

        progress("the file's own weights")
        llm = load()
        config, tokenizer = llm.config, llm.tokenizer
        texts = windows(tokenizer, self.texts, self.length)
        base = score(llm, texts)
        del llm  # half a gigabyte
        data: dict[str, Any] = {"base": base.perplexity, "tokens": len(base.nats), "added": {}}
        file = GGUF.open(find_model())

        def added(name: str) -> Any:
            progress(name)
            if name == PACKED:
                return score(load("packed", activations="int8"), texts, chunk=16).added(base).to_json()
            weights = read_weights(file, through=partial(_rounded, FORMATS[name], block=self.block))
            return score(LLM(config, tokenizer, Llama(weights)), texts).added(base).to_json()

        # Two at a time, each on a core of its own: they wait for nothing, and a model takes half a gigabyte.
        names = (*self.formats, PACKED)
        with ThreadPoolExecutor(2, initializer=set_one_thread) as pool:
            data["added"] = dict(zip(names, pool.map(added, names)))
        three, four = (Quantity.from_json(data["added"][name]) for name in ("INT3", "Q4_0"))
        return Outcome(three.ratio(four), data)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        noise = prediction.data["noise"]
        added = {name: Quantity.from_json(q) for name, q in result.data["added"].items() if name != PACKED}
        anchor = added["Q4_0"].value / noise["Q4_0"]
        line = sorted(noise.values())
        figures.predicted(ax, line, [anchor * x for x in line], "in proportion to noise, through Q4_0")
        seen = [name for name in self.formats if added[name].low > 0]
        figures.measured(
            ax,
            [noise[name] for name in seen],
            [added[name].value for name in seen],
            [added[name].low for name in seen],
            [added[name].high for name in seen],
            linestyle="none",
        )
        for name in seen:
            ax.annotate(
                name,
                (noise[name], added[name].value),
                textcoords="offset points",
                # NF4 and Q4_0 lie side by side.
                xytext=(-9, 5) if name != "NF4" else (9, -10),
                ha="right" if name != "NF4" else "left",
            )
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_xlabel("noise of normal weights, share of their power")
        ax.set_ylabel("nats added to each token")
        ax.legend(loc="lower right")

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        return (
            "Nats added to a token against the noise of the format, both logarithmic. E4M3, Q4_0, NF4 and INT3 lie "
            "along one rising dashed line of slope one."
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        import math

        base, noise = result.data["base"], prediction.data["noise"]
        rows = []
        for name, record in result.data["added"].items():
            q = Quantity.from_json(record)
            share = f"{q.value / noise[name]:.0f}" if name in noise and q.low > 0 else ""
            shown = f"{q.value:+.3f} ({q.low:+.3f} to {q.high:+.3f})"
            rows.append(f"| {name} | {base * math.exp(q.value):.1f} | {shown} | {share} |")
        return "\n".join(
            [
                f"The file's own weights have a perplexity of {base:.1f} over {result.data['tokens']} tokens.",
                "",
                "| weights | perplexity | nats added to a token | nats over noise |",
                "|---|---:|---:|---:|",
                *rows,
                "",
                self._proportion(prediction, result),
                "",
                self._small(result),
            ]
        )

    def _proportion(self, prediction: Outcome, result: Outcome) -> str:
        q, expected = result.quantity, prediction.quantity.value
        if q.low <= expected <= q.high:
            return (
                "The added surprise is **in proportion to the noise**, as the second-order argument says, within "
                "what so few tokens can tell. Even three bits, which ruin the model, are not beyond it."
            )
        if q.value > expected:
            return (
                "Three bits cost more than in proportion: so much noise is no small step away from the trained "
                "weights, and the terms beyond the second order add to it."
            )
        return (
            "Three bits cost less than in proportion: surprise cannot grow for ever, as a model that knows nothing "
            "is still no worse than a uniform guess."
        )

    def _small(self, result: Outcome) -> str:
        eight, whole = (Quantity.from_json(result.data["added"][name]) for name in ("Q8_0", PACKED))
        text = (
            "Q8_0 cannot be told from the file's own weights."
            if eight.low <= 0 <= eight.high
            else f"Q8_0 differs from the file's own weights by {eight.value:+.3f} nats, more than chance."
        )
        if whole.low > 0:
            text += (
                f" Rounding the *activations* to 8 bits adds {whole.value:.3f} nats to the packed file, which is "
                "seen only because both runs met the same tokens."
            )
        else:
            text += " Rounding the *activations* to 8 bits adds nothing that these tokens could show."
        return text


def _rounded(format: Format, weights: np.ndarray, block: int) -> np.ndarray:
    """Return a whole matrix as it comes back from the format."""
    parts = range(0, len(weights), PART)
    return np.concatenate([format.round_trip(weights[first : first + PART], block) for first in parts])
