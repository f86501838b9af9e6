"""The small service of the chapter on batching: one scheduler, on the real model or on a simulated clock."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from lessons.datasheets import model
from lessons.formulas.llama import multiplied
from lessons.kernels import packed
from lessons.llm.footprint import step_bytes
from lessons.serving.costs import Roofline, StepCost
from lessons.serving.loop import Executor, serve
from lessons.serving.metrics import Metrics
from lessons.serving.policies import Policy
from lessons.serving.request import Request, State
from lessons.serving.scheduler import Batch, Scheduler
from lessons.serving.simulator import Simulator
from lessons.units import Quantity

if TYPE_CHECKING:
    from lessons.passport import Passport

SHAPE = "shape of SmolLM2-135M"
SLOTS = 8
ROWS = packed.MAX_ROWS  # of the compiled pass; more rows take several, or go layer by layer through torch
BLOCKS = 160  # of cache, 16 tokens each
VOCAB = model("smollm2-135m").vocab
SEED = 20220711  # fixed before the first run: the day on which OSDI 2022, with the paper on Orca, began
WASTED, PREFILL, DECODE = "wasted", "prefill", "decode"
Bar = tuple[float, float, str]


@cache
def engine() -> Any:
    """Return the engine with the packed model and int8 activations, warmed up."""
    from lessons.llm import engines
    from lessons.serving.engine import Engine
    from lessons.serving.policies import Continuous

    made = Engine(engines.engine(), BLOCKS, share_prefixes=False, stop=False)
    # Each number of rows up to ROWS is a program of its own, compiled or loaded when it is first met; more rows are
    # another one. All are met here, so that no timed step pays for them.
    fading = [Request(i, 0.0, 1, 1 + i, (1,)) for i in range(ROWS)]
    measure(Continuous(ROWS), fading, made)
    measure(Continuous(1), [Request(0, 0.0, 2 * ROWS, 1, (1,) * (2 * ROWS))], made)
    return made


def cost(passport: Passport, textbook: bool = False) -> Roofline:
    """Return the bound on a step of this service: packed weights, one core's bandwidth, and its rate of arithmetic.

    Args:
        passport: of this computer.
        textbook: take the peak of int8 in registers, as a roofline does. What the packed product reaches is less,
            since it also widens the weights and rounds the activations.
    """
    shape = model("smollm2-135m")
    peak = None if textbook else passport.product("packed", "int8").value
    layers, head = multiplied(shape)
    return Roofline.from_passport(
        passport, shape, layers + head, step_bytes("packed, int8"), dtype="int8", peak=peak, head=head
    )


class Recorder:
    """An executor that passes every step on to another one, and writes down who was in it.

    Attributes:
        bars: for each request its stretches of (begin, end, kind), seconds.
        alike: the seconds of the steps that had the same number of requests and of tokens.
        steps: how many were run.
        rows: rows that were computed, of which ``wasted`` for requests that had finished.
    """

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.now, self.wait_until = executor.now, executor.wait_until
        self.bars: dict[int, list[Bar]] = {}
        self.alike: dict[tuple[int, int], list[float]] = {}
        self.steps = self.rows = self.wasted = 0

    def run(self, batch: Batch) -> Container[int]:
        kinds = [(request.id, _kind(request, tokens)) for request, tokens in batch.rows]
        began = self.now()
        stopped = self.executor.run(batch)
        ended = self.now()
        self.steps += 1
        kind_of_step = len(batch.rows), sum(tokens for _, tokens in batch.rows)
        self.alike.setdefault(kind_of_step, []).append(ended - began)
        self.rows += len(kinds)
        self.wasted += sum(kind == WASTED for _, kind in kinds)
        for id, kind in kinds:
            bars = self.bars.setdefault(id, [])
            if bars and bars[-1][2] == kind:
                began_before = bars.pop()[0]
                bars.append((began_before, ended, kind))
            else:
                bars.append((began, ended, kind))
        return stopped

    def spread(self) -> tuple[float, float]:
        """Return the range that holds 95 % of all steps, each over the median of those like it.

        A step that was the only one of its kind says nothing of how far they lie apart, and is left out.
        """
        kinds = [seconds for seconds in self.alike.values() if len(seconds) > 1]
        shares = [one / median(seconds) for seconds in kinds for one in seconds]
        cuts = quantiles(shares, n=40, method="inclusive") if shares else [1.0]
        return cuts[0], cuts[-1]


def _kind(request: Request, tokens: int) -> str:
    if request.state is State.FINISHED:
        return WASTED
    return DECODE if request.generated and tokens == 1 else PREFILL


@dataclass(frozen=True)
class Served:
    """What one policy did with one load: the finished requests, their figures, and the record of the steps.

    Attributes:
        timed: by a real clock, so that steps of one kind differ by more than what they compute.
    """

    requests: list[Request]
    metrics: Metrics
    record: Recorder
    timed: bool

    def interval(self, seconds: float) -> Quantity:
        """Return a time that this run has met once, with an interval: how far steps of one kind lay apart in it."""
        if not self.timed:
            return Quantity(seconds, "s")
        low, high = self.record.spread()
        return Quantity(seconds, "s", seconds * low, seconds * high, 1)

    def queued_rate(self) -> float:
        """Return tokens a second while anybody waits: the rate of a service whose queue never ends.

        Without slots that are held it counts until the last request begins. After that, slots empty that a queue
        would fill. Static batches are counted to their end: nobody could have joined.
        """
        held = self.record.wasted > 0
        end = max(r.token_times[-1 if held else 0] for r in self.requests)
        return sum(moment <= end for r in self.requests for moment in r.token_times) / end

    def timeline(self) -> dict[str, Any]:
        """Return for each request, in the order of arrival, its arrival and its stretches, in seconds.

        ``ttft`` and ``tpot`` are the medians over all requests.
        """
        ordered = sorted(self.requests, key=lambda r: r.id)
        return {
            "arrivals": [r.arrival for r in ordered],
            "bars": [self.record.bars[r.id] for r in ordered],
            "ttft": self.interval(self.metrics.ttft(50)),
            "tpot": self.interval(self.metrics.tpot(50)),
            "rows": self.record.rows,
            "wasted": self.record.wasted,
        }


def measure(policy: Policy, requests: Sequence[Request], real: Any = None) -> Served:
    """Serve requests with the real model; ``real`` is the chapter's engine where left out."""
    real = real or engine()
    real.restart()
    return _serve(requests, Scheduler(policy, real.blocks), real, timed=True)


def simulate(policy: Policy, requests: Sequence[Request], seconds: StepCost) -> Served:
    """Serve requests on a simulated clock; ``seconds`` says how long a step takes."""
    return _serve(requests, Scheduler(policy), Simulator(seconds), timed=False)


def _serve(requests: Sequence[Request], scheduler: Scheduler, executor: Executor, timed: bool) -> Served:
    record = Recorder(executor)
    done = list(serve(requests, scheduler, record))
    return Served(done, Metrics(done), record, timed)
