"""The noise of a format on real weights, and what a normal distribution foretells."""

from __future__ import annotations

from typing import Any

import numpy as np

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.quantization.formats import FORMATS
from lessons.formulas.quantization import decibel
from lessons.passport import Passport
from lessons.units import Quantity

COLUMNS = 512  # of each row: whole blocks of every size
LAYERS, EMBEDDING = "layers", "embedding"


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


def noise(weights: np.ndarray, rounded: np.ndarray) -> float:
    """Return the mean squared error over the mean square."""
    return float(np.square(rounded - weights, dtype=np.float64).sum() / np.square(weights).sum())


class WeightError(Experiment):
    """Round the model's weights in blocks of three sizes, and compare with rounding normal numbers."""

    id = "quantization.error"
    title = "noise of Q4_0 in blocks of 32, share of the weights' power"
    unit = "%"
    question = (
        "A weight gets four bits, and 32 weights share a scale. What share of their power becomes noise?"
    )
    SMALL = {"every": 512}
    every = 64  # of the rows of each matrix one is looked at
    panels = (1, 2)
    blocks = (32, 64, 128)

    def predict(self, passport: Passport) -> Outcome:
        table = {name: [f.noise(block) for block in self.blocks] for name, f in FORMATS.items()}
        return Outcome(Quantity(table["Q4_0"][0], "%"), {"noise": table})

    def run(self, progress: Progress = SILENT) -> Outcome:
        progress("reading the file")
        data: dict[str, Any] = {"noise": {}, "kurtosis": {}}
        for place, weights in sampled(self.every).items():
            by_block = weights.reshape(-1, 32)
            scaled = by_block / np.maximum(by_block.std(axis=1, keepdims=True), 1e-12)
            data["kurtosis"][place] = float(np.mean((scaled - scaled.mean(axis=1, keepdims=True)) ** 4))
            data["noise"][place] = {}
            for name, format in FORMATS.items():
                progress(f"{name}, {place}")
                data["noise"][place][name] = [
                    noise(weights, format.round_trip(weights, block)) for block in self.blocks
                ]
        return Outcome(Quantity(data["noise"][LAYERS]["Q4_0"][0], "%"), data)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        colours = dict(zip(("Q4_1", "NF4", "Q4_0", "INT4"), ("green", "purple", "blue", "vermilion")))
        for ax, place in zip(figure.axes, (LAYERS, EMBEDDING)):
            for name, colour in colours.items():
                look: dict[str, Any] = {"color": figures.COLOURS[colour]}
                expected = [decibel(x) for x in prediction.data["noise"][name]]
                figures.predicted(ax, self.blocks, expected, "", **look)
                # A format that holds the file's own grid makes no noise at all: it has no place on the axis.
                found = result.data["noise"][place][name]
                seen = [i for i, x in enumerate(found) if visible(x)]
                blocks, ratios = [self.blocks[i] for i in seen], [decibel(found[i]) for i in seen]
                figures.measured(ax, blocks, ratios, label=name, linestyle="none", **look)
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
        handles, labels = left.get_legend_handles_labels()
        (line,) = left.plot([], [], "--", color="#888888")
        figure.legend(
            [*handles, line],
            [*labels, "lines: normal weights, predicted"],
            loc="outside lower center",
            ncols=5,
        )

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        return (
            "Signal over noise of four 4-bit formats for blocks of 32, 64 and 128 weights. On the layers' matrices "
            "the points lie close to the dashed lines of normal weights, which fall as blocks grow, that of NF4 "
            "most gently. On the embedding the points lie below their lines, and further below the larger the block."
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        found, expected = result.data["noise"], prediction.data["noise"]
        rows = []
        for name, format in FORMATS.items():
            cells = [
                f"{decibel(x):.1f}" if visible(x) else "none"
                for x in (expected[name][0], found[LAYERS][name][0], found[EMBEDDING][name][0])
            ]
            rows.append(f"| {name} | {format.bits_per_weight(32):.2f} | {' | '.join(cells)} |")
        return "\n".join(
            [
                "Blocks of 32, signal over noise in dB:",
                "",
                "| format | bits a weight | normal, predicted | layers | embedding |",
                "|---|---:|---:|---:|---:|",
                *rows,
                "",
                self._winner(found),
                "",
                self._tails(prediction, result),
                "",
                "*None* means that nothing was lost: the file itself holds the layers in Q4_1 and the embedding in "
                "Q8_0, blocks of 32, and a format finds its own grid again. So these weights have been rounded "
                "once before. A second grid falls anywhere between the points of the first, which is why the other "
                "formats still meet their prediction.",
            ]
        )

    def _winner(self, found: dict[str, Any]) -> str:
        layers, embedding = found[LAYERS], found[EMBEDDING]
        better = [b for b, ours, book in zip(self.blocks, layers["Q4_0"], layers["NF4"]) if ours < book]
        if better and len(better) < len(self.blocks):
            text = (
                f"On the layers **Q4_0 beats NF4 in blocks of {' and '.join(map(str, better))}, and loses in larger "
                "ones**: among few weights the largest is not far out, and a format that spends a level on exactly "
                "that weight is served well."
            )
        elif better:
            text = "On the layers Q4_0 beats NF4 at every block size here."
        else:
            text = "On the layers NF4 beats Q4_0 at every block size here."
        if embedding["NF4"][0] < embedding["Q4_0"][0]:
            text += " On the embedding NF4 is ahead already at 32."
        return text + (
            " Both are ahead of the symmetric INT4 that textbooks compare NF4 with. Q4_1 makes the least noise in "
            "blocks of 32, for half a bit more."
        )

    def _tails(self, prediction: Outcome, result: Outcome) -> str:
        kurtosis = result.data["kurtosis"]
        lost = decibel(prediction.data["noise"]["INT4"][0]) - decibel(
            result.data["noise"][EMBEDDING]["INT4"][0]
        )
        if lost < 0.5:
            return "Embedding and layers both lie near the lines: inside a block these weights are as good as normal."
        return (
            f"The embedding lies {lost:.1f} dB below the line of INT4. Its blocks have heavier tails: the mean fourth "
            f"power inside a block of 32 is {kurtosis[EMBEDDING]:.1f} there, {kurtosis[LAYERS]:.1f} in the layers, and "
            "2.8 for normal numbers. One large weight sets the scale, and the others get what is left of the levels. "
            "NF4 keeps most of its levels near zero, and loses least."
        )


def visible(noise: float) -> bool:
    """Tell real noise from that of float32 arithmetic, where a format meets its own grid."""
    return noise > 1e-9
