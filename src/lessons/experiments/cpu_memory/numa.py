"""Memory of another node."""

from __future__ import annotations

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress, Unavailable
from lessons.measure import time
from lessons.measure.conditions import running_on
from lessons.passport import Passport
from lessons.units import Quantity


class Numa(Experiment):
    """Touch memory on one node and read it from another."""

    id = "cpu_memory.numa"
    title = "latency of remote over local memory"
    unit = "1"
    question = "How much longer does a load take from another NUMA node's memory?"

    def predict(self, passport: Passport) -> Outcome:
        nodes = passport.machine["nodes"]
        if len([n for n in nodes if n["cpus"]]) < 2:
            raise Unavailable(
                "this machine shows one NUMA node, so that no memory is remote; run it on a two-socket server"
            )
        # The firmware's distance table is all a system tells beforehand: 10 is local.
        return Outcome(Quantity(nodes[0]["distances"][nodes[1]["id"]] / 10, "1"))

    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons import topology
        from lessons.kernels.chase import ring, walker

        nodes = [n for n in topology.read().nodes if n.cpus]
        if len(nodes) < 2:
            raise Unavailable("this machine shows one NUMA node, so that no memory is remote")
        seconds = []
        for home in (nodes[0], nodes[1]):
            with running_on(home.cpus):  # pages belong to the node whose processor touches them first
                links = ring(256 << 20)
            with running_on(nodes[0].cpus):
                seconds.append(time(walker(links, 1 << 15), samples=11).median())
        return Outcome(seconds[1].ratio(seconds[0]), {"local": seconds[0].value, "remote": seconds[1].value})

    panels = None

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        return (
            f"The firmware's table says {prediction.quantity.value:.1f}, the walk says {result.quantity.value:.2f}. "
            "The table is a hint for the scheduler, not a measurement."
        )
