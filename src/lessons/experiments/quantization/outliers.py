"""Activations in 8 bits: a few of them are huge, and one scale for all has to reach them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Derivation, Operand
from lessons.experiments.text import rows
from lessons.formulas.quantization import absmax_noise, crest_noise, normal_crest
from lessons.measure import median_interval, median_ratio
from lessons.measure.conditions import one_thread
from lessons.measure.verdict import FORESEEN, differs
from lessons.passport import Passport, needs
from lessons.units import Quantity, percent

LARGEST = 127
ABSMAX, CLIPPED, SMOOTH = "one scale, absmax", "one scale, 99.9 %", "one scale, SmoothQuant"
EACH_TOKEN = "a scale for each token"
APART = 0.01  # share of the channels that are kept in floating point by the split


def to_int8(x: np.ndarray, scale: np.ndarray | float) -> np.ndarray:
    """Round ``x / scale`` to whole numbers in -127..127, and return them in units of x again."""
    return np.clip(np.rint(x / scale), -LARGEST, LARGEST) * scale


def times(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the product of two float32 matrices by torch, which keeps to the threads that it was given."""
    import torch

    return (torch.from_numpy(a) @ torch.from_numpy(b)).numpy()


def absmax_scale(x: np.ndarray, axis: int | None = None) -> Any:
    """Return the step with which the largest magnitude (of all, or along ``axis``) becomes 127."""
    return np.maximum(np.abs(x).max(axis=axis, keepdims=axis is not None), 1e-12) / LARGEST


def smooth(
    calibration: np.ndarray,
    w: np.ndarray,
    strength: float = 0.5,
) -> np.ndarray:
    """Return for each channel what to divide its activations by, and multiply its weights with.

    Args:
        calibration: activations [tokens, channels] of other text.
        w: weights [outputs, channels].
        strength: 0 leaves all the difficulty with the activations, 1 moves it to the weights.

    Source: xiao2023smoothquant, equation 4.
    """
    x_largest = np.maximum(np.abs(calibration).max(axis=0), 1e-5)
    w_largest = np.maximum(np.abs(w).max(axis=0), 1e-5)
    return x_largest**strength / w_largest ** (1 - strength)


@dataclass(frozen=True)
class Product:
    """One product of the model with real activations.

    Attributes:
        w: weights [outputs, channels], float32.
        calibration: activations [tokens, channels] from which scales may be taken beforehand.
        x: activations [tokens, channels] that are multiplied: other text.
    """

    w: np.ndarray
    calibration: np.ndarray
    x: np.ndarray

    @cached_property
    def exact(self) -> np.ndarray:
        return times(self.x, self.w.T)

    @property
    def crest(self) -> float:
        """The largest activation of the calibration over their root mean square."""
        return float(np.abs(self.calibration).max() / np.sqrt(np.mean(np.square(self.calibration))))

    def error(self, product: np.ndarray, every: int = 1) -> Quantity:
        """Return the relative error of the outputs of the median token, or of that among every so manieth."""
        wrong = np.linalg.norm(product - self.exact, axis=1) / np.linalg.norm(self.exact, axis=1)
        return median_interval(wrong[::every].tolist(), "%")

    def largest_comes_first(self, length: int) -> bool:
        """Tell whether the largest activation is at the first token of a text; texts have ``length`` tokens."""
        return int(np.abs(self.calibration).max(axis=1).argmax()) % length == 0

    def first_token_clipped(self, length: int) -> Quantity:
        """Return the error of the texts' first tokens when one scale is set by the 99.9th percentile."""
        return self.error(times(self.clipped(), to_int8(self.w, absmax_scale(self.w, 1)).T), every=length)

    def clipped(self) -> np.ndarray:
        """Return the activations in 8 bits, one scale, with what lies beyond the 99.9th percentile cut off."""
        return to_int8(self.x, float(np.quantile(np.abs(self.calibration), 0.999)) / LARGEST)

    def errors(self) -> dict[str, Quantity]:
        """Return the error by method. Weights are int8 with a scale for each output everywhere."""
        x, w, seen = self.x, self.w, self.calibration
        w8 = to_int8(w, absmax_scale(w, 1)).T
        s = smooth(seen, w)
        smooth_w8 = to_int8(w * s, absmax_scale(w * s, 1)).T
        apart = np.argsort(np.abs(seen).max(axis=0))[-max(1, round(APART * w.shape[1])) :]
        rest = np.setdiff1d(np.arange(w.shape[1]), apart)
        products = {
            "weights only": times(x, w8),
            ABSMAX: times(to_int8(x, absmax_scale(seen)), w8),
            CLIPPED: times(self.clipped(), w8),
            SMOOTH: times(to_int8(x / s, absmax_scale(seen / s)), smooth_w8),
            EACH_TOKEN: times(to_int8(x, absmax_scale(x, 1)), w8),
            "each token, SmoothQuant": times(to_int8(x / s, absmax_scale(x / s, 1)), smooth_w8),
            "each token, 1 % of channels apart": (
                times(to_int8(x[:, rest], absmax_scale(x[:, rest], 1)), w8[rest])
                + times(x[:, apart], w[:, apart].T)
            ),
        }
        return {name: self.error(y) for name, y in products.items()}


def products(texts: int, length: int) -> list[Product]:
    """Return each layer's down projection with the activations that real text brings to it."""
    import torch
    from torch.nn.functional import silu

    from lessons.llm.gguf import GGUF
    from lessons.llm.linear import linear
    from lessons.llm.load import LLM, find_model
    from lessons.llm.model import Llama
    from lessons.llm.perplexity import windows
    from lessons.llm.tokenizer import BPETokenizer
    from lessons.llm.weights import Layer, read_weights

    class Watched(Llama):
        """The same network, which keeps what goes into each down projection."""

        def _feed_forward(self, layer: Layer, x: torch.Tensor) -> torch.Tensor:
            gate, up = linear(self._norm(x, layer.ffn_norm), layer.gate_up).split(self.config.ffn, dim=1)
            inside = silu(gate) * up
            seen.append(inside.numpy())
            return linear(inside, layer.down)

    file = GGUF.open(find_model())
    model = Watched(read_weights(file), compiled=False)
    llm = LLM(model.config, BPETokenizer(file.metadata), model)
    halves = []
    for skip in (0, texts):
        runs = []
        for text in windows(llm.tokenizer, texts, length, skip=skip):
            seen: list[np.ndarray] = []
            model.forward(text, llm.new_cache(length), last_only=True)
            runs.append(seen)
        halves.append([np.concatenate(layer) for layer in zip(*runs)])
    return [Product(layer.down.numpy(), *pair) for layer, *pair in zip(model.weights.layers, *halves)]


class Outliers(Experiment):
    """Multiply real activations in 8 bits, layer by layer, with scales chosen in seven ways."""

    id = "quantization.outliers"
    unit = "%"
    needs = (needs.MODEL,)
    FINDINGS = (
        *FORESEEN,
        "first-token",
        "other-token",
        "token-scale-helps",
        "token-scale-no-help",
        "clipping-helps",
        "clipping-hurts",
        "clipping-unsure",
        "first-pays",
        "smoothing-helps",
        "smoothing-no-help",
        "smoothing-leaves-tokens",
    )
    SMALL = {"texts": 1, "length": 16}
    shown = (
        ABSMAX,
        CLIPPED,
        SMOOTH,
        EACH_TOKEN,
        "each token, 1 % of channels apart",
        "weights only",
    )
    panels = (1, 2)
    texts, length, channels = 4, 64, 1536

    def predict(self, passport: Passport) -> Outcome:
        levels = [i / LARGEST for i in range(-LARGEST, LARGEST + 1)]
        weights = absmax_noise(levels, self.channels)
        crest = normal_crest(self.texts * self.length * self.channels)
        # A step is the largest activation over 127, and an error even over a step has a twelfth of its square.
        by = Derivation(
            "sqrt(w + (c / q)**2 / 12)",
            {
                "w": Operand("noise of the weights", Quantity(weights, "%"), "closed form, normal weights"),
                "c": Operand("crest of normal activations", Quantity(crest, "1"), "closed form"),
                "q": Operand("largest 8-bit step", Quantity(LARGEST, "1"), "counted"),
            },
        )
        return Outcome(by.quantity(self.unit), {"weights only": weights**0.5, "crest": crest}, by=by)

    @one_thread()
    def run(self, progress: Progress = SILENT) -> Outcome:
        progress("running the model")
        found = products(self.texts, self.length)
        errors: dict[str, list[Quantity]] = {}
        for number, product in enumerate(found):
            progress(f"layer {number + 1} of {len(found)}")
            for name, error in product.errors().items():
                errors.setdefault(name, []).append(error)
        return Outcome(
            _median_layer(errors[ABSMAX]),
            {
                "errors": errors,
                "crest": [p.crest for p in found],
                "cut": [p.first_token_clipped(self.length) for p in found],
                # Where the layer's largest activation sits: 0 is the first token of a text.
                "first": [p.largest_comes_first(self.length) for p in found],
            },
        )

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures
        from lessons.experiments import looks
        from lessons.figures.style import FOREGROUND

        marks = zip(self.shown, figures.COLOURS.values(), 2 * figures.MARKS[:3])
        for i, (name, colour, mark) in enumerate(marks):
            found, ax = result.data["errors"][name], figure.axes[i // 3]
            look: dict[str, Any] = {"color": colour, "marker": mark, "markersize": 4, "linewidth": 1.2}
            looks.measured(ax, range(len(found)), found, name, **look)
        low, high = (end(q for ax in figure.axes for q in ax.get_ylim()) for end in (min, max))
        for ax, title in zip(figure.axes, ("one scale for all activations", "finer scales, or none")):
            layers = [0, len(result.data["errors"][ABSMAX]) - 1]
            label = "predicted: one scale, normal activations"
            figures.predicted(ax, layers, [prediction.quantity.value] * 2, label, color=FOREGROUND)
            figures.rate_axis(ax.yaxis, "%", log=True)
            ax.set_ylim(max(low, 1e-3), high)
            ax.set_title(title)
            ax.set_xlabel("layer")
        figure.axes[0].set_ylabel("error of a product")
        figure.axes[1].tick_params(labelleft=False)
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        errors, crest, worst = result.data["errors"], result.data["crest"], _worst(result)
        median = {name: percent(_median_layer(found).value) for name, found in errors.items()}
        there = {name: percent(found[worst].value) for name, found in errors.items()}
        table: list[list[object]] = [["activations", "median layer", f"layer {worst}"]]
        typical = float(np.median(crest))
        return {
            "table": rows([*table, *([name, median[name], there[name]] for name in errors)]),
            "layer": worst,
            "layers": len(crest),
            "firsts": sum(result.data["first"]),
            "crest": f"{typical:.0f}",
            "crest_worst": f"{crest[worst]:.0f}",
            "crest_normal": f"{prediction.data['crest']:.1f}",
            "closed": percent(crest_noise(typical) ** 0.5),
            "clipping": _clipping(result),
            "absmax_worst": there[ABSMAX],
            "clipped_worst": there[CLIPPED],
            "smooth_worst": there[SMOOTH],
            "token_worst": there[EACH_TOKEN],
            "cut_worst": percent(result.data["cut"][worst].value),
            "by_way": "; ".join(f"{name} {there[name]} and {median[name]}" for name in self.shown),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        worst = _worst(result)
        first = result.data["first"][worst]
        there = {name: found[worst] for name, found in result.data["errors"].items()}
        found = [
            self.verdict(prediction, result),
            "first-token" if first else "other-token",
            "token-scale-helps" if _helps(there[EACH_TOKEN], there[ABSMAX]) else "token-scale-no-help",
            {1: "clipping-hurts", 0: "clipping-unsure", -1: "clipping-helps"}[differs(_clipping(result))],
        ]
        if first and differs(result.data["cut"][worst].ratio(there[CLIPPED])) > 0:
            found.append("first-pays")
        found.append("smoothing-helps" if _helps(there[SMOOTH], there[ABSMAX]) else "smoothing-no-help")
        if _helps(there[EACH_TOKEN], there[SMOOTH]):
            found.append("smoothing-leaves-tokens")
        return found


def _worst(result: Outcome) -> int:
    """Return the layer whose product is most wrong with one scale for all activations."""
    return int(np.argmax([q.value for q in result.data["errors"][ABSMAX]]))


def _median_layer(errors: list[Quantity]) -> Quantity:
    return median_interval([q.value for q in errors], "%")


def _clipping(result: Outcome) -> Quantity:
    """Return by what clipping multiplies the error of the median layer, layer by layer."""
    clipped, whole = ([q.value for q in result.data["errors"][name]] for name in (CLIPPED, ABSMAX))
    return median_ratio(clipped, whole)


def _helps(after: Quantity, before: Quantity) -> bool:
    return differs(after.ratio(before)) < 0
