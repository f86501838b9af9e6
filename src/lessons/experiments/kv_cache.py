"""The experiments of the chapter on the KV cache."""

from __future__ import annotations

from functools import cache
from time import perf_counter
from typing import Any

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.kv_paging import Indirection, PagedOnDevice
from lessons.experiments.kv_waste import Waste
from lessons.experiments.quantization_speed import step_bytes
from lessons.experiments.threads import one_thread
from lessons.formulas import kv_cache, llama, paging
from lessons.formulas.roofline import time_bound
from lessons.measure import median_interval, time
from lessons.passport import Passport
from lessons.units import Quantity, format_bytes, format_value

FLOAT = 4  # bytes


@cache
def _llm() -> Any:
    """Return the book's fastest engine: packed weights, int8 activations."""
    from lessons.llm.load import load

    return load("packed", activations="int8")


@cache
def _config() -> Any:
    from lessons.llm.config import ModelConfig
    from lessons.llm.gguf import GGUF
    from lessons.llm.load import find_model

    return ModelConfig.from_gguf(GGUF.open(find_model()).metadata)


class BytesPerToken(Experiment):
    """Count the bytes of a token three ways: a formula, the model's matrices, the cache's storage."""

    id = "kv_cache.bytes"
    title = "cache of one token"
    unit = "B"
    question = "How many bytes does the model of this book keep for each token, in 32-bit floats?"
    panels = None

    def predict(self, passport: Passport) -> Outcome:
        c = _config()
        value = kv_cache.bytes_per_token(c.layers, c.kv_heads, c.head_dim, FLOAT)
        return Outcome(Quantity(value, "B"), {"context": c.context, "group": c.heads // c.kv_heads})

    def run(self, progress: Progress = SILENT) -> Outcome:
        llm = _llm()
        # The rows of each fused matrix that are not queries make keys and values: one float a row and token.
        c = llm.config
        walked = sum(layer.qkv.shape[0] - c.heads * c.head_dim for layer in llm.model.weights.layers) * FLOAT
        stored = llm.new_cache(64)
        counted = sum(t.untyped_storage().nbytes() for t in (stored.k, stored.v)) / stored.capacity
        return Outcome(Quantity(counted, "B"), {"walked": walked})

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        per_token, context = result.quantity.value, prediction.data["context"]
        agree = result.data["walked"] == per_token == prediction.quantity.value
        text = (
            "The formula, the model's own matrices and the bytes of the cache's storage agree to the byte."
            if agree
            else f"They disagree: the matrices say {format_bytes(result.data['walked'])}. Something is kept that "
            "the formula does not know."
        )
        return text + (
            f" A full context of {context:,} tokens keeps **{format_bytes(per_token * context)}**. Each key and "
            f"value serves {prediction.data['group']} query heads; if every head had its own, the cache would be "
            f"{prediction.data['group']} times as large."
        )


class Generation(Experiment):
    """Time one more token with a cache, and without: then the whole sequence is computed again."""

    id = "kv_cache.generation"
    title = "time of a token without a cache, over that with one"
    unit = "1"
    question = (
        "After 256 tokens, how many times longer does one core take for the next one without a KV cache?"
    )
    lengths = (32, 64, 128, 256)

    def predict(self, passport: Passport) -> Outcome:
        c = _config()
        weights = step_bytes("packed, int8")
        rate, peak = passport.bandwidth("read", "dram").value, passport.flops("int8").value
        reading = weights / rate
        seconds = [time_bound(llama.step(c, n, 1, weights=weights), peak, rate) for n in self.lengths]
        return Outcome(
            Quantity(seconds[-1] / reading, "1"),
            {"lengths": self.lengths, "cached": [reading] * len(seconds), "uncached": seconds},
        )

    @one_thread()
    def run(self, progress: Progress = SILENT) -> Outcome:
        import torch

        llm = _llm()
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


class Sharing(Experiment):
    """Four questions behind one long instruction: the instruction's blocks are computed once."""

    id = "kv_cache.sharing"
    title = "prefill time without sharing, over that with it"
    unit = "1"
    question = (
        "Four prompts begin with the same page of text. How many times faster is prefill that shares it?"
    )
    panels = None
    written = 12  # tokens of each answer
    page_tokens, questions = 200, (
        "Which statement does this page describe?",
        "Write a short example of its use.",
        "What happens when the condition is false?",
        "Summarise the page in one sentence.",
    )  # fmt: skip

    @cache  # noqa: B019 - one instance, which lives as long as the module
    def prompts(self) -> list[list[int]]:
        """Return the four prompts as token ids: a page of Python's reference, and a question."""
        from pydoc_data.topics import topics

        encode = _llm().tokenizer.encode
        page = encode(topics["compound"])[: self.page_tokens]
        return [page + encode("\n\n" + question) for question in self.questions]

    def predict(self, passport: Passport) -> Outcome:
        lengths = [len(prompt) for prompt in self.prompts()]
        shared = self.page_tokens // 16 * 16
        computed = sum(lengths) - (len(lengths) - 1) * shared
        return Outcome(Quantity(sum(lengths) / computed, "1"), {"all": sum(lengths), "computed": computed})

    @one_thread()
    def run(self, progress: Progress = SILENT) -> Outcome:
        import torch

        from lessons.llm.block_pool import BlockPool
        from lessons.llm.paged import PagedCache

        llm = _llm()

        def serve(share: bool) -> tuple[float, int, list[PagedCache], list[torch.Tensor], BlockPool]:
            pool = BlockPool(llm.config, 128)
            caches, logits, computed = [], [], 0
            began = perf_counter()
            for prompt in self.prompts():
                state = PagedCache(pool)
                known = state.match_prefix(prompt) if share else 0
                logits.append(llm.model.forward(torch.tensor(prompt[known:]), state, last_only=True)[0])
                state.commit(prompt)
                computed += len(prompt) - known
                caches.append(state)
            return perf_counter() - began, computed, caches, logits, pool

        rounds = []
        progress("warm-up")
        serve(True)
        for i in range(3):
            progress(f"round {i + 1} of 3")
            alone, together = serve(False), serve(True)
            rounds.append(alone[0] / together[0])
        error = max((a - b).abs().max().item() for a, b in zip(alone[3], together[3]))
        blocks = {
            name: served[4].num_blocks - served[4].available
            for name, served in (("alone", alone), ("shared", together))
        }

        # Copy on write: four samples of one answer.
        parent, pool = together[2][0], together[4]
        before = pool.available
        samples = [parent.fork() for _ in range(4)]
        forked = before - pool.available
        for sample in samples:
            for token in range(self.written):
                llm.model.forward(torch.tensor([token]), sample, last_only=True)
        written = before - pool.available
        whole = 4 * paging.blocks(samples[0].length, pool.block_size)
        return Outcome(
            median_interval(rounds, "1"),
            {
                "computed": together[1],
                "blocks": blocks,
                "error": error,
                "forked": forked,
                "written": written,
                "whole": whole,
            },
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        data = result.data
        same = f"differ by {data['error']:.1g} at most" if data["error"] else "are the same to the last bit"
        text = (
            f"The model computed {data['computed']} of {prediction.data['all']} tokens, and the logits {same}. The "
            f"four prompts hold **{data['blocks']['shared']} blocks** instead of {data['blocks']['alone']}. Forking "
            f"one of them four times took {data['forked']} blocks. Four answers of {self.written} tokens then took "
            f"{data['written']}, where four caches of their own would take {data['whole']}: each fork copied one "
            "block, the one that it began to write in. "
        )
        if result.quantity.value < 0.85 * prediction.quantity.value:
            return text + (
                "The time fell by less than the number of tokens, because a short prompt is not cheap in "
                "proportion: a few tokens read all the weights, as many tokens do."
            )
        return text + "The time fell about as the number of tokens did."


bytes_per_token = BytesPerToken()
generation = Generation()
waste = Waste()
indirection = Indirection()
sharing = Sharing()
cuda = PagedOnDevice()

EXPERIMENTS = [bytes_per_token, generation, waste, indirection, sharing, cuda]
