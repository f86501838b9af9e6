"""The experiments on what a block table costs: on this computer's CPU, and on a CUDA device."""

from __future__ import annotations

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress, Unavailable
from lessons.formulas import kv_cache
from lessons.measure import time
from lessons.measure.conditions import one_thread
from lessons.passport import Passport
from lessons.units import Quantity, format_bytes, format_value

FLOAT = 4  # bytes


class Indirection(Experiment):
    """Read 1,024 tokens through a block table, with the blocks in longer and longer adjacent runs."""

    id = "kv_cache.indirection"
    title = "paged over contiguous attention, blocks placed by the pool"
    unit = "1"
    question = "How much longer does attention take through a block table, where the pool put the blocks?"
    SMALL = {"tokens": 256, "pool_blocks": 128, "runs": (1, 4, 16)}
    tokens, pool_blocks = 1024, 512
    runs = (1, 4, 16, 64)

    def predict(self, passport: Passport) -> Outcome:
        from lessons.llm.attention_layers import DIM, KV_HEADS, LAYERS

        bytes_read = kv_cache.bytes_per_token(LAYERS, KV_HEADS, DIM, FLOAT) * self.tokens
        nearest = passport.levels[-2:][0]  # the last cache; memory, where the system tells of no cache
        seconds = bytes_read / passport.bandwidth("read", nearest).value
        # The same bytes and the same arithmetic; a block table is one number for each block of 16 tokens.
        return Outcome(Quantity(1.0, "1"), {"seconds": seconds, "bytes": bytes_read})

    @one_thread()
    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons.llm.attention_layers import AttentionLayers
        from lessons.llm.placement import aged, in_runs, mean_run

        layers = AttentionLayers(self.tokens, self.pool_blocks)
        results = []
        for run in self.runs:
            progress(f"runs of {run}")
            results.append(layers.compare(in_runs(run, layers.blocks, self.pool_blocks), rounds=12))
        progress("blocks where the pool puts them")
        tables = {load: aged(self.tokens, self.pool_blocks, load=load) for load in (0.5, 1.0)}
        placed, full = (layers.compare(table, rounds=12) for table in tables.values())
        time_over = [r.ratio.inverse(1.0, "1") for r in results]
        return Outcome(
            placed.ratio.inverse(1.0, "1"),
            {
                "runs": self.runs,
                "ratios": [r.value for r in time_over],
                "low": [r.low for r in time_over],
                "high": [r.high for r in time_over],
                "mean_run": mean_run(tables[0.5]),
                "full": 1 / full.ratio.value,
                "full_run": mean_run(tables[1.0]),
                "error": max(layers.error(table) for table in tables.values()),
                "seconds": placed.peer.value,
            },
        )

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        data, placed = result.data, result.quantity
        figures.predicted(ax, self.runs, [1.0] * len(self.runs), "same bytes, same time")
        figures.measured(ax, self.runs, data["ratios"], data["low"], data["high"], "random runs")
        figures.measured(
            ax, [data["mean_run"]], [placed.value], [placed.low], [placed.high],
            "placed by the pool", color=figures.COLOURS["green"], marker="D", linestyle="none",
        )  # fmt: skip
        ax.set_xscale("log", base=4)
        ax.set_xticks(self.runs, [str(run) for run in self.runs])
        ax.set_ylim(0, max(1.5, 1.1 * max(data["ratios"])))
        ax.set_xlabel("adjacent blocks in a run")
        ax.set_ylabel("paged time / contiguous time")
        ax.legend()

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        return (
            "Paged over contiguous time against the number of adjacent blocks: "
            f"{result.data['ratios'][0]:.2f} for blocks that lie alone, {result.data['ratios'][-1]:.2f} for one run "
            f"of 64, {result.quantity.value:.2f} where the pool places them."
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        alone, adjacent = result.data["ratios"][0], result.data["ratios"][-1]
        text = (
            f"The largest difference between the two outputs is {result.data['error']:.1g}. Reading all layers once "
            f"took {format_value(result.data['seconds'], 's')} for "
            f"{format_bytes(prediction.data['bytes'])}, contiguously. "
        )
        if alone > 1.15 * adjacent:
            text += (
                f"The table costs nothing: with 64 adjacent blocks the ratio is {adjacent:.2f}. **Lost locality is "
                f"the cost**: alone, the same blocks took {alone:.2f} times as long. Each block is a short stream, "
                "and the hardware's prefetchers begin anew with every one. "
            )
        else:
            text += (
                f"On this machine even blocks that lie alone cost little ({alone:.2f}, against {adjacent:.2f} in one "
                "run): its caches hold the whole working set, or its loads run far enough ahead. On a machine "
                "with a small last-level cache the same test shows far more. "
            )
        return text + (
            "The pool gives a growing sequence the block behind its last one. After a thousand random appends, "
            f"forks and frees in a half-full pool it placed runs of {result.data['mean_run']:.0f} blocks on average, "
            f"and attention took {result.quantity.value:.2f} times the contiguous time. In a pool that is full to "
            f"the last block only runs of {result.data['full_run']:.1f} are left, and the factor is "
            f"{result.data['full']:.2f}."
        )


class PagedOnDevice(Experiment):
    """The same comparison on a CUDA device, with the shape of an 8-billion-parameter model."""

    id = "kv_cache.cuda"
    title = "paged over contiguous attention on the GPU, blocks scattered"
    unit = "1"
    question = "On a GPU, how much longer does attention take when each block of 16 tokens lies alone?"
    device = "cuda"
    panels = None
    SMALL = {"tokens": 64, "heads": 2, "kv_heads": 1, "dim": 16, "samples": 2}
    tokens, heads, kv_heads, dim = 8192, 32, 8, 128
    samples = 30
    cited = (
        "The paper that introduced paging measured its attention kernel 20 to 26 % slower than "
        "FasterTransformer's contiguous one, and the whole system two to four times faster "
        "[Kwon et al. 2023, sections 6 and 7.1](https://arxiv.org/abs/2309.06180)."
    )

    def predict(self, passport: Passport) -> Outcome:
        return Outcome(Quantity(1.0, "1"), {"bytes": 2 * self.tokens * self.kv_heads * self.dim * FLOAT})

    def run(self, progress: Progress = SILENT) -> Outcome:
        import torch

        if not torch.cuda.is_available():
            raise Unavailable("torch finds no CUDA device")
        from lessons.kernels import attention

        blocks = self.tokens // 16
        q = torch.randn(1, self.heads, self.dim, device="cuda")
        k, v = (torch.randn(self.kv_heads, self.tokens, self.dim, device="cuda") for _ in range(2))
        table = torch.randperm(blocks, device="cuda")
        k_pool, v_pool = (torch.empty(self.kv_heads, blocks, 16, self.dim, device="cuda") for _ in range(2))
        for pool, plain in ((k_pool, k), (v_pool, v)):
            pool[:, table] = plain.view(self.kv_heads, blocks, 16, self.dim)
        table = table.int()
        progress("contiguous")
        plain_time = time(
            lambda: attention.decode(q, k, v, self.tokens), warmup=3, samples=self.samples, device="cuda"
        )
        progress("paged")
        paged_time = time(
            lambda: attention.paged_decode(q, k_pool, v_pool, table, self.tokens),
            warmup=3,
            samples=self.samples,
            device="cuda",
        )
        error = (
            attention.paged_decode(q, k_pool, v_pool, table, self.tokens)
            - attention.decode(q, k, v, self.tokens)
        ).abs()
        return Outcome(
            paged_time.median().ratio(plain_time.median()),
            {"seconds": plain_time.median().value, "error": error.max().item()},
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        word = "about the same" if result.quantity.value < 1.1 else "more"
        return (
            f"One layer over {self.tokens:,} tokens took {format_value(result.data['seconds'], 's')} contiguously and "
            f"{word} through the table, with outputs {result.data['error']:.1g} apart. A block of one head is "
            f"{format_bytes(16 * self.dim * FLOAT)}: many whole memory transactions, kept in flight by thousands of "
            "threads, so that where the next block lies matters less than on one CPU thread."
        )
