"""The experiment on wasted cache memory: three reservations under a buddy allocator, and paging."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from lessons.allocators.reservation import SLOTS
from lessons.datasheets import accelerator, model
from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Derivation, Operand
from lessons.experiments.text import rows
from lessons.formulas import batching, kv_cache, paging, roofline
from lessons.measure.verdict import AS_FORESEEN, LESS, MORE, foreseen
from lessons.passport import Passport
from lessons.units import Quantity, format_bytes, percent

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
        *("more-at-once", "no-more-at-once", "shorter-inside", AS_FORESEEN, LESS, *LOST.values()),
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
        figures.rate_axis(left.yaxis, "%")
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
        paged, exact, at_16 = usage["paged"], usage["oracle"], self.block_sizes.index(16)
        table: list[list[object]] = [["", "used", "published", "apart", "at once"]]
        for policy, name in NAMES.items():
            used, published = usage[policy]["used"], PUBLISHED[policy]
            difference = f"{100 * (used - published):+.1f}"
            batch = f"{usage[policy]['batch']:.1f}"
            table.append([name, percent(used, 3), percent(published, 3), difference, batch])
        return {
            "table": rows(table),
            "used": _shares({policy: usage[policy]["used"] for policy in NAMES}),
            "published": _shares(PUBLISHED),
            "at_once": f"{paged['batch'] / exact['batch']:.1f}",
            "fuller": f"{paged['used'] / exact['used']:.1f}",
            "live": f"{prediction.data['live']:.0f}",
            **{f"live_{name}": f"{_live(usage[name]):.0f}" for name in ("paged", "oracle")},
            "slots": f"{SLOTS:,}",
            **{f"exact_{part}": percent(exact[part]) for part in ("reserved", "rounding", "free")},
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
            *["shorter-inside"] * (more and _live(usage["paged"]) < _live(usage["oracle"])),
            self.verdict(prediction, result),
            LOST[foreseen(lost.ratio(foretold))],
            *["preempts"] * preempted,
            *["gain-survives" if _kept(result) > 1 else "gain-lost"] * (preempted and more),
        ]


def _shares(by_policy: dict[str, float]) -> str:
    return ", ".join(f"{NAMES[policy]} {percent(by_policy[policy], 3)}" for policy in NAMES)


def _live(usage: dict[str, float]) -> float:
    """Return the tokens that a running request held on average, inside the window of the count."""
    return usage["used"] * SLOTS / usage["batch"]


class Service(NamedTuple):
    """A model in 16 bits on one card, whose decode steps take time.

    Attributes:
        weights: bytes that each step reads; 2 per weight, and a token's arithmetic is as many FLOP.
        token: bytes of a token's keys and values.
        slots: tokens that the cache memory holds.
        bandwidth, peak: of the card, in B/s and in FLOP/s of bfloat16.
    """

    weights: float
    token: float
    slots: int
    bandwidth: float
    peak: float

    @property
    def ridge(self) -> float:
        """Tokens whose arithmetic lasts as long as one reading of the weights."""
        return roofline.ridge(self.peak, self.bandwidth)

    def batch(self, usage: dict[str, float]) -> float:
        """Return the requests at once: as many as were simulated, and in a larger memory more."""
        return usage["batch"] * self.slots / SLOTS

    def step(self, usage: dict[str, float]) -> float:
        """Return the bytes that a decode step reads: the weights once, and all keys and values."""
        return self.weights + usage["used"] * self.slots * self.token

    def rate(self, usage: dict[str, float], lost: float = 0) -> float:
        """Return the tokens per second of decode steps, each longer by ``lost`` readings of the weights."""
        requests = max(1, round(self.batch(usage)))
        each = usage["used"] * self.slots * self.token / requests
        seconds = batching.decode_step_time(
            requests, self.weights, each, self.bandwidth, self.weights, self.peak
        )
        return self.batch(usage) / (seconds + lost * self.weights / self.bandwidth)


def _service(card_key: str, model_key: str, slots: int = 0) -> Service:
    """Return a model on a card, with room for ``slots`` tokens, or for as many as fit beside its weights."""
    card, shape = accelerator(card_key), model(model_key)
    assert card.bf16  # published
    weights, token = (
        2.0 * shape.parameters,
        kv_cache.bytes_per_token(shape.layers, shape.kv_heads, shape.head_dim),
    )
    slots = slots or kv_cache.tokens_that_fit(card.memory_bytes, token, weights, share=0.9)
    return Service(weights, token, slots, card.bandwidth, card.bf16)


@cache
def _services() -> tuple[Service, Service]:
    """Return the paper's service, whose memory is simulated, and one with more room beside its weights."""
    return _service("a100_sxm_40gb", "opt-13b", SLOTS), _service("h100_sxm", "llama-3-8b")


def _steps(result: Outcome) -> tuple[float, float]:
    """Return the decode steps of the answers under paging, and the readings that the repeated prefill lasts."""
    paged = result.data["usage"]["paged"]
    return result.data["written"] / paged["batch"], paged["recomputed"] / _services()[0].ridge


def _gain(result: Outcome, service: Service, lost: float = 0) -> float:
    """Return paging's tokens per second over those of the exact reservation; ``lost`` as in ``Service.rate``."""
    usage = result.data["usage"]
    return service.rate(usage["paged"], lost) / service.rate(usage["oracle"])


def _kept(result: Outcome) -> float:
    """Return what is left of the gain when caches are read, and repeated tokens take time."""
    steps, lost = _steps(result)
    return _gain(result, _services()[0], lost / steps)


def _price(result: Outcome) -> dict[str, str]:
    """Return as facts what is left of the gain, and what takes the rest."""
    usage = result.data["usage"]
    here, large = _services()
    steps, lost = _steps(result)
    recomputed = usage["paged"]["recomputed"]
    return {
        "again": percent(recomputed / (recomputed + result.data["tokens"])),
        "ridge": f"{here.ridge:.0f}",
        "steps": f"{steps:,.0f}",
        "lost_steps": f"{lost:,.0f}",
        "written": f"{result.data['written']:,}",
        "batch": f"{usage['paged']['batch']:.1f}",
        "weights": format_bytes(here.weights),
        "step_exact": format_bytes(here.step(usage["oracle"])),
        "step_paged": format_bytes(here.step(usage["paged"])),
        "reading_gain": f"{_gain(result, here):.1f}",
        "kept": f"{_kept(result):.1f}",
        "large_weights": format_bytes(large.weights),
        "large_cache": format_bytes(large.slots * large.token),
        "large_batch": f"{large.batch(usage['paged']):,.0f}",
        "large_ridge": f"{large.ridge:.0f}",
        "large_gain": f"{_gain(result, large):.1f}",
    }
