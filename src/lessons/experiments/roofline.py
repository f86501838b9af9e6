"""The chapter on the roofline: the bend, the batch, the model's operations, and fusion."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from lessons import topology
from lessons.datasheets import accelerator, model
from lessons.experiments import roofline_model
from lessons.experiments.base import Experiment, Outcome, Unavailable
from lessons.experiments.roofline_plot import NAMES, axes, colour, roofs
from lessons.formulas.memory import first_touch_time, write_allocate_factor
from lessons.formulas.roofline import Work, attainable, gemm, horner, ridge, time_bound
from lessons.measure import time
from lessons.passport.measuring import working_sets
from lessons.units import Quantity, format_value

Progress = Callable[[str], None]
silent: Progress = lambda message: None  # noqa: E731

GIB = 1 << 30


def memory_bytes(limit: int) -> int:
    """Return the bytes of a working set that lies in memory, as the passport chooses it, but at most ``limit``."""
    return min(working_sets(topology.read())["dram"], limit) // 65536 * 65536


class Sweep(Experiment):
    """Horner's rule over degrees, at constant traffic: flat in time up to the ridge, linear after it."""

    id = "roofline.sweep"
    title = "Where the roof bends"
    unit = "FLOP/B"
    question = "How many FLOP per byte can one core do before the arithmetic begins to cost time?"
    panels = (1, 2)

    def __init__(self, limit: int = GIB) -> None:
        self.limit = limit

    def predict(self, passport) -> Outcome:
        device = self.device
        peak = passport.flops("float32", device=device).value
        levels = ["dram"] if device == "cuda" or "l2" not in passport.levels else ["l2", "dram"]
        rates = {level: passport.bandwidth("copy", level, device=device).value for level in levels}
        value = ridge(peak, rates["dram"])
        return Outcome(Quantity(value, self.unit), {"peak": peak, "bandwidths": rates})

    def run(self, progress: Progress = silent) -> Outcome:
        sizes = {"dram": memory_bytes(self.limit)}
        l2 = topology.read().cache("l2")
        if l2:
            sizes = {"l2": min(l2.bytes // 2, self.limit), **sizes}
        data = {level: _sweep(size, level, progress) for level, size in sizes.items()}
        return Outcome(_bend(data["dram"]), data)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        left, right = figure.axes
        peak, rates = prediction.data["peak"], prediction.data["bandwidths"]
        highest = max(max(points["intensity"]) for points in result.data.values())
        roofs(left, peak, rates, low=0.2, high=highest)
        for level, points in result.data.items():
            x, y = points["intensity"], points["rate"]
            label = f"measured, {NAMES.get(level, level)}"
            look: dict[str, Any] = {} if level == "dram" else {"color": colour(level), "marker": "D"}
            figures.measured(left, x, y, points["low"], points["high"], label, **look)
        left.legend(loc="lower right")
        points, rate = result.data["dram"], rates["dram"]
        flat = points["bytes"] / rate
        seconds = [points["bytes"] * i / r for i, r in zip(points["intensity"], points["rate"])]
        bound = [max(flat, points["bytes"] * i / peak) for i in points["intensity"]]
        figures.predicted(right, points["degree"], bound, "the roof, as time")
        figures.measured(right, points["degree"], seconds, label="one pass, measured")
        right.set_xscale("log", base=2)
        right.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        figures.time_axis(right.yaxis, log=True)
        right.set_xlabel("degree of the polynomial")
        right.legend(loc="upper left")

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        return (
            "Left, a roofline: measured FLOP/s rise along the slope of each memory level and then run flat. Right, "
            "the time of one pass: level up to the ridge, then proportional to the degree. Predicted ridge "
            f"{prediction.quantity}, measured {result.quantity}."
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        ratio = result.quantity.value / prediction.quantity.value
        if 0.8 <= ratio <= 1.25:
            where = "The two straight lines through the measured points cross where the passport said."
        elif ratio < 0.8:
            where = (
                "The lines cross left of the prediction: the polynomial reaches less than the passport's peak. "
                "Its loads, stores and loop turns take places that the peak loop gives to arithmetic, or a "
                "neighbour took the core. The roof is a bound, not a forecast."
            )
        else:
            where = (
                "The lines cross right of the prediction: the slope is lower than the passport's copy. Something "
                "held the traffic back: a busy neighbour, or a prefetcher that does not look far enough."
            )
        share = _share_at_ridge(prediction, result.data["dram"])
        if share >= 0.85:
            knee = "At the ridge itself the overlap of loads and arithmetic is nearly perfect"
        else:
            knee = (
                "At the ridge itself both take equally long, and the knee is round: the core does not overlap "
                "them perfectly (none at all would give a half)"
            )
        return f"{where} {knee}: {share:.0%} of the roof."


class GpuSweep(Sweep):
    """The same on a CUDA device, with one level: its memory."""

    id = "roofline.gpu_sweep"
    title = "Where the GPU's roof bends"
    question = "And how many FLOP per byte can a whole GPU do before the arithmetic begins to cost time?"
    device = "cuda"

    @property
    def cited(self) -> str:  # type: ignore[override]
        """The ridge that the data sheet gives."""
        card = accelerator("h100_sxm")
        assert card.fp32 is not None
        return (
            f"By its data sheet an {card.name} has {format_value(card.fp32, 'FLOP/s')} of float32 arithmetic over "
            f"{format_value(card.bandwidth, 'B/s')}: the bend is due at "
            f"{ridge(card.fp32, card.bandwidth):.3g} FLOP/byte ({card.source[0]})."
        )

    def run(self, progress: Progress = silent) -> Outcome:
        if not topology.read().gpus:
            raise Unavailable("this machine has no CUDA device")
        points = _sweep(self.limit, "dram", progress, device="cuda")
        return Outcome(_bend(points), {"dram": points})


def _sweep(size: int, level: str, progress: Progress, device: str = "cpu") -> dict[str, Any]:
    """Measure FLOP/s for rising degrees, until a doubling brings less than 4 %."""
    x, out = _points(size // 8, device)
    from lessons.kernels.horner import horner as evaluate

    repeats = max(1, (16 << 20) // size) if device == "cpu" else 1
    found: dict[str, Any] = {name: [] for name in ("degree", "intensity", "rate", "low", "high")}
    by_degree: dict[int, float] = {}
    for degree in [1, 2, 4, 8] + [f * 2**i for i in range(3, 11) for f in (2, 3)]:
        progress(f"{NAMES[level]}, degree {degree}")
        timing = time(
            partial(evaluate, x, out, degree, repeats=repeats),
            warmup=0 if by_degree else 2,
            samples=5 if repeats > 1 else 3,
            device=device,
        )
        work = horner(degree, len(x) * repeats)
        rate = timing.best_rate(work.flop, "FLOP/s")  # as STREAM reports: the best pass
        for name, value in zip(found, (degree, work.intensity, rate.value, rate.low, rate.high)):
            found[name].append(value)
        by_degree[degree] = rate.value
        if degree >= 64 and rate.value < 1.04 * by_degree[degree // 2]:
            break
    return {"bytes": size, **found}


def _points(count: int, device: str) -> tuple[Any, Any]:
    if device == "cuda":
        import torch

        return torch.full((count,), 0.5, device="cuda"), torch.empty(count, device="cuda")
    from lessons.kernels.buffers import aligned

    return aligned(count, "float32", 0.5), aligned(count, "float32")


def _bend(points: dict[str, Any]) -> Quantity:
    """Return where the two asymptotes cross: the highest rate over the steepest slope (the best bandwidth)."""
    best = max(range(len(points["rate"])), key=lambda i: points["rate"][i])
    steep = max(range(len(points["rate"])), key=lambda i: points["rate"][i] / points["intensity"][i])
    slope = points["intensity"][steep]
    return Quantity(
        points["rate"][best] / points["rate"][steep] * slope,
        "FLOP/B",
        points["low"][best] / points["high"][steep] * slope,
        points["high"][best] / points["low"][steep] * slope,
        3,
    )


def _share_at_ridge(prediction: Outcome, points: dict[str, Any]) -> float:
    """Return measured over roof at the point that lies nearest to the predicted ridge."""
    target = prediction.quantity.value
    i = min(range(len(points["rate"])), key=lambda i: abs(math.log(points["intensity"][i] / target)))
    roof = attainable(points["intensity"][i], prediction.data["peak"], prediction.data["bandwidths"]["dram"])
    return points["rate"][i] / roof


class Batch(Experiment):
    """A matrix times more and more rows: from GEMV to GEMM."""

    id = "roofline.batch"
    title = "Rows that cost as much time as two"
    unit = "rows"
    question = "One row times a large matrix takes some time. How many rows at once take twice that time?"
    panels = (1, 2)
    inputs = 2048

    def __init__(self, limit: int = 5 << 27) -> None:
        self.limit = limit

    def predict(self, passport) -> Outcome:
        outputs = memory_bytes(self.limit) // (4 * self.inputs)
        peak, rate = passport.matmul("float32").value, passport.bandwidth("read").value
        rows = [2**i for i in range(11)]
        seconds = [time_bound(gemm(m, outputs, self.inputs, 4), peak, rate) for m in rows]
        value = _crossing(rows, seconds)
        peak_fma = passport.flops("float32").value
        return Outcome(
            Quantity(value, self.unit),
            {"rows": rows, "seconds": seconds, "peak": peak_fma, "matmul": peak, "bandwidth": rate},
        )

    def run(self, progress: Progress = silent) -> Outcome:
        import torch

        from lessons.kernels.gemv import MAX_ROWS, linear

        outputs = memory_bytes(self.limit) // (4 * self.inputs)
        weights = torch.full((outputs, self.inputs), 1e-3)
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        rows: list[int] = []
        ours: list[float] = []
        library: list[float] = []
        try:
            with torch.inference_mode():
                for m in (2**i for i in range(11)):
                    progress(f"{m} rows")
                    x = torch.full((m, self.inputs), 0.5)
                    rows.append(m)
                    library.append(time(partial(torch.matmul, x, weights.T), samples=2, warmup=0).best())
                    if m <= MAX_ROWS:
                        ours.append(time(partial(linear, x, weights, threads=1), samples=3).best())
                    best = _best(ours, library)
                    if m >= 64 and best[-1] > 2.2 * best[0]:
                        break
        finally:
            torch.set_num_threads(before)
        value = _crossing(rows, _best(ours, library))
        data = {"outputs": outputs, "rows": rows, "ours": ours, "library": library}
        return Outcome(Quantity(value, self.unit, n=2), data)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        left, right = figure.axes
        p, data = prediction.data, result.data
        rows = data["rows"]
        works = [gemm(m, data["outputs"], self.inputs, 4) for m in rows]
        roofs(left, p["peak"], {"dram": p["bandwidth"]}, low=0.4, high=2 * works[-1].intensity)
        left.axhline(p["matmul"], color=figures.COLOURS["green"], linestyle=":")
        left.text(0.45, p["matmul"] * 0.93, "torch's matrix product, large", va="top", fontsize=9)
        places = [w.intensity for w in works]
        kinds = {"ours": ("ours, 1 to 8 rows", "blue", "o"), "library": ("torch", "purple", "D")}
        for key, (label, name, marker) in kinds.items():
            seconds = data[key]
            look: dict[str, Any] = {"color": figures.COLOURS[name], "marker": marker}
            rates = [w.flop / s for w, s in zip(works, seconds)]
            figures.measured(left, places[: len(seconds)], rates, label=label, **look)
            figures.measured(right, rows[: len(seconds)], seconds, label=label, **look)
        figures.predicted(right, rows, p["seconds"][: len(rows)], "predicted")
        left.legend(loc="lower right")
        right.set_xscale("log", base=2)
        right.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        figures.time_axis(right.yaxis, log=True)
        right.set_xlabel("rows that share one reading of the matrix")
        right.legend(loc="upper left")

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        return (
            "Left, products of 1 row and more on a roofline: our kernel follows the slope up to 8 rows. Right, the "
            "time of a product against its rows: level at first, then rising. It doubles at "
            f"{result.quantity} where {prediction.quantity} were predicted."
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        data = result.data
        m = data["rows"][len(data["ours"]) - 1]
        gap = data["library"][len(data["ours"]) - 1] / data["ours"][-1]
        free = data["ours"][-1] / data["ours"][0]
        text = f"{m} rows take {free:.2f} times as long as one: the matrix is read once for all of them. "
        if gap > 1.2:
            text += (
                f"torch takes {gap:.2f} times as long as our kernel at {m} rows. A library's product is made for many "
                "rows: it packs the matrix into blocks first, and the packing moves the bytes again. Both have the "
                "same intensity on paper; only one has it in practice. "
            )
        else:
            text += (
                f"At {m} rows torch and our kernel are within a fifth of each other ({gap:.2f}): this library has "
                "a path of its own for few rows, and the slope is where both end. "
            )
        ratio = result.quantity.value / prediction.quantity.value
        if ratio < 0.75:
            return text + (
                "The doubling comes early: between the slope and the flat roof neither program reaches the bound, "
                "and that is just where the prediction would have us be."
            )
        if ratio > 1.33:
            return text + "The doubling comes late: a single row did not reach the bandwidth to begin with."
        return text + "The doubling comes where the two roofs, bandwidth and matrix product, said it would."


def _best(ours: list[float], library: list[float]) -> list[float]:
    return [min(pair) for pair in zip(ours, library)] + library[len(ours) :]


def _crossing(rows: list[int], seconds: list[float]) -> float:
    """Return the rows at which the time is twice the first; on a straight line in logarithms between two."""
    target = 2 * seconds[0]
    for i in range(1, len(rows)):
        if seconds[i] >= target:
            share = math.log(target / seconds[i - 1]) / math.log(seconds[i] / seconds[i - 1])
            return rows[i - 1] * (rows[i] / rows[i - 1]) ** share
    return float(rows[-1])


class ModelStep(Experiment):
    """SmolLM2's operations, placed on the roofline: one token decoded, and a prompt read."""

    id = "roofline.model"
    title = "One decoded token, all its operations"
    unit = "s"
    question = "How long does one core need for one token of a model of SmolLM2's shape, in float32?"
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
        data: dict[str, Any] = {"peak": peak, "bandwidths": rates, "calls": roofline_model.calls(shape)}
        for phase, (rows, context) in self.phases().items():
            works = roofline_model.works(shape, rows, context)
            data[phase] = {
                name: {"flop": w.flop, "bytes": w.bytes, "seconds": time_bound(w, peak, rates["dram"])}
                for name, w in works.items()
            }
        total = sum(data["decode"][name]["seconds"] * n for name, n in data["calls"].items())
        return Outcome(Quantity(total, self.unit), data)

    def run(self, progress: Progress = silent) -> Outcome:
        shape = model(self.name)
        progress("weights")
        matrices = roofline_model.weights(shape)
        data: dict[str, Any] = {}
        for phase, (rows, context) in self.phases().items():
            progress(phase)
            data[phase] = roofline_model.step(shape, matrices, rows, context)
        counts = roofline_model.calls(shape)
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
        figure.axes[0].legend(loc="lower right", ncols=2, fontsize=8)

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        return (
            "Two rooflines with eight operations each. When decoding, all matrix products sit on the slope of "
            "DRAM at half a FLOP per byte. When prefilling, they have moved to the right, under the flat roof; the "
            "head, which runs for one row, stays where it was."
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        counts = prediction.data["calls"]
        seconds = {name: s * counts[name] for name, s in result.data["decode"].items()}
        total = sum(seconds.values())
        largest = max(seconds, key=lambda name: seconds[name])
        text = f"The largest part of a decoded token is `{largest}` with {seconds[largest] / total:.0%} of its time. "
        low = [
            name
            for name, s in result.data["decode"].items()
            if s > 3 * prediction.data["decode"][name]["seconds"]
        ]
        if not low:
            return text + "No operation is far below its roof: here the fixed cost of a call is small."
        names, share = ", ".join(f"`{name}`" for name in low), sum(seconds[name] for name in low) / total
        return text + (
            f"Far below both roofs: {names}. These move a few kilobytes at a time, and the cost of calling them is "
            "more than the cost of their bytes. That is the third regime: neither bandwidth nor arithmetic, but "
            f"overhead. Together they are {share:.0%} of the token, which is the most that fusing them away can bring."
        )


class Fusion(Experiment):
    """relu(a x + b) c four ways, and what each part of the gain is made of."""

    id = "roofline.fusion"
    title = "Gain of one fused pass"
    unit = "1"
    question = "relu(a x + b) c as four NumPy calls: how many times as fast is one fused pass?"

    def __init__(self, limit: int = GIB) -> None:
        self.limit = limit

    def predict(self, passport) -> Outcome:
        size = self._bytes()
        copy = passport.bandwidth("copy").value
        # A pass in place reads the line that it writes anyway: it moves two arrays where a copy moves three.
        in_place = copy * write_allocate_factor(1, 1)
        fresh, again = 2 * size / copy, 2 * size / in_place
        faults = first_touch_time(size, passport.cost("page_fault").value)
        parts = {
            "naive": {"traffic": 4 * fresh, "faults": 4 * faults},
            "preallocated": {"traffic": fresh + 3 * again, "faults": 0.0},
            "blocked": {"traffic": fresh, "faults": 0.0},
            "fused": {"traffic": fresh, "faults": 0.0},
        }
        gain = sum(parts["naive"].values()) / sum(parts["fused"].values())
        return Outcome(Quantity(gain, self.unit), {"parts": parts})

    def _bytes(self) -> int:
        return memory_bytes(self.limit) // 4

    def run(self, progress: Progress = silent) -> Outcome:
        from lessons.kernels.buffers import aligned
        from lessons.kernels.fused import fused, reference

        count = self._bytes() // 4
        x, out = aligned(count, "float32", 0.5), aligned(count, "float32")
        a, b, c = 2.0, -0.25, 0.5
        ways: dict[str, Callable[[], Any]] = {
            "naive": lambda: reference.naive(x, a, b, c),
            "preallocated": lambda: reference.preallocated(x, out, a, b, c),
            "blocked": lambda: reference.blocked(x, out, a, b, c),
            "fused": lambda: fused(x, out, a, b, c),
        }
        data: dict[str, Any] = {}
        medians: dict[str, Quantity] = {}
        for name, way in ways.items():
            progress(name)
            medians[name] = time(way, samples=5).median()
            data[name] = [medians[name].value, medians[name].low, medians[name].high]
        return Outcome(
            Quantity(
                medians["naive"].value / medians["fused"].value,
                self.unit,
                medians["naive"].low / medians["fused"].high,
                medians["naive"].high / medians["fused"].low,
                5,
            ),
            data,
        )

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        names = list(result.data)[::-1]
        parts = prediction.data["parts"]
        traffic = [parts[name]["traffic"] for name in names]
        faults = [parts[name]["faults"] for name in names]
        look = {"height": 0.6, "alpha": 0.6}
        ax.barh(names, traffic, color=figures.COLOURS["vermilion"], label="predicted: traffic", **look)
        ax.barh(
            names,
            faults,
            left=traffic,
            color=figures.COLOURS["orange"],
            label="predicted: page faults",
            **look,
        )
        values, low, high = zip(*(result.data[name] for name in names))
        spread = [[v - a for v, a in zip(values, low)], [b - v for v, b in zip(values, high)]]
        ax.errorbar(
            values, names, xerr=spread, fmt="o", color=figures.COLOURS["blue"], label="measured", capsize=2.5
        )
        figures.time_axis(ax.xaxis)
        ax.legend(loc="lower right")

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        times = ", ".join(f"{name} {format_value(v[0], 's')}" for name, v in result.data.items())
        return (
            f"Bars of predicted time, split into traffic and page faults, with the measured times: {times}."
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        naive, preallocated, blocked, fused = (
            result.data[name][0] for name in ("naive", "preallocated", "blocked", "fused")
        )
        text = (
            f"The whole gain is {naive / fused:.1f} times. It is a product of two steps: {naive / preallocated:.1f} "
            f"times for no longer allocating, and {preallocated / fused:.1f} times for one pass instead of four. "
        )
        if naive - preallocated > preallocated - fused:
            text += (
                "Most of the time saved is not fusion at all. It is the page faults, and the lines that a store to "
                "fresh memory must first read. An `out=` argument brings that, without a compiler. "
            )
        else:
            text += (
                "Most of the time saved is traffic: the three passes over memory that are no longer made. "
            )
        if blocked > 1.25 * fused:
            text += (
                f"Blocking by hand keeps the traffic of one pass and still takes {blocked / fused:.1f} times as long "
                "as the fused loop: four passes over a cache are not free, nor are so many calls."
            )
        else:
            text += "Blocking by hand, in plain NumPy, is as good as the compiler's fused loop here."
        return text


sweep, batch, model_step, fusion, gpu_sweep = Sweep(), Batch(), ModelStep(), Fusion(), GpuSweep()
EXPERIMENTS = [sweep, batch, model_step, fusion, gpu_sweep]
