"""Throughput against the number of sequences in a step: on one core, and on a CUDA device."""

from __future__ import annotations

from collections.abc import Iterable

from lessons.datasheets import model
from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.batching.service import SEED, SHAPE, VOCAB, cost, engine, measure
from lessons.experiments.derivation import Derivation, Operand
from lessons.formulas.llama import layer_matrices
from lessons.formulas.roofline import Work, gemm, time_bound
from lessons.measure import median_interval, time
from lessons.measure.conditions import one_thread
from lessons.measure.verdict import AS_FORESEEN, JUDGED, LESS, MORE, differs, foreseen
from lessons.passport import Passport, needs
from lessons.serving import costs
from lessons.serving.costs import Roofline
from lessons.serving.policies import Continuous
from lessons.serving.workload import AtOnce, Fixed, workload
from lessons.units import Quantity, format_value, percent


class Rate(Experiment):
    """Decode with 1 to 16 sequences a step."""

    id = "batching.rate"
    unit = "1"
    kind = "ratio"
    needs = (needs.MODEL,)
    FINDINGS = (
        "some-free",
        "none-free",
        *JUDGED,
        "one-missed",
        "one-explains",
        "step-explains",
        "many-missed",
        "both-missed",
        "rows-cost",
        "faster-than-memory",
        "faster-than-product",
        "fewer-best",
    )
    SMALL = {"rounds": 1, "tokens": 3}
    batches = (1, 2, 4, 8, 16)
    tokens, rounds = 10, 2

    def predict(self, passport: Passport) -> Outcome:
        seconds = cost(passport)
        in_registers = cost(passport, textbook=True)
        rates, textbook = (self.rates(c, self.batches) for c in (seconds, in_registers))
        row = (seconds.flop_per_token + seconds.flop_per_sequence) / seconds.peak
        ridge = seconds.weight_bytes / seconds.bandwidth / row
        last = self.batches[-1]
        alone = seconds.flop(self.work(1))
        by = Derivation(
            f"{last} * max(F / P, (W + C) / R) / max({last} * F / P, (W + {last} * C) / R)",
            {
                "F": Operand("operations of a token", Quantity(alone, "OP"), SHAPE),
                "P": Operand("product of packed weights and int8", passport.product("packed", "int8")),
                "W": Operand("packed weights", Quantity(seconds.weight_bytes, "B"), SHAPE),
                "C": Operand("cache of a sequence", Quantity(self.tokens * seconds.kv_bytes, "B"), SHAPE),
                "R": Operand("reads in memory", passport.bandwidth("read")),
            },
        )
        return Outcome(
            by.quantity(self.unit),
            {
                "rates": rates,
                "ridge": ridge,
                "every": self.rates(seconds, range(1, last + 1)),
                "in_registers": in_registers.peak,
            },
            textbook=Quantity(textbook[-1] / textbook[0], "1"),
            by=by,
            ends=self._ends([Quantity(rate, "tokens/s") for rate in rates]),
        )

    def _ends(self, rates: list[Quantity]) -> dict[str, Quantity]:
        return {f"{self.batches[-1]} sequences": rates[-1], "one sequence": rates[0]}

    def rates(self, seconds: Roofline, batches: Iterable[int]) -> list[float]:
        """Return tokens a second for each number of sequences."""
        return [b / seconds(self.work(b)) for b in batches]

    def work(self, sequences: int) -> costs.Work:
        """Return the work of a step in which each sequence has ``tokens`` in its cache."""
        context = sequences * self.tokens
        return costs.Work(sequences, sequences, context, context)

    @one_thread()
    def run(self, progress: Progress = SILENT) -> Outcome:
        steps: dict[int, list[float]] = {b: [] for b in self.batches}
        for _ in range(self.rounds):
            for b in self.batches:  # in turn, so that a busy neighbour meets them all
                progress(f"{b} sequences")
                load = workload(b, AtOnce(), Fixed(1), Fixed(self.tokens), seed=SEED, vocab=VOCAB)
                measure(Continuous(b), list(load))
                steps[b] += [step.seconds for step in engine().steps[1:]]
        found = {b: median_interval(s, "s") for b, s in steps.items()}
        rates = [q.inverse(b, "tokens/s") for b, q in found.items()]
        return Outcome(rates[-1].ratio(rates[0]), {"rates": rates}, ends=self._ends(rates))

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures
        from lessons.experiments import looks

        (ax,) = figure.axes
        every = prediction.data["every"]  # so that the line bends where the roofs meet
        figures.predicted(ax, range(1, len(every) + 1), every)
        looks.measured(ax, self.batches, result.data["rates"])
        ax.set_xlabel("sequences per step")
        ax.set_xticks(self.batches)
        figures.rate_axis(ax.yaxis, "tokens/s")
        ax.set_ylabel("throughput")
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        rates, bounds = result.data["rates"], prediction.data["rates"]
        ends = {"first": 0, "last": -1}
        best = max(range(len(rates)), key=lambda i: rates[i].value)
        return {
            "ridge": f"{prediction.data['ridge']:.1f}",
            "tokens": self.tokens,
            "in_registers": format_value(prediction.data["in_registers"], "OP/s"),
            "by_sequences": ", ".join(
                f"{b}: {format_value(rate.value, 'tokens/s')}" for b, rate in zip(self.batches, rates)
            ),
            "best": self.batches[best],
            "best_rate": rates[best],
            **_gain(prediction, result),
            "gain_by_one": format_value(bounds[-1] / rates[0].value, "1", 2),
            **{name: rates[i] for name, i in ends.items()},
            **{f"{name}_bound": format_value(bounds[i], "tokens/s") for name, i in ends.items()},
            **{f"{name}_share": percent(rates[i].value / bounds[i]) for name, i in ends.items()},
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        verdict, rates = self.verdict(prediction, result), result.data["rates"]
        many, one = (result.ends[name].ratio(end) for name, end in prediction.ends.items())
        missed = [foreseen(end) in (LESS, MORE) for end in (one, many)]
        which = "both-missed" if all(missed) else "one-missed" if missed[0] else "many-missed"
        told = verdict in (LESS, MORE) and any(missed)
        # Left of the ridge the many are bound by memory, too; and right of it even one is bound by arithmetic.
        reads, by_product = prediction.data["ridge"] >= 1, prediction.data["ridge"] < self.batches[-1]
        explains = "one-explains" if reads else "step-explains"
        faster = differs(many) > 0
        return [
            "some-free" if reads else "none-free",
            verdict,
            *[which] * told,
            *[explains] * (told and which == "one-missed" and foreseen(many) == AS_FORESEEN),
            *["rows-cost"] * (verdict == LESS and foreseen(many) == LESS),
            *["faster-than-memory"] * ((reads and differs(one) > 0) or (faster and not by_product)),
            *["faster-than-product"] * (faster and by_product),
            *["fewer-best"] * any(differs(rate.ratio(rates[-1])) > 0 for rate in rates[:-1]),
        ]


class RateOnDevice(Experiment):
    """The matrices of four layers of an 8-billion-weight model, with 1 to 256 rows, on a CUDA device."""

    id = "batching.cuda"
    unit = "1"
    kind = "ratio"
    device = "cuda"
    needs = (needs.CUDA,)
    FINDINGS = JUDGED
    panels = None
    SMALL = {"model": "smollm2-135m", "layers": 1}
    model, rows, layers = "llama-3-8b", (1, 16, 64, 256), 4

    def shapes(self) -> list[tuple[int, int]]:
        """Return outputs and inputs of a layer's four products."""
        return list(layer_matrices(model(self.model)).values())

    def predict(self, passport: Passport) -> Outcome:
        peak = passport.matmul("bfloat16", device="cuda")
        read = passport.bandwidth("read", device="cuda")
        works = [self._work(m) for m in self.rows]
        rates = [m / time_bound(work, peak.value, read.value) for m, work in zip(self.rows, works)]
        first, last = works[0], works[-1]
        many = self.rows[-1]
        by = Derivation(
            f"{many} * max(F / P, B / R) / max({many} * F / P, C / R)",
            {
                "F": Operand("operations of a row", Quantity(first.flop, "FLOP"), "counted"),
                "P": Operand("torch, large bfloat16 product", peak),
                "B": Operand("operands with one row", Quantity(first.bytes, "B"), "counted"),
                "C": Operand(f"operands with {many} rows", Quantity(last.bytes, "B"), "counted"),
                "R": Operand("reads in memory", read),
            },
        )
        ends = self._ends([Quantity(rate, "tokens/s") for rate in rates])
        return Outcome(by.quantity(self.unit), {"rates": rates}, by=by, ends=ends)

    def _work(self, rows: int) -> Work:
        """Return the work of all products together: they are bound alike, but for what the activations add."""
        works = [gemm(rows, n, k, 2) for n, k in self.shapes()]
        return Work(self.layers * sum(w.flop for w in works), self.layers * sum(w.bytes for w in works))

    def _ends(self, rates: list[Quantity]) -> dict[str, Quantity]:
        return {f"{self.rows[-1]} rows": rates[-1], "one row": rates[0]}

    def run(self, progress: Progress = SILENT) -> Outcome:
        import torch

        torch.manual_seed(SEED)
        # Four layers in turn are 1.7 GB: more than any card's cache, as a whole model would be.
        weights = [
            torch.randn(n, k, device="cuda", dtype=torch.bfloat16)
            for _ in range(self.layers)
            for n, k in self.shapes()
        ]
        found = []
        with torch.inference_mode():
            for m in self.rows:
                progress(f"{m} rows")
                inputs = {
                    k: torch.randn(m, k, device="cuda", dtype=torch.bfloat16)
                    for k in {w.shape[1] for w in weights}
                }

                def step(inputs=inputs) -> None:
                    for w in weights:
                        torch.matmul(inputs[w.shape[1]], w.T)

                found.append(time(step, warmup=3, samples=20, device="cuda").median().inverse(m, "tokens/s"))
        return Outcome(found[-1].ratio(found[0]), {"rates": found}, ends=self._ends(found))

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        by_rows = [
            f"{rows} {'row' if rows == 1 else 'rows'} {format_value(rate.value, 'tokens/s')}"
            for rows, rate in zip(self.rows, result.data["rates"])
        ]
        return {
            "layers": self.layers,
            "by_rows": ", ".join(by_rows),
            **_gain(prediction, result),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        return [self.verdict(prediction, result)]


def _gain(prediction: Outcome, result: Outcome) -> dict[str, object]:
    return {
        "gain": format_value(result.quantity.value, "1", 2),
        "promised": format_value(prediction.quantity.value, "1", 2),
    }
