"""A real training step against inference over the same tokens, part by part."""

from __future__ import annotations

from typing import Any

from lessons.experiments.base import SILENT, Outcome, Progress, Unavailable
from lessons.experiments.inference_vs_training.trained import TINY, Trained
from lessons.formulas import training
from lessons.formulas.memory import write_allocate_factor
from lessons.formulas.roofline import attention
from lessons.formulas.training import TrainingShape
from lessons.measure import in_turns, median_ratio
from lessons.measure.conditions import one_thread
from lessons.measure.stats import median
from lessons.passport import Passport
from lessons.units import Quantity, format_value, percent

PARTS = ("forward", "backward", "optimizer")


class Step(Trained):
    """Time forward, backward and AdamW, and the forward pass alone, in inference mode."""

    id = "inference_vs_training.step"
    title = "training step, over inference of the same tokens"
    unit = "1"
    question = "How many times as long as a forward pass does one core take to train on the same 512 tokens?"
    SMALL = {"shape": TINY}
    dtype, itemsize, rounds = "float32", 4, 3

    def predict(self, passport: Passport) -> Outcome:
        s, device = self.shape, self.device
        rate = passport.matmul(self.dtype, device=device).value
        bandwidth = passport.bandwidth("copy", device=device).value
        if device == "cpu":
            # A copy also reads the lines that it is about to write. AdamW writes where it has just read.
            bandwidth *= write_allocate_factor(1, 1)
        parameters = s.multiplied + s.vocab * s.hidden
        forward, whole = (f(s.multiplied, s.tokens) for f in (training.forward_flop, training.training_flop))
        seconds = {
            "inference": forward / rate,
            "forward": forward / rate,
            "backward": (whole - forward) / rate,
            "optimizer": training.adam_traffic(parameters, self.itemsize) / bandwidth,
        }
        head_dim = s.hidden // s.heads
        pairs = attention(s.sequence, s.sequence, s.heads, s.heads, head_dim).flop / 2  # causal: half of them
        return Outcome(
            Quantity(sum(seconds[part] for part in PARTS) / seconds["inference"], self.unit),
            {
                "seconds": seconds,
                "flop": {"inference": forward, "step": whole},
                "attention": s.batch * s.layers * pairs / forward,
                # Each weight is read by the forward pass, by the backward pass, and by the optimizer.
                "bytes": {
                    "inference": parameters * self.itemsize,
                    "step": 2 * parameters * self.itemsize + training.adam_traffic(parameters, self.itemsize),
                },
                # A CUDA passport has no register peak in 16 bits: there the large product stands for it.
                "peak": passport.flops("float32").value if device == "cpu" else rate,
                "bandwidth": passport.bandwidth("read", device=device).value,
                "tokens": s.tokens,
            },
        )

    @one_thread()
    def run(self, progress: Progress = SILENT) -> Outcome:
        import torch
        from torch.utils.flop_counter import FlopCounterMode

        from lessons.llm.trainable import TrainableLlama, random_tokens

        if self.device == "cuda" and not torch.cuda.is_available():
            raise Unavailable("torch finds no CUDA device")
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
        seconds = {name: median(values) for name, values in times.items()}
        seconds["backward"] = seconds.pop("both") - seconds["forward"]
        counted = {}
        progress("counting")
        for name, fn in (("inference", infer), ("step", forward_and_backward)):
            with FlopCounterMode(display=False) as counter:
                fn()
            counted[name] = counter.get_total_flops()
        step = [a + b for a, b in zip(times["both"], times["optimizer"])]
        return Outcome(median_ratio(step, times["inference"]), {"seconds": seconds, "flop": counted})

    def draw(self, prediction: Outcome, result: Outcome, figure: Any) -> None:
        from lessons import figures
        from lessons.figures.style import FOREGROUND

        (ax,) = figure.axes
        bars = [
            (f"{name},\n{kind}", outcome.data["seconds"], parts)
            for name, parts in (("inference", ("inference",)), ("training", PARTS))
            for kind, outcome in (("predicted", prediction), ("measured", result))
        ]
        looks = {"inference": ("green", ""), "forward": ("blue", ""), "backward": ("orange", "//")}
        looks["optimizer"] = ("purple", "..")
        for part, (colour, hatch) in looks.items():
            places = [row for row, (_, _, parts) in enumerate(bars) if part in parts]
            left = [sum(bars[row][1][p] for p in bars[row][2][: bars[row][2].index(part)]) for row in places]
            width = [bars[row][1][part] for row in places]
            style = {"color": figures.COLOURS[colour], "hatch": hatch, "edgecolor": FOREGROUND, "label": part}
            ax.barh(places, width, 0.6, left=left, **style)
        ax.set_yticks(range(len(bars)), [name for name, _, _ in bars])
        ax.invert_yaxis()
        ax.grid(axis="y", visible=False)
        figures.time_axis(ax.xaxis)
        figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=4)

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        seconds = result.data["seconds"]
        listed = ", ".join(f"{part} {format_value(seconds[part], 's')}" for part in PARTS)
        return (
            f"Four bars of time. Inference is the short one, {format_value(seconds['inference'], 's')} measured. "
            f"A training step is stacked of three parts, {listed}; the backward pass is the longest."
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        p, seconds = prediction.data, result.data["seconds"]
        step = sum(seconds[part] for part in PARTS)
        used = [
            (
                training.mfu(p["flop"][name], spent, p["peak"]),
                training.mbu(p["bytes"][name], spent, p["bandwidth"]),
            )
            for name, spent in (("inference", seconds["inference"]), ("step", step))
        ]
        counted = result.data["flop"]
        text = (
            f"PyTorch's own counter finds **{format_value(counted['inference'], 'FLOP')}** for the forward pass and "
            f"**{format_value(counted['step'], 'FLOP')}** for the step, {counted['step'] / counted['inference']:.2f} "
            "times as many; "
        )
        share = percent(p["attention"])
        if abs(counted["step"] / p["flop"]["step"] - 1) < 0.001:
            text += (
                "$2ND$ and $6ND$ are exact for the matrices. Neither counts the scores of attention, which at this "
                f"length are another {share} of the forward pass. "
            )
        else:
            text += f"more than $2ND$ and $6ND$: it sees attention too, {share} of the forward pass. "
        text += (
            f"MFU is {percent(used[0][0])} for inference and {percent(used[1][0])} for training, MBU "
            f"{percent(used[0][1])} and {percent(used[1][1])}: with {p['tokens']:,} tokens in a pass both are "
            f"limited by arithmetic. The optimizer is {percent(seconds['optimizer'] / step)} of the step's time. It "
            "does almost no arithmetic and moves every state, so that it is the one part that a larger batch makes "
            "cheaper by the token. "
        )
        off = result.quantity.value / prediction.quantity.value
        gaps = {part: seconds[part] / p["seconds"][part] for part in ("inference", *PARTS)}
        if 0.85 <= off <= 1.15:
            text += "The ratio came out as predicted. "
            if gaps["inference"] > 1.4:
                text += (
                    f"The times did not: inference took {gaps['inference']:.2f} times its bound, and training about "
                    "as much. Narrow matrices and small operations slow both alike, and so does a neighbour on the "
                    "same core. A ratio of two runs outlives what an absolute prediction does not."
                )
            return text
        if off < 1:
            return text + (
                f"The step is cheaper against inference than predicted: inference took {gaps['inference']:.2f} times "
                "its bound. What is not a product weighs more in the shorter of the two."
            )
        worst = max(PARTS, key=lambda part: seconds[part] - p["seconds"][part])
        return text + (
            f"The step is dearer than predicted, most of it in the {worst}, which took {gaps[worst]:.2f} times its "
            "bound. "
            + (
                "Its state is moved by more passes over memory than one."
                if worst == "optimizer"
                else "Training writes each activation to memory that it has to get first, and norms, activations and "
                "the loss have gradients as well, which move bytes and hardly calculate."
            )
        )


class StepOnDevice(Step):
    """The same on a CUDA device, in bfloat16, with a network that is large enough for it."""

    id = "inference_vs_training.cuda"
    title = "training step, over inference of the same tokens, on the GPU"
    question = (
        "On a GPU, how many times as long as a forward pass does training on the same 4,096 tokens take?"
    )
    device = "cuda"
    dtype, itemsize, rounds = "bfloat16", 2, 10
    cited = (
        "Google trained PaLM with 540 billion weights at an MFU of 46.2 % "
        "([Chowdhery et al. 2023](https://arxiv.org/abs/2204.02311)); recomputed activations do not count in it."
    )

    usual = TrainingShape(layers=16, hidden=2048, heads=16, ffn=5632, vocab=32768, batch=2, sequence=2048)
