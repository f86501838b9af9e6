"""Probes that measure nothing: they yield what they are told to, and count how often they were asked."""

from lessons.passport.probe import Probe
from lessons.units import Quantity

CHASE, STREAM = "lessons.kernels.chase", "lessons.kernels.stream"  # modules with a digest


class Fake:
    """A probe with one key, or with what ``rounds`` says for each time that it is asked.

    Attributes:
        probe: it.
        asked: the sizes of each time.
    """

    def __init__(self, module=CHASE, prefix="cpu.chase.", rounds=({"one": 1.0},), **options):
        self.asked = []
        self.rounds = rounds
        self.prefix = prefix
        self.probe = Probe(module, prefix, self.measure, **options)

    def measure(self, machine, sizes, progress):
        self.asked.append(dict(sizes))
        values = self.rounds[min(len(self.asked), len(self.rounds)) - 1]
        for key, value in values.items():
            quantity = value if isinstance(value, Quantity) else Quantity(value, "B/s")
            if not self.probe.by_level or any(level in key.split(".") for level in sizes):
                yield self.prefix + key, quantity
