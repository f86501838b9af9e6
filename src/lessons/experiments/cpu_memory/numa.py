"""Memory of another node."""

from __future__ import annotations

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.measure import time
from lessons.measure.conditions import running_on
from lessons.passport import Passport, needs
from lessons.units import Quantity, format_value


class Numa(Experiment):
    """Touch memory on one node and read it from another."""

    id = "cpu_memory.numa"
    unit = "1"
    needs = (needs.TWO_NODES,)
    panels = None

    def predict(self, passport: Passport) -> Outcome:
        nodes = [node for node in passport.machine["nodes"] if node["cpus"]]
        # The firmware's distance table is all a system tells beforehand: 10 is local.
        return Outcome(Quantity(nodes[0]["distances"][nodes[1]["id"]] / 10, "1"))

    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons import topology
        from lessons.kernels.chase import ring, walker

        nodes = [n for n in topology.read().nodes if n.cpus]
        seconds = []
        for home in (nodes[0], nodes[1]):
            with running_on(home.cpus):  # pages belong to the node whose processor touches them first
                links = ring(256 << 20)
            with running_on(nodes[0].cpus):
                seconds.append(time(walker(links, 1 << 15), samples=11).median())
        return Outcome(seconds[1].ratio(seconds[0]), {"local": seconds[0], "remote": seconds[1]})

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        return {
            "table": f"{prediction.quantity.value:.1f}",
            "walk": f"{result.quantity.value:.2f}",
            **{name: format_value(result.data[name].value, "s") for name in ("local", "remote")},
        }
