"""Does guessing ahead pay? Verification cost, tokens a pass, and speed-ups by kind of prompt."""

from __future__ import annotations

from functools import cache, partial
from itertools import pairwise
from math import sqrt
from time import perf_counter
from typing import Any

from lessons.experiments.base import Experiment, Outcome, Unavailable
from lessons.experiments.threads import one_thread
from lessons.formulas.roofline import Work, time_bound
from lessons.formulas.speculative import expected_tokens
from lessons.measure.stats import median, median_interval
from lessons.units import Quantity

ROWS = list(range(1, 13))
DRAFT = 7
WEIGHTS = 134.5e6
PUBLISHED = 0.75  # acceptance of T5-small on EnDe, greedy, table 2 of leviathan2023speculative
BORROWED = (
    f"The prediction borrows its acceptance, {PUBLISHED}, from a published pair of models: a draft of 77 million "
    "weights for T5-XXL, translating from English to German (Leviathan et al. 2023, table 2). Nobody knows the "
    "acceptance of a new pair before measuring it. "
)
COPY_PRICE = 0.5  # of a guess by the copy, which reads half the bytes of the model


@cache
def target():
    """Return the float32 model, loaded once a process."""
    from lessons.llm.load import load

    return load()


def chat(request: str) -> str:
    """Return the model's prompt for one request."""
    return target().tokenizer.chat([{"role": "user", "content": request}])


def predicted_curve(passport, device: str = "cpu") -> list[float]:
    """Return t(k)/t(1) for each of ``ROWS`` by the roofline: 2 k FLOP a weight against one reading of it."""
    dtype, size = ("bfloat16", 2) if device == "cuda" else ("float32", 4)
    peak = passport.matmul(dtype, threads=1, device=device).value
    rate = passport.bandwidth("read", threads=1, device=device).value
    seconds = [time_bound(Work(2 * k * WEIGHTS, size * WEIGHTS), peak, rate) for k in ROWS]
    return [s / seconds[0] for s in seconds]


class VerifyCost(Experiment):
    """t(k)/t(1) of the whole model: what it costs to judge k tokens at once."""

    id = "speculative.verify_cost"
    title = "cost of a pass over 8 tokens, in passes over 1"
    unit = "1"
    question = "How many times as long as a pass over one token does a pass over eight take?"

    def predict(self, passport) -> Outcome:
        curve = predicted_curve(passport, self.device)
        return Outcome(Quantity(curve[7], self.unit), {"curve": curve})

    @one_thread()
    def run(self, progress=lambda message: None) -> Outcome:
        import torch

        llm = target()
        tokens = torch.arange(100, 356)
        kv = llm.new_cache(300)
        llm.model.forward(tokens, kv, last_only=True)
        seconds: dict[int, list[float]] = {k: [] for k in ROWS}
        for turn in range(5):  # all sizes in turn, so that a busy neighbour meets each
            progress(f"round {turn + 1} of 5")
            for k in ROWS:
                began = perf_counter()
                llm.model.forward(tokens[:k], kv)
                seconds[k].append(perf_counter() - began)
                kv.truncate(256)
        one = median(seconds[1][1:])
        curve = [median(seconds[k][1:]) / one for k in ROWS]
        ratios = [a / b for a, b in zip(seconds[8][1:], seconds[1][1:])]
        return Outcome(median_interval(ratios, self.unit), {"curve": curve})

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        figures.predicted(ax, ROWS, prediction.data["curve"], "roofline")
        figures.measured(ax, ROWS, result.data["curve"])
        ax.axvline(8.5, linestyle=":", color=figures.COLOURS["green"], label="last row of the skinny kernel")
        ax.set_xlabel("tokens in a pass")
        ax.set_ylabel("t(k) / t(1)")
        ax.set_ylim(bottom=0)
        ax.legend()

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        curve = result.data["curve"]
        return f"Time of a pass over k tokens: {curve[7]:.2f} at 8 tokens and {curve[8]:.2f} at 9, in passes over 1."

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        if result.quantity.value < 2:
            text = (
                "Eight tokens cost less than two passes. The weights are read once for all of them, so guesses "
                "are cheap to check. "
            )
        else:
            text = (
                "Here a pass over eight tokens is dear: arithmetic, not the weights' bytes, takes the time. "
                "Guesses must be good. "
            )
        eight, nine = result.data["curve"][7:9]
        if nine > 1.3 * eight:
            return text + (
                f"The ninth token is a step: {nine:.1f} passes instead of {eight:.1f}. No roof bends there. From nine "
                "rows on the products are the library's, which is made for many rows. **The price of verification is a "
                "property of the kernel first, and of the machine second.**"
            )
        return text + (
            "The ninth token is no step: the library, which takes over there, is as good for few rows as our kernel."
        )


class CudaVerifyCost(VerifyCost):
    """The same curve on a CUDA device, on seeded matrices of the model's total size."""

    id = "speculative.verify_cost_cuda"
    device = "cuda"
    cited = (
        "On H100 GPUs, vLLM spends between 42 and 95 % of its time in verification, "
        "and the gain shrinks as the batch grows {cite}`liu2026specillusion`."
    )

    def run(self, progress=lambda message: None) -> Outcome:
        import torch

        from lessons.measure import time

        if not torch.cuda.is_available():
            raise Unavailable("torch finds no CUDA device")
        generator = torch.Generator("cuda").manual_seed(0)
        shape: dict[str, Any] = {"device": "cuda", "dtype": torch.bfloat16, "generator": generator}
        # Sixteen matrices of the model's size each, more than any L2 holds.
        weights = [torch.randn(11776, 11424, **shape) for _ in range(16)]
        seconds = []
        for k in ROWS:
            x = torch.randn(k, 11424, **shape)
            products = partial(_products, x, weights)
            seconds.append(time(products, device="cuda").median().value)
        curve = [s / seconds[0] for s in seconds]
        return Outcome(Quantity(curve[7], self.unit, n=12), {"curve": curve})


def _products(x, weights) -> None:
    for w in weights:
        x @ w.T


class TokensPerPass(Experiment):
    """The formula against the real model, with a coarser copy of itself as the drafter."""

    id = "speculative.tokens"
    title = "tokens written in a pass"
    unit = "tokens"
    question = "How many tokens does a pass write when a copy of the model drafts seven?"

    def predict(self, passport) -> Outcome:
        return Outcome(Quantity(expected_tokens(PUBLISHED, DRAFT), self.unit), {"acceptance": PUBLISHED})

    @one_thread()
    def run(self, progress=lambda message: None) -> Outcome:
        from lessons.llm import prompts
        from lessons.llm.drafters import ModelDrafter
        from lessons.llm.load import load
        from lessons.llm.speculative import generate

        progress("rounding a copy to four bits")
        copy = load("bfloat16", through="Q4_0")
        steps = []
        for prompt in [p for p in prompts.load() if p.name in ("story", "explain")]:
            progress(prompt.name)
            answer = generate(target(), chat(prompt.request), ModelDrafter(copy, capacity=512), 25)
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
    tokens = 25

    def predict(self, passport) -> Outcome:
        gain = expected_tokens(PUBLISHED, DRAFT) / predicted_curve(passport)[DRAFT]
        return Outcome(Quantity(gain, self.unit), {"acceptance": PUBLISHED})

    @one_thread()
    def run(self, progress=lambda message: None) -> Outcome:
        from lessons.llm import prompts
        from lessons.llm.drafters import Allowance, PromptLookup
        from lessons.llm.speculative import generate

        rows: list[list[Any]] = []
        for prompt in prompts.load():
            progress(prompt.name)
            text = chat(prompt.request)
            plain = generate(target(), text, PromptLookup(), self.tokens, draft_length=0)
            ours = generate(target(), text, Allowance(PromptLookup()), self.tokens)
            rows.append(
                [prompt.name, prompt.kind, plain.decode_seconds, ours.decode_seconds, ours.tokens_per_step]
            )
        grounded = [row for row in rows if row[1] == "grounded"]
        ratios = [row[2] / row[3] for row in grounded]
        value = sum(row[2] for row in grounded) / sum(row[3] for row in grounded)
        return Outcome(Quantity(value, self.unit, min(ratios), max(ratios), len(ratios)), {"rows": rows})

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
        text = f"The prediction takes the same borrowed acceptance, {PUBLISHED}, for any text. " + "".join(
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
