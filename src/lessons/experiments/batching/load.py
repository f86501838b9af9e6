"""Simulated: how long requests wait for their first token as the offered load rises to what one machine carries."""

from __future__ import annotations

from statistics import fmean

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.batching.disaggregation import OF_PEAK, PUBLISHED, step_cost
from lessons.experiments.batching.service import SEED
from lessons.experiments.derivation import Derivation, Operand
from lessons.experiments.text import rows
from lessons.formulas.llama import causal_pairs
from lessons.measure.verdict import AS_FORESEEN, LESS, MORE
from lessons.passport import Passport
from lessons.serving.costs import Work
from lessons.serving.metrics import Metrics
from lessons.serving.policies import ChunkedPrefill
from lessons.serving.request import Request
from lessons.serving.scheduler import Scheduler
from lessons.serving.simulator import simulate
from lessons.serving.workload import Arrivals, AtOnce, LogNormal, Poisson, workload
from lessons.units import Quantity, format_value, percent

POLICY = ChunkedPrefill(256, token_budget=512)
PROMPTS, ANSWERS = LogNormal(1000, 0.6, 4000), LogNormal(200, 0.8, 1000)
RATES = (4, 10, 16, 20, 22, 23, 24, 26, 28, 32)  # requests a second
LIMIT = 0.5  # seconds to the first token, for 99 of 100 requests
RUN_AWAY = 10  # a wait that is so many times as long as on an idle machine has no end in sight


def load(arrivals: Arrivals, count: int) -> list[Request]:
    """Return prompts and answers of unequal length; the same ones however they come."""
    return list(workload(count, arrivals, PROMPTS, ANSWERS, seed=SEED))


def served(arrivals: Arrivals, count: int) -> list[Request]:
    """Serve such a load on one simulated machine, and return the requests in the order in which they finished."""
    return list(simulate(load(arrivals, count), Scheduler(POLICY), step_cost()))


class Load(Experiment):
    """Offer one machine more and more requests a second, at moments that it does not choose."""

    id = "batching.load"
    simulated = True
    unit = "requests/s"
    FINDINGS = (AS_FORESEEN, LESS, MORE, "runs-away", "no-end-seen", "limit-first", "limit-kept")
    SMALL = {"requests": 40}

    def __init__(self, requests: int = 1000) -> None:
        self.requests = requests

    def predict(self, passport: Passport) -> Outcome:
        cost, requests = step_cost(), load(AtOnce(), self.requests)
        # All tokens but an answer's last one are computed. With prompts in each step arithmetic is the limit.
        tokens = [r.limit - 1 for r in requests]
        flop = fmean(cost.flop(Work(n, 1, n, causal_pairs(n))) for n in tokens)
        by = Derivation(
            "P / F",
            {
                "P": Operand(
                    f"bfloat16 of an H100, {OF_PEAK} of it", Quantity(cost.peak, "FLOP/s"), PUBLISHED
                ),
                "F": Operand("operations of a request, mean", Quantity(flop, "FLOP"), "shape of Llama 3 8B"),
            },
        )
        prompts, answers = (fmean(n) for n in zip(*((r.prompt_tokens, r.max_tokens) for r in requests)))
        return Outcome(by.quantity(self.unit), {"prompt": prompts, "answer": answers}, by=by)

    def run(self, progress: Progress = SILENT) -> Outcome:
        waits: dict[str, list[float]] = {"p50": [], "p99": [], "tpot": []}
        for rate in RATES:
            progress(f"{rate} requests/s")
            metrics = Metrics(served(Poisson(rate), self.requests))
            waits["p50"].append(metrics.ttft(50))
            waits["p99"].append(metrics.ttft(99))
            waits["tpot"].append(metrics.tpot(50))
        progress("a queue that never ends")
        return Outcome(Quantity(saturated(served(AtOnce(), self.requests)), self.unit), waits)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        for name, colour in (("p99", "orange"), ("p50", "blue")):
            label = f"{'99th percentile' if name == 'p99' else 'median'}, simulated"
            look = {"color": figures.COLOURS[colour], "marker": "D", "linestyle": "-."}
            ax.plot(RATES, result.data[name], label=label, **look)
        brim = prediction.quantity.value
        ends = [min(result.data["p50"]), max(result.data["p99"])]
        figures.predicted(ax, [brim, brim], ends, "saturation, predicted")
        figures.time_axis(ax.yaxis, log=True)
        ax.set_xlabel("requests/s offered")
        ax.set_ylabel("time to the first token")
        figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        brim, data = result.quantity.value, result.data
        table: list[list[object]] = [
            [
                "requests/s offered",
                "of saturation, simulated",
                "first token, median",
                "99th percentile",
                "each token after it",
            ]
        ]
        for rate, *times in zip(RATES, data["p50"], data["p99"], data["tpot"]):
            table.append([rate, f"{100 * rate / brim:.0f} %", *(format_value(t, "s") for t in times)])
        kept = _kept(data["p99"])
        return {
            "table": rows(table),
            "prompt": f"{prediction.data['prompt']:,.0f}",
            "answer": f"{prediction.data['answer']:,.0f}",
            "budget": POLICY.token_budget,
            "saturation": format_value(brim, self.unit),
            "promised": format_value(prediction.quantity.value, self.unit),
            "limit": format_value(LIMIT, "s"),
            "kept": kept,
            "kept_share": percent(kept / brim),
            "idle": format_value(data["p99"][0], "s"),
            "overloaded": format_value(data["p99"][-1], "s"),
            "highest": RATES[-1],
            "lowest": RATES[0],
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        waits = result.data["p99"]
        return [
            self.verdict(prediction, result),
            "runs-away" if waits[-1] > RUN_AWAY * waits[0] else "no-end-seen",
            "limit-first" if _kept(waits) < result.quantity.value else "limit-kept",
        ]


def saturated(done: list[Request]) -> float:
    """Return requests a second in the middle half of a run: neither while it fills nor while it empties."""
    ends = [request.token_times[-1] for request in done]
    first, last = len(ends) // 4, 3 * len(ends) // 4
    return (last - first) / (ends[last] - ends[first])


def _kept(waits: list[float]) -> int:
    """Return the highest of ``RATES`` up to which the 99th percentile kept the limit; 0 where none did."""
    kept = 0
    for rate, wait in zip(RATES, waits):
        if wait > LIMIT:
            break
        kept = rate
    return kept
