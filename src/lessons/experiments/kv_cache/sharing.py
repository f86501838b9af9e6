"""Two sequences share a prefix, and part."""

from __future__ import annotations

from functools import cache
from time import perf_counter

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.formulas import paging
from lessons.llm.engines import engine
from lessons.measure import median_interval
from lessons.measure.conditions import one_thread
from lessons.measure.verdict import FORESEEN, foreseen
from lessons.passport import Passport, needs
from lessons.units import Quantity, format_value


class Sharing(Experiment):
    """Four questions behind one long instruction: the instruction's blocks are computed once."""

    id = "kv_cache.sharing"
    unit = "1"
    needs = (needs.MODEL,)
    SMALL = {"written": 2}
    panels = None
    FINDINGS = ("same-bits", "close", *FORESEEN)
    written = 12  # tokens of each answer
    page_tokens = 200

    @cache  # noqa: B019 - one instance, which lives as long as the module
    def prompts(self) -> list[list[int]]:
        """Return the four prompts as token ids: a page of Python's reference, and a question."""
        from pydoc_data.topics import topics

        from lessons.llm import prompts

        encode = engine().tokenizer.encode
        page = encode(topics["compound"])[: self.page_tokens]
        return [page + encode("\n\n" + question.request) for question in prompts.load("sharing")]

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

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        data = result.data
        return {
            "computed": f"{data['computed']:,}",
            "all": f"{prediction.data['all']:,}",
            "fewer": format_value(prediction.quantity.value, "1", 2),
            "gain": format_value(result.quantity.value, "1", 2),
            "error": f"{data['error']:.1g}",
            "alone": data["blocks"]["alone"],
            "shared": data["blocks"]["shared"],
            "answer": self.written,
            **{name: data[name] for name in ("forked", "written", "whole")},
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        same = "close" if result.data["error"] else "same-bits"
        return [same, foreseen(result.quantity.ratio(prediction.quantity))]
