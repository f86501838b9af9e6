"""Two sequences share a prefix, and part."""

from __future__ import annotations

from functools import cache
from time import perf_counter

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Derivation, Operand
from lessons.formulas import paging
from lessons.llm.engines import engine
from lessons.llm.footprint import step_work
from lessons.measure import median_interval
from lessons.measure.conditions import one_thread
from lessons.measure.verdict import JUDGED
from lessons.passport import Passport, needs
from lessons.units import Quantity, format_value


class Sharing(Experiment):
    """Four questions behind one long instruction: the instruction's blocks are computed once."""

    id = "kv_cache.sharing"
    unit = "1"
    kind = "ratio"
    needs = (needs.MODEL,)
    SMALL = {"written": 2}
    panels = None
    FINDINGS = ("same-bits", "close", *JUDGED)
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
        product = passport.product("packed", "int8")
        flop = step_work("packed, int8", 1, wanted=0).flop
        by = Derivation(
            "(n * F / P) / (m * F / P)",
            {
                "n": Operand("all prompts", Quantity(sum(lengths), "tokens"), "counted"),
                "m": Operand("to compute, shared ones once", Quantity(computed, "tokens"), "counted"),
                "F": Operand("operations of a token", Quantity(flop, "OP"), "shape of SmolLM2-135M"),
                "P": Operand("product of packed weights and int8", product),
            },
        )
        ends = _ends(*(product.inverse(tokens * flop, "s") for tokens in (sum(lengths), computed)))
        return Outcome(by.quantity(self.unit), {"all": sum(lengths), "computed": computed}, by=by, ends=ends)

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

        rounds: list[tuple[float, float]] = []
        progress("warm-up")
        serve(True)
        for i in range(3):
            progress(f"round {i + 1} of 3")
            alone, together = serve(False), serve(True)
            rounds.append((alone[0], together[0]))
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
            median_interval([alone / shared for alone, shared in rounds], "1"),
            {
                "computed": together[1],
                "blocks": blocks,
                "error": error,
                "forked": forked,
                "written": written,
                "whole": whole,
            },
            ends=_ends(*(median_interval(list(seconds), "s") for seconds in zip(*rounds))),
        )

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        data = result.data
        off = [result.ends[name].ratio(end).value for name, end in prediction.ends.items()]
        return {
            "alone_off": format_value(off[0], "1", 2),
            "shared_off": format_value(off[1], "1", 2),
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
        return [same, self.verdict(prediction, result)]


def _ends(alone: Quantity, shared: Quantity) -> dict[str, Quantity]:
    """Return the seconds of the four prompts by their names."""
    return {"without sharing": alone, "with sharing": shared}
