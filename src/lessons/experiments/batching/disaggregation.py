"""Simulated: two machines that both do everything, against one for prompts and one for writing."""

from __future__ import annotations

from statistics import fmean

from lessons import datasheets
from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.batching.service import SEED
from lessons.experiments.derivation import Derivation, Operand
from lessons.formulas.llama import causal_pairs
from lessons.measure.verdict import AS_FORESEEN, CANCEL, LESS, MORE, differs
from lessons.passport import Passport
from lessons.serving.costs import Roofline, Work
from lessons.serving.disaggregated import Link, simulate_disaggregated
from lessons.serving.metrics import SLO, Metrics
from lessons.serving.policies import ChunkedPrefill, Continuous, Policy
from lessons.serving.request import Request
from lessons.serving.scheduler import Scheduler
from lessons.serving.simulator import simulate
from lessons.serving.workload import LogNormal, Poisson, workload
from lessons.units import Quantity, format_value

OF_BANDWIDTH, OF_PEAK = 0.8, 0.5  # the shares of the published rates that we assume software to reach
RATES = (5, 8, 10, 12, 13, 14, 16, 19, 22, 25, 28)  # requests a second, for both machines together
LIMITS = (0.0075, 0.0085, 0.01, 0.0125, 0.016, 0.02, 0.03, 0.05)  # seconds a token after the first
TTFT = 0.5  # seconds to the first token
GOAL = 0.9  # of the requests must keep both limits
MANY = 256  # slots
MIXED = {
    "mixed, whole prompts": Continuous(MANY),
    "mixed, 512 tokens per step": ChunkedPrefill(MANY, token_budget=512),
}
PUBLISHED = "published by NVIDIA"
SPLIT = "one for prompts, one for writing"


def step_cost() -> Roofline:
    """Return the cost of a step of Llama 3 8B on one H100."""
    card, shape = datasheets.accelerator("h100_sxm"), datasheets.model("llama-3-8b")
    return Roofline.from_datasheet(card, shape, of_bandwidth=OF_BANDWIDTH, of_peak=OF_PEAK)


def load(rate: float, count: int) -> list[Request]:
    """Return long prompts and answers of unequal length, at random moments."""
    return list(
        workload(count, Poisson(rate), LogNormal(2000, 0.6, 8000), LogNormal(150, 0.8, 1000), seed=SEED)
    )


def mixed(requests: list[Request], policy: Policy, cost: Roofline) -> Metrics:
    """Serve on two equal machines, which take the requests in turn."""
    metrics = Metrics()
    for part in (requests[::2], requests[1::2]):
        for request in simulate(part, Scheduler(policy), cost):
            metrics.add(request)
    return metrics


def split(requests: list[Request], cost: Roofline) -> Metrics:
    """Serve on one machine for prompts and one for writing, with half of an NVLink's rate between them."""
    link = Link(0.5 * datasheets.link("nvlink4").bandwidth, cost.kv_bytes)
    # One prompt at a time: arithmetic bounds it, so that two together would end when the second does alone.
    prompts = Scheduler(Continuous(1), leave_after=1), cost
    return Metrics(simulate_disaggregated(requests, prompts, (Scheduler(Continuous(MANY)), cost), link))


def best_rate(attained: list[float]) -> float:
    """Return the highest of ``RATES`` up to which every one kept the goal; 0 where the lowest missed it."""
    kept = 0.0
    for rate, share in zip(RATES, attained):
        if share < GOAL:
            break
        kept = float(rate)
    return kept


class Disaggregation(Experiment):
    """Find the load that two machines carry within limits on both times."""

    id = "batching.disaggregation"
    simulated = True
    unit = "1"
    kind = "ratio"
    FINDINGS = (AS_FORESEEN, LESS, MORE, CANCEL, "never-ahead", "ahead", "no-throughput")
    SMALL = {"requests": 40}

    def __init__(self, requests: int = 800) -> None:
        self.requests = requests

    def predict(self, passport: Passport) -> Outcome:
        cost, requests = step_cost(), load(1.0, self.requests)
        works = [(r.prompt_tokens, r.max_tokens) for r in requests]
        # Prompts of hundreds of tokens and more: arithmetic bounds each of them.
        flop = fmean(cost.flop(Work(n, 1, n, causal_pairs(n))) for n, _ in works)
        # The weights are shared by many sequences; each reads its own cache, once for each token it writes.
        read = fmean(m * (n + m / 2) for n, m in works) * cost.kv_bytes
        prompt, writing = flop / cost.peak, read / cost.bandwidth
        # Two mixed machines share both kinds of work evenly. Separate ones wait for the busier of the two.
        by = Derivation(
            "(F / P + C / R) / (2 * max(F / P, C / R))",
            {
                "F": Operand("operations of a prompt, mean", Quantity(flop, "FLOP"), "shape of Llama 3 8B"),
                "P": Operand(
                    f"bfloat16 of an H100, {OF_PEAK} of it", Quantity(cost.peak, "FLOP/s"), PUBLISHED
                ),
                "C": Operand("cache read for an answer, mean", Quantity(read, "B"), "shape of Llama 3 8B"),
                "R": Operand(
                    f"its bandwidth, {OF_BANDWIDTH} of it", Quantity(cost.bandwidth, "B/s"), PUBLISHED
                ),
            },
        )
        ends = _ends(1 / max(prompt, writing), 2 / (prompt + writing))
        return Outcome(by.quantity(self.unit), {"prompt": prompt, "writing": writing}, by=by, ends=ends)

    def run(self, progress: Progress = SILENT) -> Outcome:
        cost = step_cost()
        found: dict[str, list[Metrics]] = {name: [] for name in (*MIXED, SPLIT)}
        for rate in RATES:
            progress(f"{rate} requests/s")
            for name, metrics in found.items():
                if metrics and metrics[-1].attainment(SLO(TTFT, LIMITS[-1])) < GOAL:
                    continue  # more of what was too much already
                requests = load(rate, self.requests)
                policy = MIXED.get(name)
                metrics.append(mixed(requests, policy, cost) if policy else split(requests, cost))
        goodput = {
            name: [best_rate([m.attainment(SLO(TTFT, limit)) for m in metrics]) for limit in LIMITS]
            for name, metrics in found.items()
        }
        best = [max(goodput[name][i] for name in MIXED) for i in range(len(LIMITS))]
        ends = _ends(goodput[SPLIT][-1], best[-1])
        return Outcome(
            Quantity(goodput[SPLIT][-1] / best[-1], "1"), {"goodput": goodput, "mixed": best}, ends=ends
        )

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        goodput = result.data["goodput"]
        for (name, rates), colour in zip(goodput.items(), ("vermilion", "orange", "blue")):
            figures.simulated(ax, LIMITS, rates, name, color=figures.COLOURS[colour])
        figures.time_axis(ax.xaxis, log=True)
        ax.set_xlabel("limit on TPOT")
        ax.set_ylabel("simulated requests/s within limits")
        ax.set_ylim(bottom=0)
        figures.name_lines(ax, {name: (LIMITS[-1], rates[-1]) for name, rates in goodput.items()})

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        goodput = result.data["goodput"]
        separate, mixed = prediction.ends.values()
        return {
            "separate_brim": f"{separate.value:.0f}",
            "mixed_brim": f"{mixed.value:.0f}",
            "prompt": format_value(prediction.data["prompt"], "s"),
            "writing": format_value(prediction.data["writing"], "s"),
            "separate": f"{goodput[SPLIT][-1]:.0f}",
            "mixed": f"{result.data['mixed'][-1]:.0f}",
            "ahead_at": ", ".join(format_value(limit, "s") for limit in _ahead(result)),
            "ends": "; ".join(f"{name}: {r[0]:.0f} to {r[-1]:.0f}" for name, r in goodput.items()),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        return [
            self.verdict(prediction, result),
            "ahead" if _ahead(result) else "never-ahead",
            *["no-throughput"] * (differs(result.quantity) < 0),
        ]


def _ends(separate: float, mixed: float) -> dict[str, Quantity]:
    """Return requests a second that either pair of machines carries."""
    return {
        "separate machines": Quantity(separate, "requests/s"),
        "mixed machines": Quantity(mixed, "requests/s"),
    }


def _ahead(result: Outcome) -> list[float]:
    """Return the limits within which the separate machines carry more. Simulated rates are exact."""
    pairs = zip(LIMITS, result.data["goodput"][SPLIT], result.data["mixed"])
    return [limit for limit, separate, mixed in pairs if separate > mixed]
