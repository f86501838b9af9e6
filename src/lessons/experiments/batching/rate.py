"""Throughput against the number of sequences in a step: on one core, and on a CUDA device."""

from __future__ import annotations

from lessons.datasheets import model
from lessons.experiments.base import SILENT, Experiment, Outcome, Progress, Unavailable
from lessons.experiments.batching.service import SEED, VOCAB, cost, engine, measure
from lessons.formulas.llama import layer_matrices
from lessons.formulas.roofline import gemm, time_bound
from lessons.measure import median_interval, time
from lessons.measure.conditions import one_thread
from lessons.passport import Passport
from lessons.serving.costs import Work
from lessons.serving.policies import Continuous
from lessons.serving.workload import AtOnce, Fixed, workload
from lessons.units import Quantity, format_value


class Rate(Experiment):
    """Decode with 1 to 16 sequences a step."""

    id = "batching.rate"
    title = "tokens a second with 16 sequences a step, over those with one"
    unit = "1"
    question = (
        "One core writes for 16 people in each step instead of one. How many times the tokens a second?"
    )
    SMALL = {"rounds": 1, "tokens": 3}
    batches = (1, 2, 4, 8, 16)
    tokens, rounds = 10, 2

    def predict(self, passport: Passport) -> Outcome:
        seconds = cost(passport)
        times = [seconds(Work(b, b, b * self.tokens, b * self.tokens)) for b in self.batches]
        rates = [b / t for b, t in zip(self.batches, times)]
        ridge = seconds.weight_bytes / seconds.bandwidth / (seconds.flop_per_token / seconds.peak)
        return Outcome(Quantity(rates[-1] / rates[0], "1"), {"rates": rates, "ridge": ridge})

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
        return Outcome(rates[-1].ratio(rates[0]), {"rates": [q.to_json() for q in rates]})

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        rates = [Quantity.from_json(rate) for rate in result.data["rates"]]
        figures.predicted(ax, self.batches, prediction.data["rates"])
        low, high = [q.low for q in rates], [q.high for q in rates]
        figures.measured(ax, self.batches, [q.value for q in rates], low, high)
        ax.set_xlabel("sequences a step")
        ax.set_xticks(self.batches)
        figures.rate_axis(ax.yaxis, "tokens/s")
        ax.legend()

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        first, last = (Quantity.from_json(result.data["rates"][i]) for i in (0, -1))
        return (
            f"Tokens a second against sequences a step. The bound is a straight line up to its bend at "
            f"{prediction.data['ridge']:.1f} sequences and level after it. Measured: {first} with one sequence, "
            f"{last} with 16."
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        ridge = prediction.data["ridge"]
        text = (
            f"A step reads the packed weights once, whoever is in it, so more sequences are free until their "
            f"arithmetic takes as long: on this core from {ridge:.1f} sequences on. "
        )
        ratio = result.quantity.value / prediction.quantity.value
        if ratio < 0.8:
            return text + (
                "The engine gains less than that. Each row also pays for its own attention, its own share of the "
                "output and the quantising of its activations, and a row costs from the first one on."
            )
        if ratio > 1.25:
            return text + (
                "The engine gains more than that: a single sequence did not reach the bandwidth, so there was more to "
                "gain than the bound knows."
            )
        return text + "The engine gains what the two roofs allow."


class RateOnDevice(Experiment):
    """The matrices of four layers of an 8-billion-weight model, with 1 to 256 rows, on a CUDA device."""

    id = "batching.cuda"
    title = "tokens a second with 256 rows over one row, on the GPU"
    unit = "1"
    question = "On a GPU, how many times the tokens a second do a layer's matrices give with 256 rows instead of one?"
    device = "cuda"
    panels = None
    SMALL = {"model": "smollm2-135m", "layers": 1}
    model, rows, layers = "llama-3-8b", (1, 16, 64, 256), 4
    cited = (
        "On eight TPU v5e chips a 13-billion-weight model with a context of 8,192 tokens is calculated to write 788 "
        "tokens/s with 16 sequences and 964 with 240: the caches, which each sequence reads for itself, take over "
        "([Austin et al. 2025, chapter on inference](https://jax-ml.github.io/scaling-book/inference/))."
    )

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

        if not torch.cuda.is_available():
            raise Unavailable("torch finds no CUDA device")
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
        return Outcome(found[-1].ratio(found[0]), {"rates": [q.value for q in found]})

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        rates = result.data["rates"]
        found = ", ".join(f"{m} rows {format_value(rate, 'tokens/s')}" for m, rate in zip(self.rows, rates))
        text = f"For {self.layers} layers, without attention: {found}. "
        if result.quantity.value < 0.7 * prediction.quantity.value:
            return text + "The gain is less than the bound's: near the bend neither roof is reached."
        return text + "Up to the bend rows are nearly free, as the weights are read once for all."
