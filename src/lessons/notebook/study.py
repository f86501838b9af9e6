"""``study``: one line in a notebook that predicts, measures, draws, explains and keeps the books."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Collection
from functools import cache
from types import EllipsisType
from typing import Any, SupportsFloat

from lessons.errors import LessonError
from lessons.experiments.base import Experiment, Outcome, Unavailable
from lessons.notebook.changed import changed
from lessons.passport import Passport, PassportError, load_or_measure
from lessons.results import Entry, Ledger
from lessons.units import Quantity


def study(experiment: Experiment, guess: Quantity | SupportsFloat | EllipsisType | None = ...) -> None:
    """Show a prediction, run the experiment on this machine, draw both, explain, and write the ledger.

    Args:
        experiment: an instance from a chapter's module.
        guess: your own guess in the experiment's base unit (B/s, s, tokens/s, ...), as any kind of number; it goes on
            the report card. Left out or None, the one of an earlier run is kept. With None the web page asks for a
            guess before it shows the result.

    What this machine cannot run is said with its reason, and nothing is written. A ledger that cannot be written
    is said too, after the result. So is what was changed in the experiment: then the result is not the book's, and
    nothing is written either.

    Raises:
        LessonError: before anything runs, for a guess that is no number.
    """
    asks = guess is None
    guessed = None if guess is None or isinstance(guess, EllipsisType) else as_number(guess, experiment.unit)
    passport = this_passport()
    name = changed(experiment)
    try:
        experiment.check(passport)
        prediction = experiment.predict(passport)
        with _progress(experiment.title) as progress:
            result = experiment.run(progress)
    except (Unavailable, PassportError) as reason:
        _show(_markdown(f"**{experiment.title}** was not run here: {reason}."))
        return
    ledger = Ledger()
    guessed = ledger.guess(experiment.id) if guessed is None else guessed
    show(experiment, prediction, result, guessed, asks=asks and guessed is None, doubts=passport.doubts)
    if name:
        _show(_markdown(f"*This result is not on the report card, because `{name}` was changed.*"))
        return
    quantities = (prediction.quantity, result.quantity)
    try:
        ledger.write(
            Entry(
                experiment.id,
                experiment.title,
                *quantities,
                guessed,
                passport.fingerprint,
                prediction.textbook,
                experiment.kind,
                experiment.verdict(prediction, result),
                {name: str(fact) for name, fact in experiment.every_fact(prediction, result).items()},
                tuple(experiment.findings(prediction, result)),
                {name: (end, result.ends[name]) for name, end in prediction.ends.items()},
            )
        )
    except LessonError as reason:
        _show(_markdown(f"*This result is not on the report card: {reason}.*"))


def as_number(guess: Any, unit: str) -> float:
    """Return a guess as a number.

    Args:
        guess: an int, float, Fraction or Decimal, NumPy's or torch's number, or a ``Quantity`` in ``unit``.
        unit: the experiment's.

    Raises:
        LessonError: for anything else, a number without end, or a quantity in another unit.
    """
    if isinstance(guess, Quantity) and guess.unit != unit:
        raise LessonError(f"the guess {guess} is in {guess.unit!r}; give it in {unit!r}")
    value = math.nan
    if isinstance(guess, Quantity):
        value = guess.value
    elif not isinstance(guess, str | bytes | bytearray) and not _is_truth(guess):
        with contextlib.suppress(Exception):  # a library's own for what is no single number, such as a vector
            value = float(guess)
    if not math.isfinite(value):
        raise LessonError(f"the guess is {_short(guess)}; it must be a finite number, in {unit!r}")
    return value


def _is_truth(value: Any) -> bool:
    """Tell whether a value is true or false, of whatever library: it would count as 1 or 0."""
    return isinstance(value, bool) or str(getattr(value, "dtype", "")).removeprefix("torch.").startswith(
        "bool"
    )


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def show(
    experiment: Experiment,
    prediction: Outcome,
    result: Outcome,
    guess: float | None = None,
    badge: str = "",
    asks: bool = False,
    doubts: Collection[str] = (),
) -> None:
    """Display a prediction and a result: the card, the figure, the explanation.

    Args:
        experiment: whose they are.
        prediction, result: live or recorded.
        guess: the reader's own.
        badge: where the result comes from, when it was not measured just now.
        asks: the web page asks for a guess first.
        doubts: rows of the passport that cannot be right.
    """
    from lessons.notebook.card import Card

    _show(Card(experiment, prediction, result, guess, badge, asks, doubts))
    if experiment.panels:
        _show(picture(experiment, prediction, result))
    _show(_markdown(experiment.explain(prediction, result)))


def picture(experiment: Experiment, prediction: Outcome, result: Outcome) -> Any:
    """Return the experiment's figure with its alternative text."""
    from lessons import figures

    figure, _ = figures.new(panels=experiment.panels or (1, 1))
    with figures.style():
        experiment.draw(prediction, result, figure)
    return figures.render(figure, experiment.alt(prediction, result), experiment.id)


@cache
def this_passport() -> Passport:
    """Return this machine's passport, measured now if need be, once a process."""
    with _progress("machine passport") as progress:
        return load_or_measure(progress)


class _progress:
    """One line that says what is going on, replaced as it changes and gone at the end.

    A book being built sets LESSONS_QUIET, since a page has no use for it.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.handle: Any = None

    def __enter__(self) -> Callable[[str], None]:
        return self.tell

    def tell(self, message: str) -> None:
        if os.environ.get("LESSONS_QUIET"):
            return
        text = _markdown(f"*{self.title}: {message} …*")
        if self.handle is None:
            from IPython.display import display

            self.handle = display(text, display_id=True)
        else:
            self.handle.update(text)

    def __exit__(self, *exception: object) -> None:
        if self.handle is not None:
            self.handle.update(_markdown(""))


def _markdown(text: str) -> Any:
    from IPython.display import Markdown

    return Markdown(text)


def _show(thing: Any) -> None:
    from IPython.display import display

    display(thing)
