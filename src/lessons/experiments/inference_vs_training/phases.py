"""Prefill against decoding: the same model and the same weights, at two ends of the roofline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lessons.errors import LessonError
from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Derivation, Operand
from lessons.formulas import llama, training
from lessons.formulas.roofline import Work, time_bound
from lessons.kernels.gemv import MAX_ROWS
from lessons.llm.engines import engine
from lessons.measure import in_turns, median_interval, median_ratio
from lessons.measure.conditions import one_thread
from lessons.measure.verdict import AS_FORESEEN, JUDGED, LESS, MORE, differs, foreseen
from lessons.passport import Passport
from lessons.units import Quantity, format_value, percent

CONTEXT = 64  # tokens before each decoded one


def _shape() -> Any:
    from lessons.datasheets import model

    return model("smollm2-135m")


def work(phase: str, tokens: int) -> Work:
    """Return what one pass needs.

    Weights cross the memory interface once, and so does the KV cache: read while decoding, written while prefilling.
    What passes from layer to layer stays in the caches and is not counted.

    Args:
        phase: "prefill" (one prompt of ``tokens``) or "decode" (one new token for each of ``tokens`` sequences,
            with 64 before it).
        tokens: in the pass.
    """
    s = _shape()
    weights = llama.weight_bytes(s)
    if phase == "prefill":
        return llama.step(s, tokens, 1, weights=weights, cached=tokens, pairs=llama.causal_pairs(tokens))
    seen = tokens * (CONTEXT + 1)  # each token sees its own sequence, and itself
    return llama.step(s, tokens, weights=weights, cached=seen, pairs=seen)


def one_pass(phase: str, tokens: int) -> Callable[[], object]:
    """Return a function that runs the real model once; arguments as for ``work``."""
    import torch

    llm = engine("float32")
    if phase == "prefill":
        prompt = torch.arange(1000, 1000 + tokens)
        return lambda: llm.model.forward(prompt, llm.new_cache(tokens), last_only=True)
    caches = [llm.new_cache(CONTEXT + 1) for _ in range(tokens)]
    for state in caches:  # values do not matter for speed, but memory that was never written is no memory
        state.k.fill_(0.01)
        state.v.fill_(0.01)
    new = [torch.tensor([1000 + i]) for i in range(tokens)]

    def step() -> None:
        for state in caches:
            state.length = CONTEXT
        llm.model.forward_batch(new, caches)

    return step


class Phases(Experiment):
    """Tokens per second of a long prompt, over those of one user's answer.

    Args:
        prompts: tokens of the prompts, the shortest first.
        users: how many write at once, one at first; with one of ``prompts`` in common, where the phases meet.

    Raises:
        LessonError: when there is none in common, or the first is not one user.
    """

    id = "inference_vs_training.phases"
    unit = "1"
    kind = "ratio"
    SMALL = {"tokens": {"decode": [1, 4], "prefill": [4, 9]}}
    FINDINGS = (
        "row-ends",
        "no-row-ends",
        "over-peak",
        "other-way-round",
        "same-rate",
        "rate-cant-tell",
        "users-slower",
        "users-faster",
        "kernel-changes",
        *JUDGED,
        "prefill-slow",
        "decode-slow",
        "under-bound",
    )
    panels = (1, 2)

    def __init__(self, prompts: Sequence[int] = (8, 64, 512), users: Sequence[int] = (1, 4, 16, 64)) -> None:
        if not set(prompts) & set(users):
            raise LessonError(
                f"the prompts {list(prompts)} and the users {list(users)} have no number in common, at which the "
                "phases could be compared; add one"
            )
        if users[0] != 1:
            raise LessonError(
                f"the first of the users is {users[0]}, but the longest prompt is compared with 1; begin with that"
            )
        self.tokens = {"decode": list(users), "prefill": list(prompts)}

    @property
    def both(self) -> int:
        """The largest number of tokens that a pass of either phase has."""
        return max(set(self.tokens["decode"]) & set(self.tokens["prefill"]))

    def predict(self, passport: Passport) -> Outcome:
        product, bandwidth, row_end = (
            passport.matmul("float32"),
            passport.bandwidth("read"),
            passport.row_end(),
        )
        rate = product.value
        data: dict[str, Any] = {
            "peak": passport.flops("float32"),
            "matmul": rate,
            "bandwidth": bandwidth,
        }
        for phase, counts in self.tokens.items():
            works = [work(phase, n) for n in counts]
            data[phase] = {
                "tokens": counts,
                "flop": [w.flop for w in works],
                "bytes": [w.bytes for w in works],
                "seconds": [time_bound(w, rate, bandwidth.value) for w in works],
            }
        one, prompt, tokens = data["decode"], data["prefill"], self.tokens["prefill"][-1]
        textbook = one["seconds"][0] / (prompt["seconds"][-1] / tokens)
        # Up to MAX_ROWS tokens this book's product is used. One token waits at the end of each row of a matrix, where
        # the lanes of a sum are brought together; more tokens bring more sums along, and the bound leaves those out.
        rows = llama.matrix_rows(_shape())
        one["seconds"] = [
            s + rows * row_end.value if n <= MAX_ROWS else s for n, s in zip(one["tokens"], one["seconds"])
        ]
        source = f"shape of {_shape().name}"
        by = Derivation(
            "(B / R + n * e) / max(f / P, b / R)",
            {
                "B": Operand("bytes of a decoded token", Quantity(one["bytes"][0], "B"), source),
                "R": Operand("reads in memory", bandwidth),
                "n": Operand("rows of all matrices", Quantity(rows, "1"), source),
                "e": Operand("end of a matrix's row", row_end),
                "f": Operand(
                    "operations of a prompt token", Quantity(prompt["flop"][-1] / tokens, "FLOP"), source
                ),
                "P": Operand("torch, large matrix product", product),
                "b": Operand("bytes of a prompt token", Quantity(prompt["bytes"][-1] / tokens, "B"), source),
            },
        )
        ends = _ends(Quantity(one["seconds"][0], "s"), Quantity(prompt["seconds"][-1], "s"), tokens)
        return Outcome(by.quantity(self.unit), data, Quantity(textbook, self.unit), by, ends)

    @one_thread()
    def run(self, progress: Progress = SILENT) -> Outcome:
        progress("the model")
        passes = {(phase, n): one_pass(phase, n) for phase, counts in self.tokens.items() for n in counts}
        times = in_turns(passes, progress=progress)
        data: dict[str, Any] = {
            phase: {"tokens": counts, "seconds": [median_interval(times[phase, n], "s") for n in counts]}
            for phase, counts in self.tokens.items()
        }
        long = self.tokens["prefill"][-1]
        ends = _ends(data["decode"]["seconds"][0], data["prefill"]["seconds"][-1], long)
        return Outcome(median_ratio(times["decode", 1], times["prefill", long], long), data, ends=ends)

    def draw(self, prediction: Outcome, result: Outcome, figure: Any) -> None:
        from lessons import figures
        from lessons.experiments import looks

        left, right = figure.axes
        p = prediction.data
        looks.roofs(left, p["peak"].value, {"dram": p["bandwidth"].value}, low=0.25, high=512)
        looks.ceiling(left, p["matmul"])
        for phase, colour, (mark, other) in (("decode", "blue", "os"), ("prefill", "green", "vP")):
            flop, moved, seconds = p[phase]["flop"], p[phase]["bytes"], result.data[phase]["seconds"]
            style: dict[str, Any] = {"color": figures.COLOURS[colour], "marker": mark}
            intensity = [f / b for f, b in zip(flop, moved)]
            rates = [s.inverse(f, "FLOP/s") for f, s in zip(flop, seconds)]
            looks.measured(left, intensity, rates, label=phase, **style)
            used, read = zip(*(_used(prediction, result, phase, at) for at in range(len(seconds))))
            looks.measured(right, p[phase]["tokens"], read, label=f"{phase}, MBU", **style)
            style["marker"] = other
            looks.measured(right, p[phase]["tokens"], used, label=f"{phase}, MFU", **style)
        left.set_title("where each pass stands")
        right.set_title("what a pass uses")
        right.set_xscale("log", base=2)
        right.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        right.set_xlabel("tokens in a pass")
        figures.rate_axis(right.yaxis, "%")
        right.set_ylabel("share of the peak")
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        decode, prefill = (result.data[phase]["seconds"] for phase in ("decode", "prefill"))
        writing, reading = (_used(prediction, result, *which) for which in ENDS.values())
        off = _over_predicted(prediction, result)
        jump = self._change_of_kernel()
        measured, bound = (
            [outcome.data["decode"]["seconds"][at] for at in jump] for outcome in (result, prediction)
        )
        return {
            "decoded": format_value(1 / decode[0].value, "tokens/s"),
            "prefilled": format_value(self.tokens["prefill"][-1] / prefill[-1].value, "tokens/s"),
            **{f"{name}_off": format_value(ratio.value, "1", 2) for name, ratio in off.items()},
            "under": _listed({name: ratio for name, ratio in off.items() if foreseen(ratio) == LESS}),
            "decode_mfu": percent(writing[0].value),
            "decode_mbu": percent(writing[1].value),
            "prefill_mfu": percent(reading[0].value),
            "prefill_mbu": percent(reading[1].value),
            "users": ", ".join(map(str, self.tokens["decode"])),
            "prompts": ", ".join(map(str, self.tokens["prefill"])),
            "last": self.tokens["prefill"][-1],
            "both": self.both,
            "alike": self._same_tokens(prediction, result),
            "few": self.tokens["decode"][jump[0]] if jump else "no",
            "many": self.tokens["decode"][jump[1]] if jump else "no",
            "jump": format_value(measured[1].value / measured[0].value, "1", 2) if jump else "no",
            "bound_jump": format_value(bound[1] / bound[0], "1", 2) if jump else "no",
            "rows": MAX_ROWS,
            "row_end": _row_end(prediction),
            "peak": format_value(prediction.data["peak"].value, "FLOP/s"),
            "matmul": format_value(prediction.data["matmul"], "FLOP/s"),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        p = prediction.data
        found = ["row-ends" if differs(_row_end(prediction), 0) > 0 else "no-row-ends"]
        over = (differs(_used(prediction, result, *which)[0]) > 0 for which in ENDS.values())
        # Only where the library's product is faster than the peak, a share above one is to be expected.
        found += ["over-peak"] * (differs(p["peak"], p["matmul"]) < 0 and any(over))
        writing, reading = (_memory_over_arithmetic(prediction, *which) for which in ENDS.values())
        if differs(writing) > 0 > differs(reading):
            found.append("other-way-round")
        alike = self._same_tokens(prediction, result)
        same = "same-rate" if foreseen(alike) == AS_FORESEEN else "rate-cant-tell"
        found.append({1: "users-faster", -1: "users-slower", 0: same}[differs(alike)])
        if jump := self._change_of_kernel():
            few, many = (_over(prediction, result, "decode", at) for at in jump)
            found += ["kernel-changes"] * (foreseen(many.ratio(few)) == MORE)
        off = _over_predicted(prediction, result)
        found.append(self.verdict(prediction, result))
        verdicts = {name: foreseen(ratio) for name, ratio in off.items()}
        found += [f"{name}-slow" for name in ("prefill", "decode") if verdicts[name] == MORE]
        return found + ["under-bound"] * (LESS in verdicts.values())

    def _same_tokens(self, prediction: Outcome, result: Outcome) -> Quantity:
        """Return FLOP/s of as many users as a prompt has tokens, over those of that prompt."""
        users, prompt = (
            result.data[phase]["seconds"][at].scaled(1 / prediction.data[phase]["flop"][at])
            for phase, at in ((phase, self.tokens[phase].index(self.both)) for phase in ("decode", "prefill"))
        )
        return prompt.ratio(users)

    def _change_of_kernel(self) -> tuple[int, ...]:
        """Return the last batch of this book's product and the first of the library's, where there are both."""
        few = [i for i, n in enumerate(self.tokens["decode"]) if n <= MAX_ROWS]
        many = [i for i, n in enumerate(self.tokens["decode"]) if n > MAX_ROWS]
        return (few[-1], many[0]) if few and many else ()


# The two passes that the experiment compares: one user's next token, and the longest prompt.
ENDS = {"decode": ("decode", 0), "prefill": ("prefill", -1)}


def _over(prediction: Outcome, result: Outcome, phase: str, at: int) -> Quantity:
    """Return measured over predicted time of one pass."""
    return result.data[phase]["seconds"][at].ratio(Quantity(prediction.data[phase]["seconds"][at], "s"))


def _ends(one: Quantity, prompt: Quantity, tokens: int) -> dict[str, Quantity]:
    """Return the seconds of a token in either phase by their names: a pass decodes one, and prefills many."""
    return {"a decoded token": one, "a prompt token": prompt.scaled(1 / tokens)}


def _row_end(prediction: Outcome) -> Quantity:
    """Return the seconds of a row's end, by the passport that the prediction was made from."""
    assert prediction.by is not None
    return prediction.by.operands["e"].quantity


def _over_predicted(prediction: Outcome, result: Outcome) -> dict[str, Quantity]:
    return {name: _over(prediction, result, *which) for name, which in ENDS.items()}


def _used(prediction: Outcome, result: Outcome, phase: str, at: int) -> tuple[Quantity, Quantity]:
    """Return MFU and MBU of one pass."""
    p, seconds = prediction.data, result.data[phase]["seconds"][at]
    # What the pass would use if it took a second, over its seconds.
    return (
        seconds.inverse(training.mfu(p[phase]["flop"][at], 1, p["peak"].value), "%"),
        seconds.inverse(training.mbu(p[phase]["bytes"][at], 1, p["bandwidth"].value), "%"),
    )


def _memory_over_arithmetic(prediction: Outcome, phase: str, at: int) -> Quantity:
    """Return MBU over MFU of one pass, which is the ridge over its intensity, however long it takes."""
    p = prediction.data
    return p["peak"].scaled(p[phase]["bytes"][at] / p[phase]["flop"][at], "B/s").ratio(p["bandwidth"])


def _listed(off: dict[str, Quantity]) -> str:
    return ", ".join(f"{name} {format_value(ratio.value, '1', 2)}" for name, ratio in off.items()) or "none"
