"""Prefill against decoding: the same model and the same weights, at two ends of the roofline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.looks import ceiling, roofs
from lessons.formulas import llama, training
from lessons.formulas.roofline import Work, time_bound
from lessons.llm.engines import engine
from lessons.measure import in_turns, median_ratio
from lessons.measure.conditions import one_thread
from lessons.measure.stats import median
from lessons.passport import Passport
from lessons.units import Quantity, format_value, percent

CONTEXT = 64  # tokens before each decoded one


def _shape() -> Any:
    from lessons.datasheets import model

    return model("smollm2-135m")


def work(phase: str, tokens: int) -> Work:
    """Return what one pass needs.

    Weights cross the memory interface once, and so does the KV cache: read while decoding, written while prefilling.
    What passes from layer to layer stays in the caches and is not counted.

    Args:
        phase: "prefill" (one prompt of ``tokens``) or "decode" (one new token for each of ``tokens`` sequences,
            with 64 before it).
        tokens: in the pass.
    """
    s = _shape()
    weights = llama.weight_bytes(s)
    if phase == "prefill":
        return llama.step(s, tokens, 1, weights=weights, cached=tokens, pairs=llama.causal_pairs(tokens))
    seen = tokens * (CONTEXT + 1)  # each token sees its own sequence, and itself
    return llama.step(s, tokens, weights=weights, cached=seen, pairs=seen)


def one_pass(phase: str, tokens: int) -> Callable[[], object]:
    """Return a function that runs the real model once; arguments as for ``work``."""
    import torch

    llm = engine("float32")
    if phase == "prefill":
        prompt = torch.arange(1000, 1000 + tokens)
        return lambda: llm.model.forward(prompt, llm.new_cache(tokens), last_only=True)
    caches = [llm.new_cache(CONTEXT + 1) for _ in range(tokens)]
    for state in caches:  # values do not matter for speed, but memory that was never written is no memory
        state.k.fill_(0.01)
        state.v.fill_(0.01)
    new = [torch.tensor([1000 + i]) for i in range(tokens)]

    def step() -> None:
        for state in caches:
            state.length = CONTEXT
        llm.model.forward_batch(new, caches)

    return step


class Phases(Experiment):
    """Tokens a second of a long prompt, over those of one user's answer."""

    id = "inference_vs_training.phases"
    title = "tokens a second: reading a prompt, over writing an answer"
    unit = "1"
    question = (
        "One core reads a prompt of 512 tokens. How many times more tokens a second is that than it writes for one "
        "user?"
    )
    SMALL = {"tokens": {"decode": [1, 4], "prefill": [4, 9]}}
    panels = (1, 2)

    def __init__(self, prompts: Sequence[int] = (8, 64, 512), users: Sequence[int] = (1, 4, 16, 64)) -> None:
        self.tokens = {"decode": list(users), "prefill": list(prompts)}

    def predict(self, passport: Passport) -> Outcome:
        rate, bandwidth = passport.matmul("float32").value, passport.bandwidth("read").value
        data: dict[str, Any] = {
            "peak": passport.flops("float32").value,
            "matmul": rate,
            "bandwidth": bandwidth,
        }
        for phase, counts in self.tokens.items():
            works = [work(phase, n) for n in counts]
            data[phase] = {
                "tokens": counts,
                "flop": [w.flop for w in works],
                "bytes": [w.bytes for w in works],
                "seconds": [time_bound(w, rate, bandwidth) for w in works],
            }
        return Outcome(Quantity(_gain(data), self.unit), data)

    @one_thread()
    def run(self, progress: Progress = SILENT) -> Outcome:
        progress("the model")
        passes = {(phase, n): one_pass(phase, n) for phase, counts in self.tokens.items() for n in counts}
        times = in_turns(passes, progress=progress)
        middle = {name: median(values) for name, values in times.items()}
        data = {
            phase: {"tokens": counts, "seconds": [middle[phase, n] for n in counts]}
            for phase, counts in self.tokens.items()
        }
        one, long = self.tokens["decode"][0], self.tokens["prefill"][-1]
        return Outcome(median_ratio(times["decode", one], times["prefill", long], long / one), data)

    def draw(self, prediction: Outcome, result: Outcome, figure: Any) -> None:
        from lessons import figures

        left, right = figure.axes
        p = prediction.data
        roofs(left, p["peak"], {"dram": p["bandwidth"]}, low=0.25, high=512)
        ceiling(left, p["matmul"])
        looks = {"decode": ("blue", "o"), "prefill": ("green", "s")}
        for phase, (colour, marker) in looks.items():
            flop, moved, seconds = p[phase]["flop"], p[phase]["bytes"], result.data[phase]["seconds"]
            style: dict[str, Any] = {"color": figures.COLOURS[colour], "marker": marker}
            intensity = [f / b for f, b in zip(flop, moved)]
            figures.measured(left, intensity, [f / s for f, s in zip(flop, seconds)], label=phase, **style)
            used = [training.mfu(f, s, p["peak"]) for f, s in zip(flop, seconds)]
            read = [training.mbu(b, s, p["bandwidth"]) for b, s in zip(moved, seconds)]
            figures.measured(right, p[phase]["tokens"], read, label=f"{phase}, MBU", linestyle="-", **style)
            figures.measured(
                right, p[phase]["tokens"], used, label=f"{phase}, MFU", linestyle=":", mfc="none", **style
            )
        left.set_title("where each pass stands")
        left.legend(loc="lower right", fontsize=8)
        right.set_title("what each pass uses of the machine")
        right.set_xscale("log", base=2)
        right.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        right.set_xlabel("tokens in a pass")
        figures.rate_axis(right.yaxis, "%")
        right.legend(loc="upper right", fontsize=8)

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        one, long = (_used(prediction, result, *which) for which in (("decode", 0), ("prefill", -1)))
        return (
            "Left, a roofline: decoding for one user stands at the foot of the bandwidth slope, and each larger batch "
            "or prompt further right and higher, the longest prompt under the flat roof. Right, two families of lines "
            f"against the tokens in a pass: the share of the bandwidth falls from {percent(one[1])} to "
            f"{percent(long[1])}, the share of the arithmetic rises from {percent(one[0])} to {percent(long[0])}."
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        one, long = (_used(prediction, result, *which) for which in (("decode", 0), ("prefill", -1)))
        written = 1 / result.data["decode"]["seconds"][0]
        read = self.tokens["prefill"][-1] / result.data["prefill"]["seconds"][-1]
        text = (
            f"It writes **{format_value(written, 'tokens/s')}** and reads **{format_value(read, 'tokens/s')}**. While "
            f"writing, it uses {percent(one[1])} of the memory's bandwidth (MBU) and {percent(one[0])} of the "
            f"arithmetic (MFU). While reading it is the other way round: {percent(long[1])} and {percent(long[0])}. "
        )
        text += self._same_tokens(prediction, result) + self._change_of_kernel(prediction, result)
        gaps = {
            phase: result.data[phase]["seconds"][at] / prediction.data[phase]["seconds"][at]
            for phase, at in (("decode", 0), ("prefill", -1))
        }
        if 0.8 <= result.quantity.value / prediction.quantity.value <= 1.25:
            return text + "The passport's two rates foresaw the factor."
        reading, writing = (f"{gaps[phase]:.2f} times its bound" for phase in ("prefill", "decode"))
        if gaps["prefill"] > 1.25 * gaps["decode"]:
            return text + (
                f"The factor is smaller than foreseen: reading took {reading}, and writing {writing}. The model's "
                "matrices are narrow, and between the products stand norms, activations and attention. Arithmetic "
                "also suffers more than a wait for memory does when a neighbour shares the core."
            )
        if gaps["decode"] > 1.25 * gaps["prefill"]:
            return text + (
                f"The factor is larger than foreseen: writing took {writing}, and reading {reading}. A token starts "
                "hundreds of small operations that move few bytes, and a neighbour who reads much slows it most."
            )
        return text + (
            "Neither phase alone explains the difference: the machine was not the one of the passport while this ran. "
            "Measure the passport again."
        )

    def _same_tokens(self, prediction: Outcome, result: Outcome) -> str:
        """Compare the two phases at the largest number of tokens that both have."""
        both = sorted(set(self.tokens["decode"]) & set(self.tokens["prefill"]))
        if not both:
            return ""
        flop_rates = []
        for phase in ("decode", "prefill"):
            at = self.tokens[phase].index(both[-1])
            flop_rates.append(prediction.data[phase]["flop"][at] / result.data[phase]["seconds"][at])
        alike = flop_rates[0] / flop_rates[1]
        text = (
            f"The phase is not what decides. {both[-1]} users who write one token each run at {alike:.2f} times the "
            f"FLOP/s of one prompt of {both[-1]} tokens"
        )
        if alike > 0.7:
            return text + ": what decides is the number of tokens that share one reading of the weights. "
        return text + (
            ". Most of the way they go together; what is missing is attention, which has to visit each user's own "
            "cache. "
        )

    def _change_of_kernel(self, prediction: Outcome, result: Outcome) -> str:
        """Say why a few users more can take several times as long, where they did."""
        from lessons.kernels.gemv import MAX_ROWS

        counts, seconds = self.tokens["decode"], result.data["decode"]["seconds"]
        few = [i for i, n in enumerate(counts) if n <= MAX_ROWS]
        many = [i for i, n in enumerate(counts) if n > MAX_ROWS]
        if not few or not many:
            return ""
        last, first = few[-1], many[0]
        bound = prediction.data["decode"]["seconds"]
        if seconds[first] / seconds[last] < 2 * bound[first] / bound[last]:
            return ""
        return (
            f"From {counts[last]} to {counts[first]} users a step becomes {seconds[first] / seconds[last]:.1f} times "
            f"as long, where the bound hardly moves. Up to {MAX_ROWS} rows go through this book's own product, which "
            "reads the weights as they lie. More go through the library's, which packs each matrix anew first. A "
            "roofline does not know where a program changes its kernel. "
        )


def _gain(data: dict[str, Any]) -> float:
    prefill, decode = data["prefill"], data["decode"]
    return prefill["tokens"][-1] / prefill["seconds"][-1] * decode["seconds"][0] / decode["tokens"][0]


def _used(prediction: Outcome, result: Outcome, phase: str, at: int) -> tuple[float, float]:
    """Return MFU and MBU of one pass."""
    p, seconds = prediction.data, result.data[phase]["seconds"][at]
    return (
        training.mfu(p[phase]["flop"][at], seconds, p["peak"]),
        training.mbu(p[phase]["bytes"][at], seconds, p["bandwidth"]),
    )
