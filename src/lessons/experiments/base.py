"""One object carries an experiment: predict, run, draw, explain."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

from lessons.errors import LessonError
from lessons.units import Quantity

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lessons.passport import Passport

Progress = Callable[[str], None]
SILENT: Progress = lambda message: None  # noqa: E731


class Unavailable(LessonError):
    """An experiment that this machine cannot run, with the reason (no second NUMA node, no CUDA device)."""


@dataclass(frozen=True)
class Outcome:
    """What was predicted, or what was measured.

    Attributes:
        quantity: the one number that the report card compares.
        data: everything that the figure and the text need, as JSON holds it (numbers, strings, lists, dicts).
    """

    quantity: Quantity
    data: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"quantity": self.quantity.to_json(), "data": self.data}

    @staticmethod
    def from_json(record: dict[str, Any]) -> Outcome:
        return Outcome(Quantity.from_json(record["quantity"]), record["data"])


class Experiment:
    """A question about this machine with a prediction, a measurement, a figure and an explanation.

    A chapter's module subclasses it once for each experiment. Nothing is measured when the module is imported.

    Attributes:
        id: "<slug>.<name>", the same in the ledger, the recordings and the report card.
        title: a few words for tables and headings.
        unit: the unit of the compared quantity (see ``lessons.units``).
        question: one sentence that the reader can guess an answer to, ending in a question mark.
        device: "cpu" or "cuda".
        panels: rows and columns of the figure; None for an experiment without one.
        simulated: the result is calculated and not measured; readers are told so beside every number.
        cited: what ``%%gpu`` shows where nothing was recorded: a sentence with its source, as Markdown.
        SMALL: attributes of the small form, see ``small``.
    """

    id: str
    title: str
    unit: str
    question: str
    device: str = "cpu"
    panels: tuple[int, int] | None = (1, 1)
    simulated: bool = False
    cited: str = ""
    SMALL: ClassVar[dict[str, Any]] = {}

    @property
    def slug(self) -> str:
        """The chapter's slug, the first half of the id."""
        return self.id.split(".")[0]

    def small(self) -> Self:
        """Return the same experiment with small sizes: all of it runs, soon, and says nothing of speed."""
        one = copy(self)
        vars(one).update(self.SMALL)
        return one

    def predict(self, passport: Passport) -> Outcome:
        """Return what the closed form gives on this machine's measured peaks. Runs nothing."""
        raise NotImplementedError

    def run(self, progress: Progress = SILENT) -> Outcome:
        """Measure on ``self.device``; tell ``progress`` what is going on.

        Raises:
            Unavailable: when this machine has not got what the experiment needs.
        """
        raise NotImplementedError

    def draw(self, prediction: Outcome, result: Outcome, figure: Figure) -> None:
        """Draw both on ``figure``, which has ``panels`` axes already."""

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        """Return the figure's alternative text: what it shows and what one sees in it."""
        return f"{self.title}: predicted {prediction.quantity}, measured {result.quantity}."

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        """Return Markdown that says what the comparison means; the result selects the text."""
        raise NotImplementedError
