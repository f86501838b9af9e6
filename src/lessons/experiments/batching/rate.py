"""Throughput against the number of sequences in a step: on one core, and on a CUDA device."""

from __future__ import annotations

from lessons.datasheets import model
from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.batching.service import SEED, VOCAB, cost, engine, measure
from lessons.formulas.llama import layer_matrices
from lessons.formulas.roofline import gemm, time_bound
from lessons.measure import median_interval, time
from lessons.measure.conditions import one_thread
from lessons.measure.verdict import FORESEEN, JUDGED, foreseen, judged
from lessons.passport import Passport, needs
from lessons.serving.costs import Roofline, Work
from lessons.serving.policies import Continuous
from lessons.serving.workload import AtOnce, Fixed, workload
from lessons.units import Quantity, format_value, percent


class Rate(Experiment):
    """Decode with 1 to 16 sequences a step."""

    id = "batching.rate"
    unit = "1"
    needs = (needs.MODEL,)
    FINDINGS = JUDGED
    SMALL = {"rounds": 1, "tokens": 3}
    batches = (1, 2, 4, 8, 16)
    tokens, rounds = 10, 2

    def predict(self, passport: Passport) -> Outcome:
        seconds = cost(passport)
        rates, textbook = (self.rates(c) for c in (seconds, cost(passport, textbook=True)))
        ridge = seconds.weight_bytes / seconds.bandwidth / (seconds.flop_per_token / seconds.peak)
        data = {"rates": rates, "ridge": ridge}
        return Outcome(
            Quantity(rates[-1] / rates[0], "1"), data, textbook=Quantity(textbook[-1] / textbook[0], "1")
        )

    def rates(self, seconds: Roofline) -> list[float]:
        """Return tokens a second for each number of sequences."""
        return [b / seconds(Work(b, b, b * self.tokens, b * self.tokens)) for b in self.batches]

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
        return Outcome(rates[-1].ratio(rates[0]), {"rates": rates})

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures
        from lessons.experiments import looks

        (ax,) = figure.axes
        figures.predicted(ax, self.batches, prediction.data["rates"])
        looks.measured(ax, self.batches, result.data["rates"])
        ax.set_xlabel("sequences a step")
        ax.set_xticks(self.batches)
        figures.rate_axis(ax.yaxis, "tokens/s")
        ax.legend()

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        rates, bounds = result.data["rates"], prediction.data["rates"]
        ends = {"first": 0, "last": -1}
        return {
            "ridge": f"{prediction.data['ridge']:.1f}",
            **_gain(prediction, result),
            **{name: rates[i] for name, i in ends.items()},
            **{f"{name}_bound": format_value(bounds[i], "tokens/s") for name, i in ends.items()},
            **{f"{name}_share": percent(rates[i].value / bounds[i]) for name, i in ends.items()},
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        ends = [result.data["rates"][i].scaled(1 / prediction.data["rates"][i]) for i in (0, -1)]
        return [judged(result.quantity.ratio(prediction.quantity), *ends)]


class RateOnDevice(Experiment):
    """The matrices of four layers of an 8-billion-weight model, with 1 to 256 rows, on a CUDA device."""

    id = "batching.cuda"
    unit = "1"
    device = "cuda"
    needs = (needs.CUDA,)
    FINDINGS = FORESEEN
    panels = None
    SMALL = {"model": "smollm2-135m", "layers": 1}
    model, rows, layers = "llama-3-8b", (1, 16, 64, 256), 4

    def shapes(self) -> list[tuple[int, int]]:
        """Return outputs and inputs of a layer's four products."""
        return list(layer_matrices(model(self.model)).values())

    def predict(self, passport: Passport) -> Outcome:
        peak = passport.matmul("bfloat16", device="cuda").value
        rate = passport.bandwidth("read", "dram", device="cuda").value
        seconds = [
            self.layers * sum(time_bound(gemm(m, n, k, 2), peak, rate) for n, k in self.shapes())
            for m in self.rows
        ]
        rates = [m / s for m, s in zip(self.rows, seconds)]
        return Outcome(Quantity(rates[-1] / rates[0], "1"), {"rates": rates})

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
        return Outcome(found[-1].ratio(found[0]), {"rates": found})

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
        return [foreseen(result.quantity.ratio(prediction.quantity))]


def _gain(prediction: Outcome, result: Outcome) -> dict[str, object]:
    return {
        "gain": format_value(result.quantity.value, "1", 2),
        "promised": format_value(prediction.quantity.value, "1", 2),
    }
