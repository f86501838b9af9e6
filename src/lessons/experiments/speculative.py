"""Does guessing ahead pay? Verification cost, tokens a pass, and speed-ups by kind of prompt."""

from __future__ import annotations

from functools import cache, partial
from itertools import pairwise
from math import sqrt
from time import perf_counter
from typing import Any

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress, Unavailable
from lessons.experiments.quantization_speed import step_bytes, step_work
from lessons.experiments.threads import one_thread
from lessons.formulas.roofline import time_bound
from lessons.formulas.speculative import best_draft_length, expected_tokens, speedup
from lessons.measure.stats import median, median_interval
from lessons.passport import Passport
from lessons.units import Quantity

FLOATS, PACKED, DEVICE = "float32", "packed, int8", "bfloat16"
# The engines of this chapter: the rows of the passes that are timed, and the last row of each kernel.
ROWS = {FLOATS: list(range(1, 13)), PACKED: list(range(1, 18)), DEVICE: list(range(1, 13))}
LAST_ROW = {FLOATS: 8, PACKED: 16}
DRAFT = 7
PUBLISHED = 0.75  # acceptance of T5-small on EnDe, greedy, table 2 of leviathan2023speculative
BORROWED = (
    f"The prediction borrows its acceptance, {PUBLISHED}, from a published pair of models: a draft of 77 million "
    "weights for T5-XXL, translating from English to German (Leviathan et al. 2023, table 2). Nobody knows the "
    "acceptance of a new pair before measuring it. "
)
COPY_PRICE = 0.5  # of a guess by the copy, which reads half the bytes of the float32 model


@cache
def target(engine: str) -> Any:
    """Return the model of one engine, loaded once a process."""
    from lessons.llm.load import load

    return load() if engine == FLOATS else load("packed", activations="int8")


def chat(request: str) -> str:
    """Return the model's prompt for one request."""
    return target(PACKED).tokenizer.chat([{"role": "user", "content": request}])


def predicted_curve(passport: Passport, engine: str) -> list[float]:
    """Return t(k)/t(1) for each of ``ROWS`` by the roofline: 2 k operations a weight against one reading of it."""
    if engine == PACKED:
        peak = passport.flops("int8")
    else:
        peak = passport.matmul(engine, device="cuda" if engine == DEVICE else "cpu")
    rate = passport.bandwidth("read", device="cuda" if engine == DEVICE else "cpu").value
    seconds = [time_bound(step_work(engine, k), peak.value, rate) for k in ROWS[engine]]
    return [s / seconds[0] for s in seconds]


def measured_passes(llm: Any, rows: list[int], rounds: int, before: int = 256) -> dict[int, list[float]]:
    """Return the seconds of passes over k tokens after ``before`` others, all k in turn, the first round left out."""
    import torch

    tokens = torch.arange(100, 100 + before)
    kv = llm.new_cache(before + max(rows))
    llm.model.forward(tokens, kv, last_only=True)
    seconds: dict[int, list[float]] = {k: [] for k in rows}
    for _ in range(rounds + 1):
        for k in rows:
            began = perf_counter()
            llm.model.forward(tokens[:k], kv)
            seconds[k].append(perf_counter() - began)
            kv.truncate(before)
    return {k: found[1:] for k, found in seconds.items()}


class VerifyCost(Experiment):
    """t(k)/t(1) of the whole model: what it costs to judge k tokens at once."""

    id = "speculative.verify_cost"
    title = "cost of a pass over 8 tokens, in passes over 1"
    unit = "1"
    question = (
        "With packed weights, how many times as long as a pass over one token does a pass over eight take?"
    )
    engines: tuple[str, ...] = (FLOATS, PACKED)
    rounds = 4

    def predict(self, passport: Passport) -> Outcome:
        curves = {engine: predicted_curve(passport, engine) for engine in self.engines}
        return Outcome(Quantity(curves[self.engines[-1]][7], self.unit), {"curves": curves})

    @one_thread()
    def run(self, progress: Progress = SILENT) -> Outcome:
        curves = {}
        for engine in self.engines:
            progress(engine)
            seconds = measured_passes(target(engine), ROWS[engine], self.rounds)
            curves[engine] = [median(found) / median(seconds[1]) for found in seconds.values()]
        ratios = [eight / one for eight, one in zip(seconds[8], seconds[1])]
        return Outcome(median_interval(ratios, self.unit), {"curves": curves})

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        for engine, colour, marker in zip(self.engines, ("blue", "green"), "os"):
            colour, rows = figures.COLOURS[colour], ROWS[engine]
            figures.predicted(
                ax, rows, prediction.data["curves"][engine], f"{engine}, roofline", color=colour
            )
            figures.measured(
                ax,
                rows,
                result.data["curves"][engine],
                marker=marker,
                label=f"{engine}, measured",
                color=colour,
            )
            if engine in LAST_ROW:
                ax.axvline(LAST_ROW[engine] + 0.5, linestyle=":", color=colour)
        ax.set_xlabel("tokens in a pass (dotted: the last row of a kernel)")
        ax.set_ylabel("t(k) / t(1)")
        ax.set_ylim(bottom=0)
        ax.legend()

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        curves = "; ".join(
            f"{engine}: {curve[7]:.2f} at 8 tokens, {curve[8]:.2f} at 9 and {curve[-1]:.2f} at {len(curve)}"
            for engine, curve in result.data["curves"].items()
        )
        return f"Time of a pass over k tokens, in passes over 1. {curves}."

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        floats, packed = (result.data["curves"][engine] for engine in self.engines)
        if result.quantity.value < 2:
            text = (
                "With packed weights eight tokens cost less than two passes. The weights are read once for all of "
                "them, so guesses are cheap to check. "
            )
        else:
            text = (
                "With packed weights a pass over eight tokens is dear here: arithmetic, not the weights' bytes, takes "
                "the time. Guesses must be good. "
            )
        text += (
            f"The float32 engine takes {floats[7]:.2f} passes for eight. It reads "
            f"{step_bytes(FLOATS) / step_bytes(PACKED):.1f} times the bytes, so there is more reading for the "
            "arithmetic to hide behind; but a multiply-add of floats takes as long as four of bytes, where the "
            "processor has an instruction for them. "
        )
        if packed[7] > 1.25 * prediction.quantity.value:
            text += (
                "More than the roofline says, which knows the products only: each row also has its own attention, "
                "its own rounding to int8, and its own place in the registers. "
            )
        if floats[8] > 1.3 * floats[7]:
            text += (
                f"In float32 the ninth token is a step: {floats[8]:.1f} passes instead of {floats[7]:.1f}. No roof "
                "bends there. From nine rows on the products are the library's, which is made for many rows. "
            )
        if packed[16] > 1.15 * packed[15]:
            text += (
                f"The packed kernel ends at sixteen rows, and the seventeenth reads all weights again: "
                f"{packed[16]:.1f} passes instead of {packed[15]:.1f}. "
            )
        return text + (
            "**The price of verification is a property of the kernel first, and of the machine second.**"
        )


class CudaVerifyCost(VerifyCost):
    """The same curve on a CUDA device, on seeded matrices of the model's total size."""

    id = "speculative.verify_cost_cuda"
    device = "cuda"
    question = "How many times as long as a pass over one token does a pass over eight take on a GPU?"
    engines = (DEVICE,)
    cited = (
        "On H100 GPUs, vLLM spends between 42 and 95 % of its time in verification, "
        "and the gain shrinks as the batch grows ([Liu et al., 2026](https://arxiv.org/abs/2601.11580))."
    )

    def run(self, progress: Progress = SILENT) -> Outcome:
        import torch

        from lessons.measure import time

        if not torch.cuda.is_available():
            raise Unavailable("torch finds no CUDA device")
        generator = torch.Generator("cuda").manual_seed(0)
        shape: dict[str, Any] = {"device": "cuda", "dtype": torch.bfloat16, "generator": generator}
        # Sixteen matrices of the model's size each, more than any L2 holds.
        weights = [torch.randn(11776, 11424, **shape) for _ in range(16)]
        seconds = []
        for k in ROWS[DEVICE]:
            x = torch.randn(k, 11424, **shape)
            products = partial(_products, x, weights)
            seconds.append(time(products, device="cuda").median().value)
        curve = [s / seconds[0] for s in seconds]
        return Outcome(Quantity(curve[7], self.unit, n=12), {"curves": {DEVICE: curve}})

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        (curve,) = result.data["curves"].values()
        if curve[7] < 1.25:
            return (
                "Eight rows cost about as much as one: the card waits for the weights, and rows ride along."
            )
        return (
            f"Eight rows cost {curve[7]:.2f} passes, and the roofline foresees none of it: the library picks another "
            "program for another number of rows, and not each of them reads the weights at the full rate."
        )


def _products(x, weights) -> None:
    for w in weights:
        x @ w.T


class TokensPerPass(Experiment):
    """The formula against the real model, with a coarser copy of itself as the drafter."""

    id = "speculative.tokens"
    title = "tokens written in a pass"
    unit = "tokens"
    question = "How many tokens does a pass write when a copy of the model drafts seven?"

    def predict(self, passport: Passport) -> Outcome:
        return Outcome(Quantity(expected_tokens(PUBLISHED, DRAFT), self.unit), {"acceptance": PUBLISHED})

    @one_thread()
    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons.llm import prompts
        from lessons.llm.drafters import ModelDrafter
        from lessons.llm.load import load
        from lessons.llm.speculative import generate

        progress("rounding a copy to four bits")
        copy = load("bfloat16", through="Q4_0")
        steps = []
        for prompt in [p for p in prompts.load() if p.name in ("story", "explain")]:
            progress(prompt.name)
            answer = generate(target(FLOATS), chat(prompt.request), ModelDrafter(copy, capacity=512), 25)
            steps += [s for s in answer.steps if s.drafted == DRAFT]
        reached = [sum(s.accepted >= i for s in steps) for i in range(DRAFT + 1)]
        kept, judged = sum(reached[1:]), sum(reached[:-1])
        tokens = [s.accepted + 1 for s in steps]
        value = sum(tokens) / len(tokens)
        data = {
            "acceptance": kept / judged,
            "reached": reached,
            "formula": expected_tokens(kept / judged, DRAFT),
        }
        return Outcome(Quantity(value, self.unit, n=len(tokens)), data)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        places = list(range(1, DRAFT + 1))
        figures.predicted(
            ax, places, [result.data["acceptance"]] * DRAFT, "one rate for all, as the formula has it"
        )
        pairs = [(position, a, b) for position, (a, b) in zip(places, pairwise(result.data["reached"])) if a]
        rates = [share_interval(b, a) for _, a, b in pairs]
        figures.measured(
            ax,
            [position for position, _, _ in pairs],
            [q.value for q in rates],
            [q.low for q in rates],
            [q.high for q in rates],
        )
        for (position, judged, _), rate in zip(pairs, rates):
            ax.annotate(
                f"of {judged}", (position, rate.low), (0, -12), textcoords="offset points", ha="center"
            )
        ax.set_xlabel("position in the draft")
        ax.set_ylabel("kept, given that all before it were")
        ax.set_ylim(-0.12, 1.05)
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1))

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        shares = ", ".join(f"{b} of {a}" for a, b in pairwise(result.data["reached"]))
        return (
            "The share of guesses that are kept against their position in the draft, beside one rate for all of "
            f"{result.data['acceptance']:.2f}. From the first position to the last: {shares}."
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        d = result.data
        text = BORROWED + (
            f"Here it is {d['acceptance']:.2f}. With that the formula gives {d['formula']:.2f} tokens a pass. "
        )
        if result.quantity.value < 0.9 * d["formula"]:
            text += "The model wrote fewer: refusals do not come independently of one another. "
        elif result.quantity.value > 1.1 * d["formula"]:
            text += "The model wrote more: easy stretches keep whole drafts, hard ones fail at once. "
        else:
            text += "The measured number is close to it. "
        gain = result.quantity.value / (DRAFT * COPY_PRICE + 1)
        return text + (
            f"The vertical bars say how little {result.quantity.n} drafts tell about one position. And the tokens "
            f"are not the speed: seven guesses at half the price of a token make it **{gain:.2f}** times that of "
            "plain decoding, even if verification were free."
        )


def share_interval(kept: int, of: int) -> Quantity:
    """Return kept / of with the interval that holds the true share with 95 % confidence.

    Source:
        E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    z = 1.96
    share, weight = kept / of, z * z / of
    middle = (share + weight / 2) / (1 + weight)
    half = z * sqrt(share * (1 - share) / of + weight / (4 * of)) / (1 + weight)
    return Quantity(share, "1", max(0.0, middle - half), min(1.0, middle + half), of)


class SpeedUp(Experiment):
    """Wall-clock speed-up of prompt lookup for every published prompt."""

    id = "speculative.speed_up"
    title = "speed-up on input-grounded prompts"
    unit = "1"
    question = "How much faster is prompt lookup where the answer stands in the prompt?"
    tokens = 48

    def predict(self, passport: Passport) -> Outcome:
        curve = predicted_curve(passport, PACKED)
        length = best_draft_length(PUBLISHED, 0.0, lambda k: curve[k - 1], DRAFT)
        gain = speedup(PUBLISHED, length, 0.0, lambda k: curve[k - 1])
        return Outcome(Quantity(gain, self.unit), {"acceptance": PUBLISHED})

    @one_thread()
    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons.llm import prompts
        from lessons.llm.drafters import Allowance, PromptLookup
        from lessons.llm.speculative import DRAFT_LENGTH, generate

        llm = target(PACKED)
        progress("what a guess costs here")
        passes = measured_passes(llm, list(range(1, DRAFT_LENGTH + 2)), rounds=8)

        def curve(k: int) -> float:
            return median(passes[k]) / median(passes[1])

        length = best_draft_length(PUBLISHED, 0.0, curve, DRAFT_LENGTH)
        rows: list[list[Any]] = []
        for prompt in prompts.load():
            progress(prompt.name)
            text = chat(prompt.request)
            plain = generate(llm, text, PromptLookup(), self.tokens, draft_length=0)
            ours = generate(llm, text, Allowance(PromptLookup(), curve), self.tokens, draft_length=length)
            rows.append(
                [prompt.name, prompt.kind, plain.decode_seconds, ours.decode_seconds, ours.tokens_per_step]
            )
        grounded = [row for row in rows if row[1] == "grounded"]
        ratios = [row[2] / row[3] for row in grounded]
        value = sum(row[2] for row in grounded) / sum(row[3] for row in grounded)
        data = {"rows": rows, "length": length}
        return Outcome(Quantity(value, self.unit, min(ratios), max(ratios), len(ratios)), data)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        for kind, colour in (("grounded", "blue"), ("open", "orange")):
            rows = [r for r in result.data["rows"] if r[1] == kind]
            ax.bar(
                [r[0] for r in rows], [r[2] / r[3] for r in rows], color=figures.COLOURS[colour], label=kind
            )
        ax.axhline(1, linestyle="--", color=figures.COLOURS["vermilion"], label="plain decoding")
        ax.tick_params(axis="x", rotation=35)
        ax.set_ylabel("speed-up")
        ax.legend()

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        parts = ", ".join(f"{r[0]} {r[2] / r[3]:.2f}" for r in result.data["rows"])
        return f"Speed-up over plain decoding by prompt: {parts}."

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        rows = result.data["rows"]
        tokens = {kind: [r[4] for r in rows if r[1] == kind] for kind in ("grounded", "open")}
        text = (
            f"The prediction takes the same borrowed acceptance, {PUBLISHED}, for any text. With it and with the curve "
            f"measured here, the formula asks for drafts of {result.data['length']}. "
        ) + "".join(
            f"On the {kind} prompts a pass wrote {min(found):.1f} to {max(found):.1f} tokens. "
            for kind, found in tokens.items()
            if found
        )
        slow = [r[0] for r in rows if r[2] / r[3] < 0.97]
        if slow:
            return text + (
                f"It lost on {', '.join(slow)}: too few guesses stood there, or a neighbour took the core meanwhile."
            )
        return text + "No prompt lost. The allowance stopped guessing where little could be copied."


verify_cost = VerifyCost()
tokens = TokensPerPass()
speed_up = SpeedUp()
cuda = CudaVerifyCost()
EXPERIMENTS = [verify_cost, tokens, speed_up, cuda]
