"""One object carries an experiment: it predicts, measures, draws, and says what was found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from lessons.errors import LessonError
from lessons.experiments.derivation import Derivation
from lessons.experiments.text import fill, passages
from lessons.measure.verdict import bounded, counted, foreseen, judged
from lessons.passport.needs import Need, missing
from lessons.units import Quantity, format_value

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lessons.passport import Passport

# A count must come out equal, a bound may not be beaten, an estimate says no more than what is to be expected. A ratio
# is an estimate of two things at once, and foreseen only where both of them are.
Kind = Literal["count", "at most", "at least", "estimate", "ratio"]
Progress = Callable[[str], None]
SILENT: Progress = lambda message: None  # noqa: E731


class Unavailable(LessonError):
    """An experiment that this machine cannot run, with the reason (no second NUMA node, no CUDA device)."""


@dataclass(frozen=True)
class Outcome:
    """What was predicted, or what was measured.

    Attributes:
        quantity: the one number that the report card compares.
        data: everything that the figure and the text need: what JSON holds (numbers, strings, lists, dicts) and
            quantities anywhere in it.
        textbook: of a prediction, what the textbook's closed form gives where it is known to miss here.
        by: of a prediction, the sum that gives its quantity.
        ends: of a ratio, the two absolute values that it divides, by their names: the upper one first. A prediction
            and its result use the same names.
    """

    quantity: Quantity
    data: dict[str, Any] = field(default_factory=dict)
    textbook: Quantity | None = None
    by: Derivation | None = None
    ends: dict[str, Quantity] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        record = {"quantity": self.quantity.to_json(), "data": _to_json(self.data)}
        if self.textbook is not None:
            record["textbook"] = self.textbook.to_json()
        if self.by is not None:
            record["by"] = self.by.to_json()
        if self.ends:
            record["ends"] = _to_json(self.ends)
        return record

    @staticmethod
    def from_json(record: dict[str, Any]) -> Outcome:
        return Outcome(
            Quantity.from_json(record["quantity"]),
            _from_json(record["data"]),
            Quantity.from_json(record["textbook"]) if "textbook" in record else None,
            Derivation.from_json(record["by"]) if "by" in record else None,
            _from_json(record.get("ends", {})),
        )


class Experiment:
    """A question about this machine with a prediction, a measurement, a figure, and what was found.

    A chapter's module subclasses it once for each experiment. Nothing is measured when the module is imported, and
    no sentence stands in it: those are in the chapter's ``text.md`` (see ``lessons.experiments.text``).

    Attributes:
        id: "<slug>.<name>", the same in the ledger, the recordings and the report card.
        unit: the unit of the compared quantity (see ``lessons.units``).
        kind: what the prediction claims, see ``Kind``.
        device: "cpu" or "cuda".
        needs: what a machine must have for it.
        panels: rows and columns of the figure; None for an experiment without one.
        simulated: the result is calculated and not measured; readers are told so beside every number.
        FINDINGS: every key that ``findings`` can give.
        SMALL: attributes of the small form, see ``small``.
    """

    id: str
    unit: str
    kind: Kind = "estimate"
    device: str = "cpu"
    needs: Sequence[Need] = ()
    panels: tuple[int, int] | None = (1, 1)
    simulated: bool = False
    FINDINGS: ClassVar[tuple[str, ...]] = ()
    SMALL: ClassVar[dict[str, Any]] = {}

    @property
    def slug(self) -> str:
        """The chapter's slug, the first half of the id."""
        return self.id.split(".")[0]

    @property
    def passages(self) -> Mapping[str, str]:
        """The experiment's sentences by their headings."""
        return passages(self.id)

    @property
    def title(self) -> str:
        """A few words for tables and headings."""
        return " ".join(self.passages["title"].split())

    @property
    def question(self) -> str:
        """One sentence that the reader can guess an answer to, ending in a question mark."""
        return " ".join(self.passages["question"].split())

    @property
    def cited(self) -> str:
        """What ``%%gpu`` shows where nothing was recorded: a sentence with its source, as Markdown."""
        return self.passages.get("cited", "")

    def small(self) -> Self:
        """Return the same experiment with small sizes: all of it runs, soon, and says nothing of speed."""
        one = copy(self)
        vars(one).update(self.SMALL)
        return one

    def check(self, passport: Passport) -> None:
        """Do nothing where the machine has all that the experiment needs.

        Raises:
            Unavailable: with the reason where it has not.
        """
        if reason := missing(self.needs, passport):
            raise Unavailable(reason)

    def predict(self, passport: Passport) -> Outcome:
        """Return what the closed form gives on this machine's measured peaks. Runs nothing."""
        raise NotImplementedError

    def run(self, progress: Progress = SILENT) -> Outcome:
        """Measure on ``self.device``; tell ``progress`` what is going on.

        Raises:
            Unavailable: when this machine has not got what the experiment needs.
        """
        raise NotImplementedError

    def verdict(self, prediction: Outcome, result: Outcome) -> str:
        """Return how the result came out beside the prediction, as the experiment's kind judges it."""
        ratio = result.quantity.ratio(prediction.quantity)
        match self.kind:
            case "count":
                return counted(ratio)
            case "at most" | "at least":
                return bounded(ratio, self.kind)
            case "ratio":
                ends = prediction.ends
                return judged(ratio, *(result.ends[name].ratio(end) for name, end in ends.items()))
        return foreseen(ratio)

    def draw(self, prediction: Outcome, result: Outcome, figure: Figure) -> None:
        """Draw both on ``figure``, which has ``panels`` axes already."""

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        """Return what a sentence may name, already as readers see it. The names never depend on the values."""
        return {}

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        """Return what the numbers show, as keys of ``FINDINGS`` in the order of telling. Decided on intervals."""
        return []

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        """Return Markdown that says what the comparison means."""
        return self._tell(["text", *self.findings(prediction, result)], prediction, result, "\n\n")

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        """Return the figure's alternative text: what it shows and what one sees in it."""
        found = [f"alt {finding}" for finding in self.findings(prediction, result)]
        return " ".join(self._tell(["alt", *found], prediction, result, " ").split())

    def every_fact(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        """Return ``facts`` with those that all experiments have.

        They are ``predicted``, ``measured`` (with their intervals), ``textbook``, ``ratio`` (measured over
        predicted), ``interval`` (of the ratio) and ``found`` ("measured" or "simulated").
        """
        ratio = result.quantity.ratio(prediction.quantity)
        textbook = prediction.quantity if prediction.textbook is None else prediction.textbook
        return {
            "predicted": prediction.quantity,
            "measured": result.quantity,
            "textbook": format_value(textbook.value, textbook.unit),
            "ratio": format_value(ratio.value, "1", 2),
            "interval": f"{format_value(ratio.low, '1')} to {format_value(ratio.high, '1')}",
            "found": "simulated" if self.simulated else "measured",
            **self.facts(prediction, result),
        }

    def _tell(self, headings: list[str], prediction: Outcome, result: Outcome, between: str) -> str:
        facts, passages = self.every_fact(prediction, result), self.passages
        return between.join(fill(passages[heading], facts) for heading in headings if heading in passages)


def _to_json(value: Any) -> Any:
    if isinstance(value, Quantity):
        return value.to_json()
    if isinstance(value, dict):
        return {key: _to_json(item) for key, item in value.items()}
    return [_to_json(item) for item in value] if isinstance(value, list | tuple) else value


def _from_json(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == QUANTITY_KEYS:
            return Quantity.from_json(value)
        return {key: _from_json(item) for key, item in value.items()}
    return [_from_json(item) for item in value] if isinstance(value, list) else value


QUANTITY_KEYS = Quantity(0, "1").to_json().keys()
