"""Two sequences share a prefix, and part."""

from __future__ import annotations

from functools import cache
from time import perf_counter

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.formulas import paging
from lessons.llm.engines import engine
from lessons.measure import median_interval
from lessons.measure.conditions import one_thread
from lessons.passport import Passport
from lessons.units import Quantity


class Sharing(Experiment):
    """Four questions behind one long instruction: the instruction's blocks are computed once."""

    id = "kv_cache.sharing"
    title = "prefill time without sharing, over that with it"
    unit = "1"
    question = (
        "Four prompts begin with the same page of text. How many times faster is prefill that shares it?"
    )
    SMALL = {"written": 2}
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

        encode = engine().tokenizer.encode
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

        llm = engine()

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
