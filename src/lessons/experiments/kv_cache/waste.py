"""The experiment on wasted cache memory: three reservations under a buddy allocator, and paging."""

from __future__ import annotations

from typing import Any

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Derivation, Operand
from lessons.experiments.text import rows
from lessons.formulas import paging, roofline
from lessons.measure.verdict import AS_FORESEEN, LESS, MORE, foreseen
from lessons.passport import Passport
from lessons.units import Quantity, percent

# What the paper printed, as shares of the memory: kwon2023pagedattention, Figure 2.
PUBLISHED = {"max": 0.204, "pow2": 0.268, "oracle": 0.382, "paged": 0.963}
LOST = {AS_FORESEEN: "lost-as-foreseen", MORE: "more-lost", LESS: "less-lost"}
NAMES = {"max": "longest", "pow2": "power of two", "oracle": "exact", "paged": "paging"}


class Waste(Experiment):
    """Run one fixed mix of requests against three reservations under a buddy allocator, and paging."""

    id = "kv_cache.waste"
    simulated = True
    unit = "%"
    SMALL = {"block_sizes": (8, 16)}
    panels = (1, 2)
    # Nothing is measured, so that the verdict is sure; and no share is more than a quarter above a share of nearly 1.
    FINDINGS = (
        *("more-at-once", "no-more-at-once", AS_FORESEEN, LESS, *LOST.values()),
        *("preempts", "gain-survives", "gain-lost"),
    )
    block_sizes = (1, 8, 16, 32, 64, 128)

    def predict(self, passport: Passport) -> Outcome:
        from lessons.allocators.mix import request_mix

        mix = request_mix()
        steps = sum(output for _, output in mix)
        live = sum(o * p + o * (o - 1) / 2 for p, o in mix) / steps  # mean tokens of a running request
        waste = [paging.expected_waste(live, size) for size in self.block_sizes]
        by = Derivation(
            "t / (t + (b - 1) / 2)",
            {
                "t": Operand("mean length of a running request", Quantity(live, "tokens"), "counted"),
                "b": Operand("a block", Quantity(16, "tokens"), "chosen"),
            },
        )
        return Outcome(
            by.quantity(self.unit),
            {
                "live": live,
                "waste": waste,
                "shares": {p: paging.reservation_shares(mix, p, rounded=True).used for p in paging.POLICIES},
            },
            by=by,
        )

    def run(self, progress: Progress = SILENT) -> Outcome:
        from dataclasses import asdict

        from lessons.allocators.mix import request_mix
        from lessons.allocators.reservation import page, reserve

        mix = request_mix()
        usage = {policy: asdict(reserve(mix, policy)) for policy in paging.POLICIES}
        waste = []
        for size in self.block_sizes:
            progress(f"blocks of {size}")
            paged = asdict(page(mix, size))
            waste.append((paged["reserved"] + paged["internal"]) / (1 - paged["free"]))
            if size == 16:
                usage["paged"] = paged
        written = sum(output for _, output in mix)
        lengths = {
            "requests": len(mix),
            "tokens": sum(prompt for prompt, _ in mix) + written,
            "written": written,
        }
        return Outcome(Quantity(usage["paged"]["used"], "%"), {"usage": usage, "waste": waste, **lengths})

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures
        from lessons.figures.style import MUTED

        left, right = figure.axes
        places, bottom = range(len(NAMES)), [0.0] * len(NAMES)
        parts = {"used": "blue", "reserved": "sky", "internal": "orange", "rounding": "purple", "free": ""}
        for part, colour in parts.items():
            heights = [result.data["usage"][policy][part] for policy in NAMES]
            look: dict[str, Any] = {"colour": colour} if colour else {"color": MUTED}
            figures.bars(left, places, heights, part, start=bottom, **look)
            bottom = [b + h for b, h in zip(bottom, heights)]
        figures.published(left, places, [PUBLISHED[policy] for policy in NAMES], "used, published")
        left.set_xticks(places, [name.replace(" of ", "\nof ") for name in NAMES.values()])
        left.set_ylim(0, 1)
        left.set_ylabel("share of memory, simulated")
        figures.predicted(right, self.block_sizes, prediction.data["waste"], "half a block per sequence")
        figures.simulated(right, self.block_sizes, result.data["waste"])
        figures.rate_axis(right.yaxis, "%")
        right.set_xscale("log", base=2)
        right.set_xticks(self.block_sizes, [str(size) for size in self.block_sizes])
        right.set_xlabel("tokens per block")
        right.set_ylabel("empty slots in taken blocks")
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        usage = result.data["usage"]
        paged, at_16 = usage["paged"], self.block_sizes.index(16)
        table: list[list[object]] = [
            ["reservation", "used here", "published", "difference, points", "requests at once"]
        ]
        for policy, name in NAMES.items():
            used, published = usage[policy]["used"], PUBLISHED[policy]
            difference = f"{100 * (used - published):+.1f}"
            batch = f"{usage[policy]['batch']:.1f}"
            table.append([name, percent(used, 3), percent(published, 3), difference, batch])
        return {
            "table": rows(table),
            "used": _shares({policy: usage[policy]["used"] for policy in NAMES}),
            "published": _shares(PUBLISHED),
            "at_once": f"{paged['batch'] / usage['oracle']['batch']:.1f}",
            **_price(result),
            "lost": percent(result.data["waste"][at_16]),
            "lost_expected": percent(prediction.data["waste"][at_16]),
            "free": percent(paged["free"]),
            "sizes": f"{self.block_sizes[0]} to {self.block_sizes[-1]}",
            "lost_first": percent(result.data["waste"][0]),
            "lost_last": percent(result.data["waste"][-1]),
            "preempted": paged["preempted"],
            "recomputed": f"{paged['recomputed']:,}",
            "requests": result.data["requests"],
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        usage, at_16 = result.data["usage"], self.block_sizes.index(16)
        lost, foretold = (Quantity(outcome.data["waste"][at_16], "%") for outcome in (result, prediction))
        preempted = bool(usage["paged"]["preempted"])
        more = usage["paged"]["batch"] > usage["oracle"]["batch"]
        return [
            "more-at-once" if more else "no-more-at-once",
            self.verdict(prediction, result),
            LOST[foreseen(lost.ratio(foretold))],
            *["preempts"] * preempted,
            *["gain-survives" if _kept(result) > 1 else "gain-lost"] * (preempted and more),
        ]


def _shares(by_policy: dict[str, float]) -> str:
    return ", ".join(f"{NAMES[policy]} {percent(by_policy[policy], 3)}" for policy in NAMES)


def _ridge() -> float:
    """Return the tokens whose arithmetic takes an H100 as long as one reading of 16-bit weights: 2 FLOP, 2 bytes."""
    from lessons.datasheets import accelerator

    card = accelerator("h100_sxm")
    assert card.bf16  # published
    return roofline.ridge(card.bf16, card.bandwidth)


def _steps(result: Outcome) -> tuple[float, float]:
    """Return the decode steps that paging needs for the answers, and those that its repeated prefill costs."""
    paged = result.data["usage"]["paged"]
    return result.data["written"] / paged["batch"], paged["recomputed"] / _ridge()


def _kept(result: Outcome) -> float:
    """Return what is left of the requests at once, as tokens per second, when repeated tokens take time."""
    usage = result.data["usage"]
    steps, lost = _steps(result)
    return usage["paged"]["batch"] / usage["oracle"]["batch"] * steps / (steps + lost)


def _price(result: Outcome) -> dict[str, str]:
    """Return as facts what the preemptions cost."""
    recomputed = result.data["usage"]["paged"]["recomputed"]
    steps, lost = _steps(result)
    return {
        "again": percent(recomputed / (recomputed + result.data["tokens"])),
        "ridge": f"{_ridge():.0f}",
        "steps": f"{steps:,.0f}",
        "lost_steps": f"{lost:,.0f}",
        "kept": f"{_kept(result):.1f}",
    }
