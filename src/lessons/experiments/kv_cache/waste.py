"""The experiment on wasted cache memory: three reservations under a buddy allocator, and paging."""

from __future__ import annotations

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.formulas import paging
from lessons.passport import Passport
from lessons.units import Quantity

# What the paper printed, as shares of the memory: kwon2023pagedattention, Figure 2.
PUBLISHED = {"max": 0.204, "pow2": 0.268, "oracle": 0.382, "paged": 0.963}
NAMES = {"max": "longest", "pow2": "power of two", "oracle": "exact", "paged": "paging"}


class Waste(Experiment):
    """Run one fixed mix of requests against three reservations under a buddy allocator, and paging."""

    id = "kv_cache.waste"
    title = "memory that holds token states under paging"
    simulated = True
    unit = "%"
    question = "With blocks of 16 tokens, what share of the cache memory holds token states under full load?"
    SMALL = {"block_sizes": (8, 16)}
    panels = (1, 2)
    block_sizes = (1, 8, 16, 32, 64, 128)

    def predict(self, passport: Passport) -> Outcome:
        from lessons.allocators.mix import request_mix

        mix = request_mix()
        steps = sum(output for _, output in mix)
        live = sum(o * p + o * (o - 1) / 2 for p, o in mix) / steps  # mean tokens of a running request
        waste = [paging.expected_waste(live, size) for size in self.block_sizes]
        return Outcome(
            Quantity(1 - waste[self.block_sizes.index(16)], "%"),
            {
                "live": live,
                "waste": waste,
                "shares": {p: paging.reservation_shares(mix, p, rounded=True).used for p in paging.POLICIES},
            },
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
        lengths = {"requests": len(mix), "tokens": sum(prompt + output for prompt, output in mix)}
        return Outcome(Quantity(usage["paged"]["used"], "%"), {"usage": usage, "waste": waste, **lengths})

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures
        from lessons.figures.style import BACKGROUND

        left, right = figure.axes
        bottom = [0.0] * len(NAMES)
        parts = {"used": "blue", "reserved": "sky", "internal": "orange", "rounding": "purple", "free": None}
        for part, colour in parts.items():
            heights = [result.data["usage"][policy][part] for policy in NAMES]
            style = {"color": figures.COLOURS[colour]} if colour else {"fill": False, "linewidth": 0.6}
            left.bar(range(len(NAMES)), heights, bottom=bottom, width=0.6, label=part, **style)
            bottom = [b + h for b, h in zip(bottom, heights)]
        published = [PUBLISHED[policy] for policy in NAMES]
        figures.recorded(
            left, range(len(NAMES)), published, label="used, published",
            linestyle="none", color=figures.COLOURS["vermilion"], mfc=BACKGROUND, ms=7, zorder=5,
        )  # fmt: skip
        left.set_xticks(range(len(NAMES)), [name.replace(" of ", "\nof ") for name in NAMES.values()])
        left.set_ylim(0, 1)
        left.set_ylabel("share of the cache memory")
        left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3, fontsize=8)
        figures.predicted(right, self.block_sizes, prediction.data["waste"], "half a block a sequence")
        figures.measured(right, self.block_sizes, result.data["waste"], label="simulated")
        figures.rate_axis(right.yaxis, "%")
        right.set_xscale("log", base=2)
        right.set_xticks(self.block_sizes, [str(size) for size in self.block_sizes])
        right.set_xlabel("tokens a block")
        right.set_ylabel("empty slots in taken blocks")
        right.legend()

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        used = {policy: f"{100 * u['used']:.0f} %" for policy, u in result.data["usage"].items()}
        return (
            "Left: where the cache memory is under four policies. Token states fill "
            f"{used['max']} when the longest sequence is reserved, {used['pow2']} with powers of two, "
            f"{used['oracle']} with the exact length, and {used['paged']} with paging; the published shares lie "
            "near each bar. Right: empty slots grow with the block size, as half a block a sequence foretells."
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        usage = result.data["usage"]
        reasons = {
            "max": "nothing counts but the mean length of a running request over the longest one. The gap is a "
            "difference of the two mixes of lengths, whose spread we assumed",
            "pow2": "the paper's baseline guesses from the same lengths. The gap is again the mix, and the part "
            "lost to the allocator's rounding moves with it",
            "oracle": "nothing is reserved in vain here, and yet most is lost: the buddy allocator rounds up, and "
            "tokens that will come later stand empty until then",
            "paged": "the paper's share was taken from a running server, in which requests come and go. In ours "
            "somebody always waits",
        }
        rows = [
            f"| {NAMES[policy]} | {100 * usage[policy]['used']:.1f} % | {100 * PUBLISHED[policy]:.1f} % | "
            f"{100 * (usage[policy]['used'] - PUBLISHED[policy]):+.1f} | {usage[policy]['batch']:.1f} |"
            for policy in reasons
        ]
        paged = usage["paged"]
        return "\n".join(
            [
                "| reservation | used here | published | points apart | requests at once |",
                "|---|---:|---:|---:|---:|",
                *rows,
                "",
                "Why they differ from the published ones:",
                "",
                *(f"- **{NAMES[policy]}**: {reason}." for policy, reason in reasons.items()),
                "",
                f"Paging runs **{paged['batch'] / usage['oracle']['batch']:.1f} times** as many requests at once as "
                "the exact reservation, in the same memory. That, and not a faster kernel, is where the throughput "
                "comes from. Half a block a sequence is lost, and no more: the right panel's line has no other term "
                "in it.",
                "",
                "That gain has a price which this simulation does not charge. It lets a request in as soon as its "
                f"prompt fits, so the memory runs out again and again: {paged['preempted']} times, for "
                f"{result.data['requests']} requests, the newest one was thrown out and had to come back later. In "
                f"all {paged['recomputed']:,} tokens were lost that way, where all requests together are "
                f"{result.data['tokens']:,} tokens long. To compute them again takes no time here. A real service "
                "pays for it.",
            ]
        )
