"""Memory of another node."""

from __future__ import annotations

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Derivation, Operand
from lessons.measure import time
from lessons.measure.conditions import running_on
from lessons.measure.verdict import JUDGED
from lessons.passport import Passport, needs
from lessons.units import Quantity, format_value

STEPS = 1 << 15
TABLE = "the firmware's table"


class Numa(Experiment):
    """Touch memory on one node and read it from another."""

    id = "cpu_memory.numa"
    unit = "1"
    kind = "ratio"
    needs = (needs.TWO_NODES,)
    panels = None
    FINDINGS = JUDGED

    def predict(self, passport: Passport) -> Outcome:
        nodes = [node for node in passport.machine["nodes"] if node["cpus"]]
        # The firmware's distance table is all that a system tells beforehand.
        remote, local = (nodes[0]["distances"][node["id"]] for node in (nodes[1], nodes[0]))
        by = Derivation(
            "r / l",
            {
                "r": Operand("distance of the other node", Quantity(remote, "1"), TABLE),
                "l": Operand("distance of its own node", Quantity(local, "1"), TABLE),
            },
        )
        near = passport.latency("dram")
        return Outcome(by.quantity(self.unit), by=by, ends=_ends(near.scaled(by.value), near))

    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons import topology
        from lessons.kernels.chase import ring, walker

        nodes = [n for n in topology.read().nodes if n.cpus]
        seconds = []
        for home in (nodes[0], nodes[1]):
            with running_on(home.cpus):  # pages belong to the node whose processor touches them first
                links = ring(256 << 20)
            with running_on(nodes[0].cpus):
                seconds.append(time(walker(links, STEPS), samples=11).median().scaled(1 / STEPS))
        local, remote = seconds
        return Outcome(remote.ratio(local), {"local": local, "remote": remote}, ends=_ends(remote, local))

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        return {
            "table": f"{prediction.quantity.value:.1f}",
            "walk": f"{result.quantity.value:.2f}",
            **{name: format_value(result.data[name].value, "s") for name in ("local", "remote")},
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        return [self.verdict(prediction, result)]


def _ends(remote: Quantity, local: Quantity) -> dict[str, Quantity]:
    """Return the seconds of a load from either node by their names."""
    return {"a load, the other node": remote, "a load, its own node": local}
