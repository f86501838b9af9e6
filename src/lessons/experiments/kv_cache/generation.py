"""Write tokens: the cache grows, and so does what each of them reads."""

from __future__ import annotations

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.formulas import kv_cache
from lessons.formulas.roofline import time_bound
from lessons.llm.engines import engine
from lessons.llm.footprint import step_bytes, step_work
from lessons.measure import time
from lessons.measure.conditions import one_thread
from lessons.passport import Passport
from lessons.units import Quantity, format_value


class Generation(Experiment):
    """Time one more token with a cache, and without: then the whole sequence is computed again."""

    id = "kv_cache.generation"
    title = "time of a token without a cache, over that with one"
    unit = "1"
    question = (
        "After 256 tokens, how many times longer does one core take for the next one without a KV cache?"
    )
    SMALL = {"lengths": (4, 8, 12, 16)}
    lengths = (32, 64, 128, 256)

    def predict(self, passport: Passport) -> Outcome:
        rate, peak = passport.bandwidth("read", "dram").value, passport.flops("int8").value
        reading = step_bytes("packed, int8") / rate
        seconds = [time_bound(step_work("packed, int8", n, wanted=1), peak, rate) for n in self.lengths]
        return Outcome(
            Quantity(seconds[-1] / reading, "1"),
            {"lengths": self.lengths, "cached": [reading] * len(seconds), "uncached": seconds},
        )

    @one_thread()
    def run(self, progress: Progress = SILENT) -> Outcome:
        import torch

        llm = engine()
        tokens = torch.arange(1000, 1000 + self.lengths[-1])
        cached, uncached = [], []
        for n in self.lengths:
            progress(f"{n} tokens")

            def again(n=n) -> None:
                llm.model.forward(tokens[:n], llm.new_cache(n), last_only=True)

            state = llm.new_cache(n)
            llm.model.forward(tokens[: n - 1], state, last_only=True)

            def one_more(n=n, state=state) -> None:
                llm.model.forward(tokens[n - 1 : n], state, last_only=True)
                state.truncate(n - 1)

            uncached.append(time(again, samples=2).median())
            cached.append(time(one_more, samples=9).median())
        return Outcome(
            uncached[-1].ratio(cached[-1]),
            {
                "lengths": self.lengths,
                "cached": [q.value for q in cached],
                "uncached": [q.value for q in uncached],
            },
        )

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        for name, colour in (("uncached", "blue"), ("cached", "green")):
            colour = figures.COLOURS[colour]
            figures.predicted(ax, self.lengths, prediction.data[name], f"{name}, predicted", color=colour)
            figures.measured(ax, self.lengths, result.data[name], label=f"{name}, measured", color=colour)
        figures.time_axis(ax.yaxis, log=True)
        ax.set_xlabel("tokens so far")
        ax.set_ylabel("time of the next token")
        ax.legend()

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        return (
            "Time of the next token against the tokens so far. With a cache the line is nearly flat; without one "
            f"it rises with the length, to {result.quantity.value:.0f} times as much at {self.lengths[-1]} tokens."
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        positions = [kv_cache.generation_positions(64, 192, cached) for cached in (True, False)]
        text = (
            f"With a cache, the next token costs **{format_value(result.data['cached'][-1], 's')}**, most of it the "
            f"reading of the weights. Without one it costs {format_value(result.data['uncached'][-1], 's')}, as all "
            f"{self.lengths[-1]} positions are computed again. Over a whole answer this adds up to a square: 192 "
            f"tokens after a prompt of 64 compute {positions[0]} positions with a cache and {positions[1]:,} "
            "without. The cache saves no memory. It spends memory to save arithmetic."
        )
        ratio = result.quantity.value / prediction.quantity.value
        if ratio < 0.8:
            return text + (
                " The factor is smaller than predicted, because the cached step does not reach the memory's full "
                "rate: between the products it also computes norms, rotations and attention."
            )
        if ratio > 1.25:
            return (
                text + " The factor is larger than predicted: the model's narrow products run below the peak."
            )
        return text + " The roofline, which knows only bytes and FLOP, foresaw the factor well."
