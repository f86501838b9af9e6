"""What noise in the weights does to the model: perplexity of the same text, format by format."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Derivation, Operand
from lessons.experiments.quantization.formats import FORMATS, Format
from lessons.experiments.text import rows
from lessons.measure.conditions import one_thread, set_one_thread
from lessons.measure.verdict import FORESEEN, differs
from lessons.passport import Passport, needs
from lessons.units import Quantity

PACKED = "packed, int8 activations"
PART = 256  # rows of a matrix that are rounded together: their working copies stay in the cache


class Perplexity(Experiment):
    """Round every matrix of the model through a format, and let it predict the same pages."""

    id = "quantization.perplexity"
    unit = "1"
    needs = (needs.MODEL,)
    FINDINGS = (*FORESEEN, "q8_0-differs", "q8_0-the-same", "activations-cost", "activations-free")
    SMALL = {"formats": ("Q8_0", "Q4_0", "INT3"), "texts": 1, "length": 33}
    formats = ("Q8_0", "E4M3", "NF4", "Q4_0", "INT3")
    block = 32
    texts, length = 5, 81  # 80 tokens are predicted in each: five passes of 16

    def predict(self, passport: Passport) -> Outcome:
        noise = {name: FORMATS[name].noise(self.block) for name in self.formats}
        by = Derivation(
            "a / b",
            {
                symbol: Operand(f"noise of {name}", Quantity(noise[name], "%"), "closed form, normal weights")
                for symbol, name in (("a", "INT3"), ("b", "Q4_0"))
            },
        )
        return Outcome(by.quantity(self.unit), {"noise": noise}, by=by)

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

        def added(name: str) -> Quantity:
            progress(name)
            if name == PACKED:
                return score(load("packed", activations="int8"), texts, chunk=16).added(base)
            weights = read_weights(file, through=partial(_rounded, FORMATS[name], block=self.block))
            return score(LLM(config, tokenizer, Llama(weights)), texts).added(base)

        # Two at a time, each on a core of its own: they wait for nothing, and a model takes half a gigabyte.
        names = (*self.formats, PACKED)
        with ThreadPoolExecutor(2, initializer=set_one_thread) as pool:
            data["added"] = dict(zip(names, pool.map(added, names)))
        return Outcome(data["added"]["INT3"].ratio(data["added"]["Q4_0"]), data)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures
        from lessons.experiments import looks

        (ax,) = figure.axes
        noise, added = prediction.data["noise"], result.data["added"]
        anchor = added["Q4_0"].value / noise["Q4_0"]
        line = sorted(noise.values())
        figures.predicted(ax, line, [anchor * x for x in line], "in proportion to noise, through Q4_0")
        seen = [name for name in self.formats if added[name].low > 0]
        looks.measured(ax, [noise[name] for name in seen], [added[name] for name in seen], linestyle="none")
        figures.rate_axis(ax.xaxis, "%", log=True)
        figures.rate_axis(ax.yaxis, "nats", log=True)
        ax.set_xlabel("noise over signal, normal weights")
        ax.set_ylabel("added per token")
        ax.margins(0.15)  # room for the names of the outer points
        figures.name_points(ax, {name: (noise[name], added[name].value) for name in seen}, near=0)
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        base, noise, added = result.data["base"], prediction.data["noise"], result.data["added"]
        table: list[list[object]] = [["weights", "perplexity", "nats added per token", "nats over noise"]]
        for name, q in added.items():
            share = f"{q.value / noise[name]:.0f}" if name in noise and q.low > 0 else ""
            table.append([name, f"{base * math.exp(q.value):.1f}", _nats(q), share])
        return {
            "base": f"{base:.1f}",
            "tokens": result.data["tokens"],
            "table": rows(table),
            "q4_0": f"{added['Q4_0'].value:.2f}",
            "int3": f"{added['INT3'].value:.2f}",
            "q8_0": f"{added['Q8_0'].value:+.3f}",
            "activations": f"{added[PACKED].value:.3f}",
            "by_format": "; ".join(f"{name} {_nats(q)}" for name, q in added.items() if name != PACKED),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        added = result.data["added"]
        return [
            self.verdict(prediction, result),
            "q8_0-differs" if differs(added["Q8_0"], 0) else "q8_0-the-same",
            "activations-cost" if differs(added[PACKED], 0) > 0 else "activations-free",
        ]


def _nats(added: Quantity) -> str:
    return f"{added.value:+.3f} ({added.low:+.3f} to {added.high:+.3f})"


def _rounded(format: Format, weights: np.ndarray, block: int) -> np.ndarray:
    """Return a whole matrix as it comes back from the format."""
    parts = range(0, len(weights), PART)
    return np.concatenate([format.round_trip(weights[first : first + PART], block) for first in parts])
