"""A matrix product in tiles: the same arithmetic with fewer bytes from far away."""

from __future__ import annotations

from functools import partial

from lessons import topology
from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Operand
from lessons.experiments.looks import NAMES, measured
from lessons.experiments.ratios import ratio
from lessons.formulas import memory
from lessons.formulas.roofline import tile_side, tiled_product
from lessons.measure import time
from lessons.measure.conditions import one_thread
from lessons.measure.verdict import AS_FORESEEN, JUDGED, LESS, MORE, differs, foreseen
from lessons.passport import Passport, needs
from lessons.units import Quantity, format_value

TILES = (4, 8, 16, 32, 64, 128, 256)
LINE = 64  # bytes of a cache line
NUMBERS = LINE // 4  # of float32 in it
ENDS = {"naive": "(L / K + N / M)", "blocked": "(F / P + B / M)"}


class Product(Experiment):
    """Multiply two matrices with three plain loops, and in tiles of rising side."""

    id = "gpu_memory.product"
    unit = "1"
    kind = "ratio"
    needs = (needs.CACHES,)
    SMALL = {"n": 64, "rows": 16}
    FINDINGS = (
        *(*JUDGED, "naive-decides", "blocked-decides", "both-decide", "lines-sooner"),
        *("beyond-l1", "l1-alike", "l1-best"),
        *("pitch-slower", "pitch-alike", "pitch-faster"),
    )
    n = 1024  # rows and columns; a column's lines fit in few first-level caches, and the matrices in few second ones
    rows = 128  # of the result, for which the plain loops are timed: each takes as long as any other

    def predict(self, passport: Passport) -> Outcome:
        n, levels = self.n, passport.levels
        kept = passport.held().value
        caches = [min(cache["bytes"], kept) for cache in passport.machine["caches"]]
        # A column of b and a row of a are used again for the next result; all three matrices, for the next tile.
        column, matrices = (levels[memory.level(size, caches)] for size in (n * (LINE + 4), 12 * n * n))
        near, far = (passport.bandwidth("read", level) for level in (column, matrices))
        peak = passport.flops("float32")
        tiles = [tile for tile in TILES if tile <= n]
        reported = [cache["bytes"] for cache in passport.machine["caches"]]
        best, textbook = (tile_for(reported[min(place, len(reported) - 1)], n) for place in (1, 0))
        operands = {
            "L": Operand("a cache line per multiply-add", Quantity(LINE * n**3, "B"), "counted"),
            "N": Operand("b, once per row of results", Quantity(4 * n**3, "B"), "counted"),
            "K": Operand(f"reads in {NAMES[column]}, which holds column lines", near),
            "F": Operand("operations", Quantity(2 * n**3, "FLOP"), "counted"),
            "P": Operand("float32 multiply-adds in registers", peak),
            "B": Operand(
                f"bytes for tiles of side {best}", Quantity(tiled_product(n, best).bytes, "B"), "counted"
            ),
            "M": Operand(f"reads in {NAMES[matrices]}, which holds the matrices", far),
        }
        by, ends = ratio(ENDS, operands)
        works = {tile: tiled_product(n, tile) for tile in (1, *tiles)}
        seconds = [works[tile].flop / peak.value + works[tile].bytes / far.value for tile in tiles]
        # Numbers in place of lines, all of them from where the matrices lie, and tiles of which three fit in the L1.
        numbers = works[1].bytes / far.value
        return Outcome(
            by.quantity(self.unit),
            {
                "tiles": tiles,
                "seconds": seconds,
                "caches": caches,
                "levels": levels[:-1],
                "arithmetic": works[1].flop / peak.value,
                "best": best,
                "textbook": textbook,
                "column": column,
                "lines": near.inverse(LINE * n**3, "s"),
                "matrices": matrices,
                "numbers": numbers,
            },
            textbook=Quantity(numbers / seconds[tiles.index(textbook)], self.unit),
            by=by,
            ends=ends,
        )

    @one_thread()
    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons.kernels.gemm import product

        n, rows = self.n, min(self.rows, self.n)
        caches = [cache.bytes for cache in topology.read().caches]
        best = tile_for(caches[min(1, len(caches) - 1)], n)
        # Rows a line more than a power of two apart, so that the lines of a column lie in different sets of a cache.
        a, b, out = (_matrix(n, n + NUMBERS) for _ in range(3))
        progress("three loops")
        plain = _loops(a, b, out, rows)
        progress("three loops, another pitch")
        pitched = _loops(a, _matrix(n, n), out, rows // 4)
        tiles = [tile for tile in TILES if tile <= n]
        seconds: list[Quantity] = []
        for tile in tiles:
            progress(f"tiles of side {tile}")
            seconds.append(time(partial(product, a, b, "blocked", tile=tile, out=out), samples=5).median())
        ends = {"naive": plain, "blocked": seconds[tiles.index(best)]}
        return Outcome(
            plain.ratio(ends["blocked"]),
            {"tiles": tiles, "seconds": seconds, "pitched": pitched, "best": best},
            ends=ends,
        )

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        p, data = prediction.data, result.data
        flop = tiled_product(self.n, 1).flop
        for level, size in list(zip(p["levels"], p["caches"]))[:2]:
            side = (size / 12) ** 0.5
            ax.axvline(side, **figures.guide(dotted=True))
            ax.annotate(
                f"three tiles fill {NAMES[level]}",
                (side, 0),
                xycoords=("data", "axes fraction"),
                xytext=(-3, 4),
                textcoords="offset points",
                rotation=90,
                ha="right",
                va="bottom",
            )
        figures.predicted(ax, p["tiles"], [flop / s for s in p["seconds"]], "predicted, tiles")
        loops = flop / prediction.ends["naive"].value
        figures.predicted(ax, [1], [loops], "predicted, three loops", marker="+", markersize=10)
        rates = [q.inverse(flop, "FLOP/s") for q in (result.ends["naive"], *data["seconds"])]
        measured(ax, [1], rates[:1], label="measured, three loops", linestyle="none", marker="s")
        measured(ax, data["tiles"], rates[1:], label="measured, tiles")
        ax.axhline(flop / p["arithmetic"], label="peak of this core", **figures.guide())
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        figures.rate_axis(ax.yaxis, "FLOP/s", log=True)
        ax.set_xlabel("side of a tile (1: three loops)")
        ax.set_ylabel("arithmetic rate")
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        p, data = prediction.data, result.data
        plain, blocked = result.ends["naive"], result.ends["blocked"]
        textbook = data["seconds"][data["tiles"].index(p["textbook"])]
        flop = tiled_product(self.n, 1).flop
        return {
            "n": f"{self.n:,}",
            "line": LINE,
            "others": NUMBERS - 1,
            "gain": format_value(result.quantity.value, "1", 2),
            "due": format_value(prediction.quantity.value, "1", 2),
            "side": data["best"],
            "l1_tile": p["textbook"],
            "naive": format_value(plain.value, "s"),
            "naive_due": format_value(prediction.ends["naive"].value, "s"),
            "naive_rate": format_value(flop / plain.value, "FLOP/s"),
            "blocked": format_value(blocked.value, "s"),
            "blocked_due": format_value(prediction.ends["blocked"].value, "s"),
            "blocked_rate": format_value(flop / blocked.value, "FLOP/s"),
            "smallest": data["tiles"][0],
            "smallest_takes": format_value(data["seconds"][0].value, "s"),
            "by_numbers": format_value(p["numbers"], "s"),
            "column": NAMES[p["column"]],
            "lines_due": format_value(p["lines"].value, "s"),
            "matrices": NAMES[p["matrices"]],
            "with_l1": format_value(textbook.value / blocked.value, "1"),
            "pitched": format_value(data["pitched"].value / plain.value, "1"),
            "with_naive": format_value(plain.value / prediction.ends["blocked"].value, "1", 2),
            "with_blocked": format_value(prediction.ends["naive"].value / blocked.value, "1", 2),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        data, verdict = result.data, self.verdict(prediction, result)
        textbook = data["seconds"][data["tiles"].index(prediction.data["textbook"])]
        pitched = data["pitched"].ratio(result.ends["naive"])
        sooner = differs(result.ends["naive"].ratio(prediction.data["lines"])) < 0
        return [
            verdict,
            *([_cause(prediction, result)] if verdict in (LESS, MORE) else []),
            *(["lines-sooner"] if sooner else []),
            {1: "beyond-l1", 0: "l1-alike", -1: "l1-best"}[differs(textbook.ratio(result.ends["blocked"]))],
            {1: "pitch-slower", 0: "pitch-alike", -1: "pitch-faster"}[differs(pitched)],
        ]


def tile_for(cache: float, n: int) -> int:
    """Return the side of the largest tile that is tried of which three fit in ``cache`` bytes."""
    return max(TILES[0], min(tile_side(cache), TILES[-1], n))


def _matrix(n: int, pitch: int):
    from lessons.kernels.tools.buffers import aligned

    return aligned((n, pitch), "float32", 0.5)[:, :n]


def _loops(a, b, out, rows: int) -> Quantity:
    """Return the seconds that the plain loops take for the product, as of some of its rows."""
    from lessons.kernels.gemm import product

    timing = time(lambda: product(a[:rows], b, "naive", out=out[:rows]), samples=5)
    return timing.median().scaled(len(a) / rows)


def _cause(prediction: Outcome, result: Outcome) -> str:
    """Return which time makes the miss: the one that, measured, brings the prediction near with the other as it was."""
    naive, blocked = (result.ends[name].ratio(prediction.ends[name]) for name in ENDS)
    if foreseen(result.quantity.scaled(1 / (prediction.quantity.value * naive.value), "1")) == AS_FORESEEN:
        return "naive-decides"
    if foreseen(result.quantity.scaled(blocked.value / prediction.quantity.value, "1")) == AS_FORESEEN:
        return "blocked-decides"
    return "both-decide"
