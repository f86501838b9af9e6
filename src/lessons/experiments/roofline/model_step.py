"""A real model's operations, placed on the roofline."""

from __future__ import annotations

from typing import Any

from lessons.datasheets import model
from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.looks import axes, roofs
from lessons.experiments.roofline import step as roofline_step
from lessons.formulas.roofline import Work, time_bound
from lessons.units import Quantity, format_value

SMALL = 100e3  # bytes: an operation that moves less takes microseconds, as long as a call from Python


class ModelStep(Experiment):
    """SmolLM2's operations, placed on the roofline: one token decoded, and a prompt read."""

    id = "roofline.model"
    title = "one decoded token, all its operations"
    unit = "s"
    question = "How long does one core need for one token of a model of SmolLM2's shape, in float32?"
    SMALL = {"context": 16, "prompt": 9}
    panels = (1, 2)

    def __init__(self, name: str = "smollm2-135m", context: int = 1024, prompt: int = 128) -> None:
        self.name, self.context, self.prompt = name, context, prompt

    def phases(self) -> dict[str, tuple[int, int]]:
        """Return rows and context of each phase."""
        return {"decode": (1, self.context), "prefill": (self.prompt, self.prompt)}

    def predict(self, passport) -> Outcome:
        shape = model(self.name)
        peak = passport.flops("float32").value
        rates = {
            level: passport.bandwidth("read", level).value
            for level in ("l2", "dram")
            if level in passport.levels
        }
        data: dict[str, Any] = {"peak": peak, "bandwidths": rates, "calls": roofline_step.calls(shape)}
        for phase, (rows, context) in self.phases().items():
            works = roofline_step.works(shape, rows, context)
            data[phase] = {
                name: {"flop": w.flop, "bytes": w.bytes, "seconds": time_bound(w, peak, rates["dram"])}
                for name, w in works.items()
            }
        total = sum(data["decode"][name]["seconds"] * n for name, n in data["calls"].items())
        return Outcome(Quantity(total, self.unit), data)

    def run(self, progress: Progress = SILENT) -> Outcome:
        shape = model(self.name)
        progress("weights")
        matrices = roofline_step.weights(shape)
        data: dict[str, Any] = {}
        for phase, (rows, context) in self.phases().items():
            progress(phase)
            data[phase] = roofline_step.step(shape, matrices, rows, context)
        counts = roofline_step.calls(shape)
        return Outcome(Quantity(sum(data["decode"][k] * n for k, n in counts.items()), self.unit, n=3), data)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        markers = dict(zip(prediction.data["decode"], "vosD^PX*"))
        colours = [figures.COLOURS[name] for name in ("orange", "blue", "green", "purple")]
        for ax, phase in zip(figure.axes, self.phases()):
            roofs(ax, prediction.data["peak"], prediction.data["bandwidths"], low=0.1, high=128)
            for i, (name, seconds) in enumerate(result.data[phase].items()):
                work = Work(prediction.data[phase][name]["flop"], prediction.data[phase][name]["bytes"])
                look = {"marker": markers[name], "color": colours[i % 4], "linestyle": "none"}
                ax.plot([work.intensity], [work.flop / seconds], label=name, zorder=4, **look)
            ax.set_title(phase)
            axes(ax)
        bottom = min(ax.get_ylim()[0] for ax in figure.axes)
        for ax in figure.axes:
            ax.set_ylim(bottom, 3 * prediction.data["peak"])
        # The norms lie low and the products share one place: inside the panel a legend would cover something.
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        return (
            "Two rooflines with eight operations each. When decoding, all matrix products stand in one place, at half "
            "a FLOP per byte under the slope of DRAM, and the norms and activations far below. When prefilling, the "
            "products have moved to the right, under the flat roof; the head, which runs for one row, stays."
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        counts = prediction.data["calls"]
        seconds = {name: s * counts[name] for name, s in result.data["decode"].items()}
        total = sum(seconds.values())
        largest = max(seconds, key=lambda name: seconds[name])
        most = 100 * seconds[largest] / total
        text = f"The largest part of a decoded token is `{largest}` with {most:.0f} % of its time. "
        gaps = {
            name: s - prediction.data["decode"][name]["seconds"] * counts[name] for name, s in seconds.items()
        }
        gap, wide = sum(gaps.values()), sorted(gaps, key=lambda name: -gaps[name])[:2]
        if gap > 0.1 * total:
            text += (
                f"The token takes {format_value(gap, 's')} longer than the bound, and `{wide[0]}` and `{wide[1]}` make "
                f"{100 * sum(gaps[name] for name in wide) / gap:.0f} % of the gap. "
            )
        else:
            text += "The sum of all bounds is within a tenth of the whole token. "
        bound = prediction.data["decode"]
        low = [name for name, s in result.data["decode"].items() if s > 3 * bound[name]["seconds"]]
        small = [name for name in low if bound[name]["bytes"] < SMALL]
        if len(small) < len(low):
            text += (
                "Some operations that read whole matrices ran below a third of their roof. A library's overhead does "
                "not do that: something else used the memory meanwhile. Run it again on a quiet machine. "
            )
        if not small:
            return text + "No small operation is far below its roof: here the fixed cost of a call is small."
        names, share = ", ".join(f"`{name}`" for name in small), sum(seconds[name] for name in small) / total
        return text + (
            f"Far below both roofs: {names}. These move a few kilobytes at a time, and the cost of calling them is "
            "more than the cost of their bytes. That is the third regime: neither bandwidth nor arithmetic, but "
            f"overhead. Together they are {100 * share:.0f} % of the token, which is the most that fusing them away "
            "can bring."
        )
