"""The simulated service against the real one: step time and throughput on loads that the cost was not fitted to.

The cost of a step is fitted to one load. Three others, with other policies, lengths and arrivals, are served by the
model and by the simulator. The load of the fit is served before and after each of them, so that a machine that
changes its speed changes it for both. All of it is done ROUNDS times, and the medians count; the guard is the median
of the fit's first times over that of its second. Each figure is an agreement: the smaller of simulated and measured
over the larger.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import mean, median
from typing import NamedTuple

import common
import numba
import torch

from lessons.llm.load import load
from lessons.serving.costs import Fitted, Step
from lessons.serving.engine import Engine, run
from lessons.serving.loop import serve
from lessons.serving.metrics import Metrics
from lessons.serving.policies import ChunkedPrefill, Continuous, Policy, Static
from lessons.serving.request import Request
from lessons.serving.scheduler import Scheduler
from lessons.serving.simulator import Simulator
from lessons.serving.workload import (
    Arrivals,
    AtOnce,
    Bursty,
    Fixed,
    Lengths,
    LogNormal,
    Poisson,
    Uniform,
    workload,
)

THREADS = 1
BLOCKS = 400
FEW = 16  # rows of the compiled pass
ROUNDS = 6
Load = tuple[Policy, int, Arrivals, Lengths, Lengths]

FIT: tuple[Load, ...] = (
    (Continuous(8), 20, AtOnce(), Uniform(2, 60), Uniform(1, 30)),
    (ChunkedPrefill(8, token_budget=16), 20, AtOnce(), Uniform(2, 60), Uniform(1, 30)),
)
OTHERS: dict[str, Load] = {
    "static": (Static(6), 24, AtOnce(), Fixed(10), LogNormal(24, 1.0, 120)),
    "bursts": (ChunkedPrefill(8, token_budget=12), 20, Bursty(20.0, 3.0), LogNormal(30, 0.7, 150), Fixed(24)),
    "prompts": (Continuous(4), 16, Poisson(20.0), Uniform(80, 160), Uniform(10, 30)),
}
SEEDS = {"fit": 1, "static": 2, "bursts": 3, "prompts": 4}


class Round(NamedTuple):
    """A load served once: tokens a second, seconds a step, and the seconds of the fit before and after it."""

    simulated: float
    real: float
    simulated_step: float
    real_step: float
    before: float
    after: float


def measure_once() -> common.Record:
    """Fit and compare each load in one process."""
    torch.set_num_threads(THREADS)
    numba.set_num_threads(THREADS)
    engine = Engine(load("packed", activations="int8"), BLOCKS, share_prefixes=False, stop=False)
    before = fit_load(engine)
    for name in OTHERS:  # a pass is compiled at its first use
        _, before = one_round(engine, name, before)
    rounds: dict[str, list[Round]] = {name: [] for name in OTHERS}
    for _ in range(ROUNDS):
        for name, served in rounds.items():
            result, before = one_round(engine, name, before)
            served.append(result)
    middle = {name: Round(*map(median, zip(*served))) for name, served in rounds.items()}
    throughput = {name: median([r.simulated / r.real for r in served]) for name, served in rounds.items()}
    step = {name: median([r.simulated_step / r.real_step for r in served]) for name, served in rounds.items()}
    guards = [load.before / load.after for load in middle.values()]
    worst = min(throughput, key=lambda name: agreement(throughput[name]))
    agreements = sorted(map(agreement, throughput.values()))
    return {
        "ratio": agreements[0],
        "low": agreements[0],
        "high": agreements[-1],
        "ours": middle[worst].simulated,
        "peer": middle[worst].real,
        "unit": "tokens/s",
        "threads": THREADS,
        "guard": max(guards, key=lambda ratio: abs(ratio - 1)),
        "step": min(map(agreement, step.values())),
        "throughput_over_measured": throughput,
        "step_over_measured": step,
    }


def one_round(engine: Engine, name: str, before: list[Step]) -> tuple[Round, list[Step]]:
    """Serve a load and then that of the fit, fit, and simulate the load; return also the fit's steps after it."""
    policy, *shape = OTHERS[name]
    real = measured(engine, policy, made(name, shape, engine.model.config.vocab))
    real_step = mean([step.seconds for step in engine.steps])
    after = fit_load(engine)
    simulator = Simulator(Fitted.to(before + after, FEW))
    simulated = Metrics(serve(made(name, shape, None), Scheduler(policy), simulator))
    step = simulator.busy / simulator.steps
    speeds = simulated.throughput(), real.throughput()
    return Round(*speeds, step, real_step, seconds(before), seconds(after)), after


def fit_load(engine: Engine) -> list[Step]:
    """Serve the load of the fit and return its steps."""
    steps = []
    for policy, *shape in FIT:
        measured(engine, policy, made("fit", shape, engine.model.config.vocab))
        steps += engine.steps
    return steps


def seconds(steps: list[Step]) -> float:
    return sum(step.seconds for step in steps)


def measured(engine: Engine, policy: Policy, requests: Iterator[Request]) -> Metrics:
    return Metrics(run(list(requests), Scheduler(policy, engine.blocks), engine))


def made(name: str, shape: list, vocab: int | None) -> Iterator[Request]:
    count, arrivals, prompts, answers = shape
    return workload(count, arrivals, prompts, answers, seed=SEEDS[name], vocab=vocab)


def agreement(ratio: float) -> float:
    return min(ratio, 1 / ratio)


if __name__ == "__main__":
    common.main(measure_once, bar=0.85, other_bars={"step": 0.85})
