"""A real training step against inference over the same tokens, part by part."""

from __future__ import annotations

from typing import Any

from lessons.experiments.base import SILENT, Outcome, Progress
from lessons.experiments.derivation import Derivation, Operand
from lessons.experiments.inference_vs_training.trained import TINY, Trained
from lessons.formulas import training
from lessons.formulas.memory import write_allocate_factor
from lessons.formulas.roofline import attention
from lessons.formulas.training import TrainingShape
from lessons.measure import in_turns, median_interval, median_ratio
from lessons.measure.conditions import one_thread
from lessons.measure.verdict import AS_FORESEEN, JUDGED, MORE, UNSURE, differs, foreseen
from lessons.passport import Passport, needs
from lessons.units import Quantity, format_value, percent

PARTS = ("forward", "backward", "optimizer")
COUNTS = {0: "counts-matrices", 1: "counts-attention", -1: "counts-less"}


class Step(Trained):
    """Time forward, backward and AdamW, and the forward pass alone, in inference mode."""

    id = "inference_vs_training.step"
    unit = "1"
    kind = "ratio"
    SMALL = {"shape": TINY}
    FINDINGS = (*COUNTS.values(), "over-peak", *JUDGED, "end-unsure", "optimizer-over", "training-over")
    dtype, itemsize, rounds = "float32", 4, 3

    def predict(self, passport: Passport) -> Outcome:
        s, device = self.shape, self.device
        product, copy = passport.matmul(self.dtype, device=device), passport.bandwidth("copy", device=device)
        # A copy also reads the lines that it is about to write. AdamW writes where it has just read.
        moved = write_allocate_factor(1, 1) if device == "cpu" else 1.0
        rate, bandwidth = product.value, moved * copy.value
        parameters = s.multiplied + s.vocab * s.hidden
        traffic = training.adam_traffic(parameters, self.itemsize)
        forward, whole = (f(s.multiplied, s.tokens) for f in (training.forward_flop, training.training_flop))
        seconds = {
            "inference": forward / rate,
            "forward": forward / rate,
            "backward": (whole - forward) / rate,
            "optimizer": traffic / bandwidth,
        }
        by = Derivation(
            "(6 * N * D / P + A / (w * R)) / (2 * N * D / P)",
            {
                "N": Operand("weights in products", Quantity(s.multiplied, "1"), "shape of the network"),
                "D": Operand("tokens of a step", Quantity(s.tokens, "1"), "chosen"),
                "P": Operand("torch, large matrix product", product),
                "A": Operand("moved by AdamW", Quantity(traffic, "B"), "counted"),
                "w": Operand("moved over named bytes of a copy", Quantity(moved, "1"), "counted"),
                "R": Operand("a copy in memory, read plus written", copy),
            },
        )
        step = sum(seconds[part] for part in PARTS)
        head_dim = s.hidden // s.heads
        pairs = attention(s.sequence, s.sequence, s.heads, s.heads, head_dim).flop / 2  # causal: half of them
        return Outcome(
            by.quantity(self.unit),
            {
                "seconds": seconds,
                "flop": {"inference": forward, "step": whole},
                "attention": s.batch * s.layers * pairs / forward,
                # Each weight is read by the forward pass, by the backward pass, and by the optimizer.
                "bytes": {
                    "inference": parameters * self.itemsize,
                    "step": 2 * parameters * self.itemsize + traffic,
                },
                # A CUDA passport has no register peak in 16 bits: there the large product stands for it.
                "peak": passport.flops("float32").value if device == "cpu" else rate,
                "bandwidth": passport.bandwidth("read", device=device).value,
                "tokens": s.tokens,
            },
            by=by,
            ends=_ends(Quantity(step, "s"), Quantity(seconds["inference"], "s")),
        )

    @one_thread()
    def run(self, progress: Progress = SILENT) -> Outcome:
        import torch
        from torch.utils.flop_counter import FlopCounterMode

        from lessons.llm.trainable import TrainableLlama, random_tokens

        progress("network")
        model = TrainableLlama(self.shape).to(self.device, getattr(torch, self.dtype))
        tokens = random_tokens(self.shape, self.device)
        adam = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

        def infer() -> None:
            with torch.inference_mode():
                model(tokens)

        def forward() -> None:
            model.loss(tokens)

        def forward_and_backward() -> None:
            adam.zero_grad()
            model.loss(tokens).backward()

        # The first step also makes the moments: it falls into the warm-up.
        runs = {"inference": infer, "forward": forward, "both": forward_and_backward, "optimizer": adam.step}
        times = in_turns(runs, self.rounds, device=self.device, progress=progress)
        seconds = {name: median_interval(times[name], "s") for name in ("inference", "forward", "optimizer")}
        backward = [both - alone for both, alone in zip(times["both"], times["forward"])]
        seconds["backward"] = median_interval(backward, "s")
        counted = {}
        progress("counting")
        for name, fn in (("inference", infer), ("step", forward_and_backward)):
            with FlopCounterMode(display=False) as counter:
                fn()
            counted[name] = counter.get_total_flops()
        step = [a + b for a, b in zip(times["both"], times["optimizer"])]
        data = {"seconds": seconds, "flop": counted}
        ends = _ends(median_interval(step, "s"), seconds["inference"])
        return Outcome(median_ratio(step, times["inference"]), data, ends=ends)

    def draw(self, prediction: Outcome, result: Outcome, figure: Any) -> None:
        from lessons import figures

        (ax,) = figure.axes
        names = []
        looks = dict(zip(("inference", *PARTS), ("green", "blue", "orange", "purple")))
        for row, (work, parts) in enumerate((("inference", ("inference",)), ("training", PARTS))):
            for after, (kind, outcome) in enumerate((("predicted", prediction), ("measured", result))):
                names.append(f"{work},\n{kind}")
                seconds, begin = _values(outcome), 0.0
                for part in parts:
                    figures.bars(
                        ax, [2 * row + after], [seconds[part]], "" if kind == "predicted" else part,
                        predicted=kind == "predicted", start=[begin], lying=True, colour=looks[part],
                    )  # fmt: skip
                    begin += seconds[part]
        ax.set_yticks(range(len(names)), names)
        ax.invert_yaxis()
        ax.grid(axis="y", visible=False)
        figures.time_axis(ax.xaxis)
        ax.set_xlabel("time (hatched: predicted)")
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        p, seconds, counted = prediction.data, result.data["seconds"], result.data["flop"]
        step = sum(seconds[part].value for part in PARTS)
        used = [
            (
                training.mfu(p["flop"][name], spent, p["peak"]),
                training.mbu(p["bytes"][name], spent, p["bandwidth"]),
            )
            for name, spent in (("inference", seconds["inference"].value), ("step", step))
        ]
        step_off, inference_off = (result.ends[name].ratio(end) for name, end in prediction.ends.items())
        worst = _furthest_over(prediction, result)
        return {
            "forward_flop": format_value(counted["inference"], "FLOP"),
            "step_flop": format_value(counted["step"], "FLOP"),
            "flop_ratio": f"{counted['step'] / counted['inference']:.2f}",
            "attention": percent(p["attention"]),
            "inference_mfu": percent(used[0][0]),
            "step_mfu": percent(used[1][0]),
            "inference_mbu": percent(used[0][1]),
            "step_mbu": percent(used[1][1]),
            "tokens": f"{p['tokens']:,}",
            "optimizer_share": percent(seconds["optimizer"].value / step),
            "inference_off": format_value(inference_off.value, "1"),
            "step_off": format_value(step_off.value, "1"),
            "worst": worst,
            "worst_off": format_value(seconds[worst].value / p["seconds"][worst], "1"),
            "inference": format_value(seconds["inference"].value, "s"),
            "peak": format_value(p["peak"], "FLOP/s"),
            "matmul": format_value(_matmul(prediction).value, "FLOP/s"),
            "parts": ", ".join(f"{part} {format_value(seconds[part].value, 's')}" for part in PARTS),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        counted, matrices = (outcome.data["flop"]["step"] for outcome in (result, prediction))
        # Whole numbers, each of them exact: no interval decides.
        found = [COUNTS[(counted > matrices) - (counted < matrices)]]
        p = prediction.data
        used = (
            spent.inverse(training.mfu(p["flop"][name], 1, p["peak"]), "%")
            for name, spent in zip(("step", "inference"), result.ends.values())
        )
        # Only where the library's product is faster than the peak, a share above one is to be expected.
        found += ["over-peak"] * (
            _matmul(prediction).low > p["peak"] and any(differs(share) > 0 for share in used)
        )
        verdict = self.verdict(prediction, result)
        found.append(verdict)
        ratio = foreseen(result.quantity.ratio(prediction.quantity))
        found += ["end-unsure"] * (verdict == UNSURE and ratio == AS_FORESEEN)
        worst = _furthest_over(prediction, result)
        over = result.data["seconds"][worst].scaled(1 / prediction.data["seconds"][worst], "1")
        if verdict == MORE and foreseen(over) == MORE:
            found.append("optimizer-over" if worst == "optimizer" else "training-over")
        return found


def _values(outcome: Outcome) -> dict[str, float]:
    """Return the seconds of each part, predicted ones as they are, measured ones by their medians."""
    return {k: s.value if isinstance(s, Quantity) else s for k, s in outcome.data["seconds"].items()}


def _matmul(prediction: Outcome) -> Quantity:
    """Return the rate of the library's large product, by the passport that the prediction was made from."""
    assert prediction.by is not None
    return prediction.by.operands["P"].quantity


def _ends(step: Quantity, inference: Quantity) -> dict[str, Quantity]:
    """Return the seconds of both by their names."""
    return {"training step": step, "inference": inference}


def _furthest_over(prediction: Outcome, result: Outcome) -> str:
    """Return the part of the step that takes the most seconds more than predicted."""
    p, seconds = prediction.data["seconds"], result.data["seconds"]
    return max(PARTS, key=lambda part: seconds[part].value - p[part])


class StepOnDevice(Step):
    """The same on a CUDA device, in bfloat16, with a network that is large enough for it."""

    id = "inference_vs_training.cuda"
    device = "cuda"
    needs = (needs.CUDA,)
    # Its peak is the library's product.
    FINDINGS = tuple(key for key in Step.FINDINGS if key != "over-peak")
    dtype, itemsize, rounds = "bfloat16", 2, 10

    usual = TrainingShape(layers=16, hidden=2048, heads=16, ffn=5632, vocab=32768, batch=2, sequence=2048)
