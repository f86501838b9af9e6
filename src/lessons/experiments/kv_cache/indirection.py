"""The experiments on what a block table costs: on this computer's CPU, and on a CUDA device."""

from __future__ import annotations

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Derivation, Operand
from lessons.experiments.kv_cache.memory_now import BUFFER, REASONS, rate_now, rates, reason
from lessons.formulas import kv_cache
from lessons.measure import Comparison, time
from lessons.measure.conditions import one_thread
from lessons.measure.verdict import JUDGED, differs
from lessons.passport import Passport, needs
from lessons.units import Quantity, format_bytes, format_value

FLOAT = 4  # bytes
COSTS = {1: "costs", 0: "free", -1: "faster"}


class Indirection(Experiment):
    """Read 1,024 tokens through a block table, with the blocks in longer and longer adjacent runs."""

    id = "kv_cache.indirection"
    unit = "1"
    kind = "ratio"
    SMALL = {"tokens": 256, "pool_blocks": 128, "runs": (1, 4, 16), "buffer": 1 << 22}
    FINDINGS = (
        *("table-free", "table-costs", "table-faster", "alone-free", "alone-costs", "alone-faster"),
        *("placed-free", "placed-costs", "placed-faster"),
        *JUDGED,
        *("memory-beaten", *REASONS),
    )
    tokens, pool_blocks = 1024, 512
    runs = (1, 4, 16, 64)
    buffer = BUFFER

    def predict(self, passport: Passport) -> Outcome:
        from lessons.llm.attention_layers import DIM, KV_HEADS, LAYERS

        bytes_read = kv_cache.bytes_per_token(LAYERS, KV_HEADS, DIM, FLOAT) * self.tokens
        # The weights are read before each call, as in decoding, so that keys and values come from memory.
        return _same_bytes(bytes_read, LAYERS * _table_bytes(self.tokens), passport.bandwidth("read", "dram"))

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
        return Outcome(
            _time_over(placed),
            {
                "runs": self.runs,
                "ratios": [_time_over(r) for r in results],
                "mean_run": mean_run(tables[0.5]),
                "full": _time_over(full),
                "full_run": mean_run(tables[1.0]),
                "error": max(layers.error(table) for table in tables.values()),
                "seconds": placed.peer,
                "now": rate_now(self.buffer),
            },
            ends=_ends(placed.ours, placed.peer),
        )

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures
        from lessons.experiments import looks

        (ax,) = figure.axes
        data, placed = result.data, result.quantity
        figures.predicted(ax, self.runs, [1.0] * len(self.runs), "same bytes, same time")
        looks.measured(ax, data["runs"], data["ratios"], "random runs")
        looks.measured(
            ax, [data["mean_run"]], [placed], "placed by the pool",
            color=figures.COLOURS["green"], marker="s", linestyle="none",
        )  # fmt: skip
        ax.set_xscale("log", base=4)
        ax.set_xticks(self.runs, [str(run) for run in self.runs])
        ax.set_xlabel("adjacent blocks in a run")
        ax.set_ylabel("paged time / contiguous time")
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        from lessons.llm.attention_layers import DIM

        data, contiguous = result.data, result.ends["contiguous"]
        return {
            "context": f"{self.tokens:,}",
            "error": f"{data['error']:.1g}",
            "seconds": format_value(data["seconds"].value, "s"),
            "bytes": format_bytes(prediction.data["bytes"]),
            "last_run": self.runs[-1],
            "alone": format_value(data["ratios"][0].value, "1"),
            "adjacent": format_value(data["ratios"][-1].value, "1"),
            "adjacent_interval": data["ratios"][-1],
            "mean_run": f"{data['mean_run']:.0f}",
            "placed": format_value(result.quantity.value, "1"),
            "full_run": f"{data['full_run']:.1f}",
            "full": format_value(data["full"].value, "1"),
            "block": format_bytes(16 * DIM * FLOAT),
            "rate": format_value(contiguous.inverse(prediction.data["bytes"], "B/s").value, "B/s"),
            **rates(data["now"], prediction.data["bytes"], prediction.ends["contiguous"]),
            **_off(prediction, result),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        alone, adjacent = result.data["ratios"][0], result.data["ratios"][-1]
        costs = {"table": adjacent, "alone": alone.ratio(adjacent), "placed": result.quantity}
        found = [f"{what}-{COSTS[differs(ratio)]}" for what, ratio in costs.items()]
        ends = result.ends["contiguous"], prediction.ends["contiguous"]
        why = ["memory-beaten", *reason(*ends, prediction.data["bytes"], result.data["now"])]
        beaten = differs(ends[0].ratio(ends[1])) < 0
        return [*found, self.verdict(prediction, result), *why * beaten]


def _time_over(comparison: Comparison) -> Quantity:
    """Return paged over contiguous time; the comparison has it the other way round."""
    return comparison.ratio.inverse(1.0, "1")


def _table_bytes(tokens: int) -> int:
    """Return the bytes of a block table: one 32-bit number for each block of 16 tokens."""
    return -(-tokens // 16) * 4


def _same_bytes(states: float, table: float, rate: Quantity) -> Outcome:
    """Return what to expect of reading keys and values through a table: the same bytes, and the table's own."""
    by = Derivation(
        "((B + T) / R) / (B / R)",
        {
            "B": Operand("bytes of keys and values", Quantity(states, "B"), "counted"),
            "T": Operand("block table, once per layer", Quantity(table, "B"), "counted"),
            "R": Operand("reads in memory", rate),
        },
    )
    ends = _ends(rate.inverse(states + table, "s"), rate.inverse(states, "s"))
    return Outcome(by.quantity("1"), {"bytes": states}, by=by, ends=ends)


def _ends(paged: Quantity, contiguous: Quantity) -> dict[str, Quantity]:
    """Return the seconds of both ways by their names."""
    return {"paged": paged, "contiguous": contiguous}


def _off(prediction: Outcome, result: Outcome) -> dict[str, str]:
    """Return as facts by which factor each of the two times is off."""
    ratios = {name: result.ends[name].ratio(end) for name, end in prediction.ends.items()}
    return {f"{name}_off": format_value(ratio.value, "1", 2) for name, ratio in ratios.items()}


class PagedOnDevice(Experiment):
    """The same comparison on a CUDA device, with the shape of an 8-billion-parameter model."""

    id = "kv_cache.cuda"
    unit = "1"
    kind = "ratio"
    device = "cuda"
    needs = (needs.CUDA,)
    panels = None
    SMALL = {"tokens": 64, "heads": 2, "kv_heads": 1, "dim": 16, "samples": 2}
    FINDINGS = ("as-fast", "slower", "faster", *JUDGED)
    tokens, heads, kv_heads, dim = 8192, 32, 8, 128
    samples = 30

    def predict(self, passport: Passport) -> Outcome:
        states = self.tokens * kv_cache.bytes_per_token(1, self.kv_heads, self.dim, FLOAT)
        return _same_bytes(states, _table_bytes(self.tokens), passport.bandwidth("read", device="cuda"))

    def run(self, progress: Progress = SILENT) -> Outcome:
        import torch

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
        ends = _ends(paged_time.median(), plain_time.median())
        data = {"seconds": ends["contiguous"], "error": error.max().item()}
        return Outcome(ends["paged"].ratio(ends["contiguous"]), data, ends=ends)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        return {
            "context": f"{self.tokens:,}",
            "seconds": format_value(result.data["seconds"].value, "s"),
            "error": f"{result.data['error']:.1g}",
            "bytes": format_bytes(prediction.data["bytes"]),
            "block": format_bytes(16 * self.dim * FLOAT),
            **_off(prediction, result),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        faster = {1: "slower", -1: "faster", 0: "as-fast"}[differs(result.quantity)]
        return [faster, self.verdict(prediction, result)]
