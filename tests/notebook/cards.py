"""An experiment of known numbers for each kind, and its card."""

from lessons.experiments.base import Experiment, Outcome
from lessons.experiments.derivation import Derivation, Operand
from lessons.notebook.card import Card
from lessons.units import Quantity


class Made(Experiment):
    """A made-up experiment."""

    id = "kv_cache.made_up"
    unit = "s"
    passages = {
        "title": "a time & more",
        "question": "How long does <it> take?",
        "text": "It took {measured}.",
        "alt": "A line.",
    }

    def __init__(self, kind="estimate", simulated=False):
        self.kind, self.simulated = kind, simulated

    def run(self, progress=lambda message: None):
        """Measure nothing."""
        return "nothing was measured"

    def draw(self, prediction, result, figure):
        figure.axes[0].plot([1, 2], [3, 4])


BY = Derivation(
    "b / r",
    {
        "b": Operand("bytes of the weights", Quantity(60e6, "B"), "counted"),
        "r": Operand("reads in memory", Quantity(20e9, "B/s").of("cpu.bandwidth.read.dram.1")),
    },
)


def card(
    predicted=3e-3, measured=4e-3, low=None, high=None, *, kind="estimate", simulated=False, textbook=None, unit="s",
    upper=None, **options,
):  # fmt: skip
    """Return a card. A ratio divides two times, ``upper`` of them measured over predicted (as the ratio, if None)."""
    low, high = (measured if end is None else end for end in (low, high))
    ends, found = {}, {}
    if kind == "ratio":
        factor = measured / predicted if upper is None else upper
        ends = {"one": Quantity(2.0, "s"), "other": Quantity(1.0, "s")}
        found = {"one": Quantity(2.0 * factor, "s"), "other": Quantity(factor / (measured / predicted), "s")}
    prediction = Outcome(
        Quantity(predicted, unit),
        textbook=None if textbook is None else Quantity(textbook, unit),
        by=BY,
        ends=ends,
    )
    result = Outcome(Quantity(measured, unit, low, high, 9), ends=found)
    return Card(Made(kind, simulated), prediction, result, **options)
