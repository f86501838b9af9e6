"""The noise of a format on real weights, and what a normal distribution foretells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Derivation, Operand
from lessons.experiments.quantization.formats import FORMATS
from lessons.experiments.text import rows
from lessons.formulas.quantization import decibel
from lessons.measure.verdict import AS_FORESEEN, FORESEEN, LESS, MORE, UNSURE, differs, foreseen
from lessons.passport import Passport, needs
from lessons.units import Quantity

COLUMNS = 512  # of each row: whole blocks of every size
PLACES = LAYERS, EMBEDDING = "layers", "embedding"
DRAWN = ("Q4_1", "NF4", "Q4_0", "INT4")


def sampled(every: int) -> dict[str, np.ndarray]:
    """Return rows of the model's matrices, float32 [rows, 512]: of all layers together, and of the embedding."""
    from lessons.llm.gguf import GGUF
    from lessons.llm.load import find_model
    from lessons.llm.quant import read_tensor

    file = GGUF.open(find_model())
    matrices = [name for name, info in file.tensors.items() if len(info.shape) == 2]
    rows = {
        name: np.ascontiguousarray(read_tensor(file, name)[::every, :COLUMNS])
        for name in matrices
        if name.startswith("blk.") or name == "token_embd.weight"
    }
    return {
        LAYERS: np.concatenate([w for name, w in rows.items() if name.startswith("blk.")]),
        EMBEDDING: rows["token_embd.weight"],
    }


def noise(weights: np.ndarray, rounded: np.ndarray) -> Quantity:
    """Return the mean squared error over the mean square, with the interval that the rows' differences give.

    Args:
        weights, rounded: [rows, columns], at least two rows. The rows count as a random sample of their matrices.

    Source: W. G. Cochran, Sampling Techniques, 1977, section 6.4. The interval is that of the logarithm, which
    cannot reach below nothing.
    """
    error = np.square(rounded - weights, dtype=np.float64).sum(axis=1)
    power = np.square(weights, dtype=np.float64).sum(axis=1)
    share, n = float(error.sum() / power.sum()), len(weights)
    if share == 0:
        return Quantity(0.0, "%", n=n)
    deviation = math.sqrt(n / (n - 1) * float(np.square(error - share * power).sum())) / float(error.sum())
    width = math.exp(1.96 * deviation)
    return Quantity(share, "%", share / width, share * width, n)


def kurtosis(weights: np.ndarray, block: int) -> Quantity:
    """Return the mean fourth power inside a block, in units of its own standard deviation, with a 95 % interval.

    Of normal numbers it is 3 (block - 1) / (block + 1).
    """
    by_block = weights.reshape(-1, block)
    scaled = by_block / np.maximum(by_block.std(axis=1, keepdims=True), 1e-12)
    fourth = np.mean((scaled - scaled.mean(axis=1, keepdims=True)) ** 4, axis=1, dtype=np.float64)
    mean, half = float(np.mean(fourth)), 1.96 * float(np.std(fourth)) / math.sqrt(len(by_block))
    return Quantity(mean, "1", mean - half, mean + half, len(by_block))


def decibels(noise: Quantity) -> Quantity:
    """Return the ratio of signal to a noise that is more than nothing, in dB."""
    return Quantity(decibel(noise.value), "dB", decibel(noise.high), decibel(noise.low), noise.n)


def visible(noise: float) -> bool:
    """Tell real noise from that of float32 arithmetic, where a format meets its own grid."""
    return noise > 1e-9


# How the embedding's noise lies beside that of normal weights.
EMBEDDING_FOUND = {
    AS_FORESEEN: "embedding-as-normal",
    MORE: "embedding-noisier",
    LESS: "embedding-quieter",
    UNSURE: "embedding-unsure",
}


class WeightError(Experiment):
    """Round the model's weights in blocks of three sizes, and compare with rounding normal numbers."""

    id = "quantization.error"
    unit = "%"
    needs = (needs.MODEL,)
    FINDINGS = (
        *FORESEEN,
        "depends-on-block",
        "q4_0-ahead",
        "nf4-ahead",
        "no-winner",
        "embedding-nf4",
        "int4-behind",
        "q4_1-least",
        *EMBEDDING_FOUND.values(),
        "heavy-tails",
        "own-grid",
    )
    SMALL = {"every": 512}
    every = 64  # of the rows of each matrix one is looked at
    panels = (1, 2)
    blocks = (32, 64, 128)

    def predict(self, passport: Passport) -> Outcome:
        table = {name: [f.noise(block) for block in self.blocks] for name, f in FORMATS.items()}
        # A block's largest weight is a level, and so without error: the noise is that of the others.
        block = self.blocks[0]
        others = Quantity(table["Q4_0"][0] * block / (block - 1), "%")
        by = Derivation(
            "(n - 1) / n * e",
            {
                "n": Operand("weights that share a scale", Quantity(block, "1"), "chosen"),
                "e": Operand("noise of all but the largest", others, "closed form, normal weights"),
            },
        )
        return Outcome(by.quantity(self.unit), {"noise": table}, by=by)

    def run(self, progress: Progress = SILENT) -> Outcome:
        progress("reading the file")
        data: dict[str, Any] = {"noise": {}, "kurtosis": {}}
        for place, weights in sampled(self.every).items():
            data["kurtosis"][place] = kurtosis(weights, self.blocks[0])
            data["noise"][place] = {}
            for name, format in FORMATS.items():
                progress(f"{name}, {place}")
                data["noise"][place][name] = [
                    noise(weights, format.round_trip(weights, block)) for block in self.blocks
                ]
        return Outcome(data["noise"][LAYERS]["Q4_0"][0], data)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures
        from lessons.experiments import looks
        from lessons.figures.style import FOREGROUND

        looks_of = dict(zip(DRAWN, zip(("green", "purple", "blue", "vermilion"), figures.MARKS)))
        for ax, place in zip(figure.axes, PLACES):
            for name, (colour, mark) in looks_of.items():
                look: dict[str, Any] = {"color": figures.COLOURS[colour]}
                expected = [decibel(x) for x in prediction.data["noise"][name]]
                figures.predicted(ax, self.blocks, expected, "", **look)
                # A format that holds the file's own grid makes no noise at all: it has no place on the axis.
                found = result.data["noise"][place][name]
                seen = [i for i, q in enumerate(found) if visible(q.value)]
                blocks, ratios = [self.blocks[i] for i in seen], [decibels(found[i]) for i in seen]
                looks.measured(ax, blocks, ratios, label=name, linestyle="none", marker=mark, **look)
            ax.set_xscale("log", base=2)
            ax.set_xticks(self.blocks, [str(block) for block in self.blocks])
            ax.set_xlabel("weights that share a scale")
            ax.set_title({LAYERS: "matrices of the layers", EMBEDDING: "embedding"}[place])
        left, right = figure.axes
        left.set_ylabel("signal over noise (dB)")
        low = min(ax.get_ylim()[0] for ax in figure.axes)
        high = max(ax.get_ylim()[1] for ax in figure.axes)
        for ax in figure.axes:
            ax.set_ylim(low, high)
        right.tick_params(labelleft=False)
        figures.predicted(left, [], [], "normal weights, predicted", color=FOREGROUND)
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        found, expected = result.data["noise"], prediction.data["noise"]
        won, lost = self._q4_0_against_nf4(result)
        cells = {
            name: [_decibels(expected[name][0]), *(_decibels(found[at][name][0].value) for at in PLACES)]
            for name in FORMATS
        }
        table: list[list[object]] = [
            ["format", "bits per weight", "normal, predicted", "layers", "embedding"]
        ]
        for name, format in FORMATS.items():
            table.append([name, f"{format.bits_per_weight(self.blocks[0]):.2f}", *cells[name]])
        embedding = found[EMBEDDING]["INT4"][0].value / expected["INT4"][0]
        tails = {place: f"{q.value:.1f}" for place, q in result.data["kurtosis"].items()}
        return {
            "table": rows(table),
            "block": self.blocks[0],
            "blocks": _listed(self.blocks),
            "won": _listed(won),
            "lost": _listed(lost),
            "times": f"{embedding:.2f}",
            "gap": f"{-decibel(embedding):.1f} dB",
            "tails_embedding": tails[EMBEDDING],
            "tails_layers": tails[LAYERS],
            "tails_normal": f"{3 * (self.blocks[0] - 1) / (self.blocks[0] + 1):.1f}",
            "by_format": "; ".join(f"{name} {', '.join(cells[name])}" for name in DRAWN),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        layers, embedding = result.data["noise"][LAYERS], result.data["noise"][EMBEDDING]
        found = [self.verdict(prediction, result), self._winner(result)]
        if differs(embedding["NF4"][0].ratio(embedding["Q4_0"][0])) < 0:
            found.append("embedding-nf4")
        others = [layers[name][i].ratio(q) for name in ("Q4_0", "NF4") for i, q in enumerate(layers["INT4"])]
        if all(differs(share) < 0 for share in others):
            found.append("int4-behind")
        rivals = [name for name in DRAWN if name != "Q4_1"]
        if all(
            differs(at["Q4_1"][0].ratio(at[name][0])) < 0 for name in rivals for at in (layers, embedding)
        ):
            found.append("q4_1-least")
        of_normal = embedding["INT4"][0].scaled(1 / prediction.data["noise"]["INT4"][0], "1")
        found.append(EMBEDDING_FOUND[foreseen(of_normal)])
        tails = result.data["kurtosis"]
        if differs(tails[EMBEDDING].ratio(tails[LAYERS])) > 0:
            found.append("heavy-tails")
        if not all(visible(by_block[0].value) for at in (layers, embedding) for by_block in at.values()):
            found.append("own-grid")
        return found

    def _winner(self, result: Outcome) -> str:
        won, lost = self._q4_0_against_nf4(result)
        if won and lost and max(won) < min(lost):
            return "depends-on-block"
        if bool(won) == bool(lost):
            return "no-winner"
        return "q4_0-ahead" if won else "nf4-ahead"

    def _q4_0_against_nf4(self, result: Outcome) -> tuple[list[int], list[int]]:
        """Return the blocks at which Q4_0 makes less noise on the layers than NF4, and those at which it makes more."""
        layers = result.data["noise"][LAYERS]
        signs = [differs(ours.ratio(book)) for ours, book in zip(layers["Q4_0"], layers["NF4"])]
        won, lost = ([b for b, sign in zip(self.blocks, signs) if sign == wanted] for wanted in (-1, 1))
        return won, lost


def _decibels(noise: float) -> str:
    return f"{decibel(noise):.1f}" if visible(noise) else "none"


def _listed(blocks: Sequence[int]) -> str:
    *first, last = [str(block) for block in blocks] or ["none"]
    return f"{', '.join(first)} and {last}" if first else last
