"""Write tokens: the cache grows, and so does what each of them reads."""

from __future__ import annotations

from typing import Any

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Derivation, Operand
from lessons.experiments.kv_cache.memory_now import BUFFER, REASONS, rate_now, rates, reason
from lessons.formulas import kv_cache
from lessons.formulas.roofline import Work, time_bound
from lessons.kernels.packed import MAX_ROWS, multiplies_bytes
from lessons.llm.engines import config, engine
from lessons.llm.footprint import step_bytes, step_work
from lessons.measure import time
from lessons.measure.conditions import one_thread
from lessons.measure.verdict import JUDGED, LESS, MORE, differs, foreseen
from lessons.passport import Passport, needs
from lessons.units import Quantity, format_value

SHAPE = "shape of SmolLM2-135M"
FLOAT = 4  # bytes of a number in the cache


class Generation(Experiment):
    """Time one more token with a cache, and without: then the whole sequence is computed again."""

    id = "kv_cache.generation"
    unit = "1"
    kind = "ratio"
    needs = (needs.MODEL,)
    SMALL = {"lengths": (4, 8, 12, 16), "buffer": 1 << 22}
    FINDINGS = (
        *JUDGED,
        "cached-slower",
        "cached-faster",
        *REASONS,
        "uncached-slower",
        "uncached-expands",
        "uncached-faster",
    )
    lengths = (32, 64, 128, 256)
    buffer = BUFFER
    prompt, answer = 64, 192  # tokens of the answer that the text counts

    def predict(self, passport: Passport) -> Outcome:
        read, product = passport.bandwidth("read", "dram"), passport.product("packed", "int8")
        rate, weights = read.value, step_bytes("packed, int8")
        c = config()
        per_token = kv_cache.bytes_per_token(c.layers, c.kv_heads, c.head_dim, FLOAT)
        cached = [weights + n * per_token for n in self.lengths]
        works = [step_work("packed, int8", n, wanted=1) for n in self.lengths]
        one = step_work("packed, int8", 1).flop
        steps = [Work(one, bytes_read) for bytes_read in cached]
        # The textbook's roof is the peak in registers, which leaves out what the packed product does around it.
        peak = passport.flops("int8").value
        textbook = time_bound(works[-1], peak, rate) / time_bound(steps[-1], peak, rate)
        by = Derivation(
            "max(F / P, B / R) / max(f / P, (B + n * k) / R)",
            {
                "F": Operand("operations of all tokens", Quantity(works[-1].flop, "OP"), SHAPE),
                "P": Operand("product of packed weights and int8", product),
                "f": Operand("operations of one token", Quantity(one, "OP"), SHAPE),
                "B": Operand("packed weights", Quantity(weights, "B"), SHAPE),
                "n": Operand("tokens in the cache", Quantity(self.lengths[-1], "tokens"), "chosen"),
                "k": Operand("keys and values of a token", Quantity(per_token, "B"), SHAPE),
                "R": Operand("reads in memory", read),
            },
        )
        return Outcome(
            by.quantity(self.unit),
            {
                "lengths": self.lengths,
                "cached": [time_bound(work, product.value, rate) for work in steps],
                "uncached": [time_bound(work, product.value, rate) for work in works],
                "bytes": cached[-1],
                "reading": read.inverse(cached[-1], "s"),
            },
            textbook=Quantity(textbook, "1"),
            by=by,
            ends=_ends(*(_bound(work, product, read) for work in (works[-1], steps[-1]))),
        )

    @one_thread()
    def run(self, progress: Progress = SILENT) -> Outcome:
        import torch

        llm = engine()
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
        data = {"lengths": self.lengths, "cached": cached, "uncached": uncached, "now": rate_now(self.buffer)}
        return Outcome(
            uncached[-1].ratio(cached[-1]),
            data | {"expands": self.lengths[-1] > MAX_ROWS and not multiplies_bytes()},
            ends=_ends(uncached[-1], cached[-1]),
        )

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures
        from lessons.experiments import looks

        (ax,) = figure.axes
        for name, colour, mark in zip(("uncached", "cached"), ("blue", "green"), figures.MARKS):
            look: dict[str, Any] = {"color": figures.COLOURS[colour]}
            figures.predicted(ax, self.lengths, prediction.data[name], f"{name}, predicted", **look)
            looks.measured(ax, self.lengths, result.data[name], f"{name}, measured", marker=mark, **look)
        figures.time_axis(ax.yaxis, log=True)
        ax.set_xlabel("tokens so far")
        ax.set_ylabel("time of the next token")
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        cached, uncached = result.data["cached"], result.data["uncached"]
        off = [result.ends[name].ratio(end) for name, end in prediction.ends.items()]
        return {
            "first": self.lengths[0],
            "last": self.lengths[-1],
            "cached_first": format_value(cached[0].value, "s"),
            "cached": format_value(cached[-1].value, "s"),
            "uncached_first": format_value(uncached[0].value, "s"),
            "uncached": format_value(uncached[-1].value, "s"),
            "reading": format_value(prediction.data["reading"].value, "s"),
            **rates(result.data["now"], prediction.data["bytes"], prediction.data["reading"]),
            "cached_off": format_value(off[1].value, "1", 2),
            "uncached_off": format_value(off[0].value, "1", 2),
            "rows": MAX_ROWS,
            "prompt": self.prompt,
            "answer": self.answer,
            "positions_cached": kv_cache.generation_positions(self.prompt, self.answer, True),
            "positions_uncached": f"{kv_cache.generation_positions(self.prompt, self.answer, False):,}",
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        uncached, cached = (result.ends[name].ratio(end) for name, end in prediction.ends.items())
        found = [self.verdict(prediction, result)]
        # No step is faster than its bytes: whatever surely is, without a band, wants a reason.
        step, reading = result.ends["with a cache"], prediction.data["reading"]
        if differs(step.ratio(reading)) < 0:
            found += ["cached-faster", *reason(step, reading, prediction.data["bytes"], result.data["now"])]
        elif foreseen(cached) == MORE:
            found.append("cached-slower")
        # A recording of an earlier version does not say which program it ran.
        faster = "uncached-expands" if result.data.get("expands") else "uncached-faster"
        missed = {MORE: ["uncached-slower"], LESS: [faster]}
        return found + missed.get(foreseen(uncached), [])


def _bound(work: Work, product: Quantity, read: Quantity) -> Quantity:
    """Return the least seconds of ``work`` with the interval of the peak that gives them."""
    return max(product.inverse(work.flop, "s"), read.inverse(work.bytes, "s"), key=lambda end: end.value)


def _ends(uncached: Quantity, cached: Quantity) -> dict[str, Quantity]:
    """Return the seconds of the last token by their names."""
    return {"without a cache": uncached, "with a cache": cached}
