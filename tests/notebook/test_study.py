"""``study`` in a real IPython shell, with a small experiment of known numbers."""

import math
import os
import sys
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from lessons.errors import LessonError
from lessons.experiments.base import Experiment, Outcome, Unavailable
from lessons.experiments.derivation import Derivation, Operand
from lessons.notebook import study as study_function
from lessons.notebook.report_card import card, ratios
from lessons.passport import PassportError
from lessons.results import Ledger
from lessons.units import Quantity


class Answer(Experiment):
    id = "intro.answer"
    unit = "s"
    passages = {
        "title": "an answer",
        "question": "How long?",
        "text": "It took {ratio} times.",
        "alt": "A line.",
    }
    FINDINGS = ("longer",)

    def predict(self, passport):
        return Outcome(Quantity(2.0, "s"), {"x": [1, 2]})

    def run(self, progress=lambda message: None):
        progress("working")
        return Outcome(Quantity(3.0, "s", 2.5, 3.5, 9), {"x": [1, 3]})

    def findings(self, prediction, result):
        return ["longer"]

    def draw(self, prediction, result, figure):
        figure.axes[0].plot(prediction.data["x"], result.data["x"])


class Split(Answer):
    kind = "ratio"

    def predict(self, passport):
        ends = {"whole": Quantity(4.0, "s"), "part": Quantity(2.0, "s")}
        return Outcome(Quantity(2.0, "s"), {"x": [1, 2]}, ends=ends)

    def run(self, progress=lambda message: None):
        ends = {"whole": Quantity(9.0, "s"), "part": Quantity(3.0, "s")}
        return Outcome(Quantity(3.0, "s"), {"x": [1, 3]}, ends=ends)


class Imagined(Answer):
    simulated = True


class Summed(Answer):
    row = "cpu.busy"

    def predict(self, passport):
        by = Derivation("t", {"t": Operand("a time", Quantity(2.0, "s").of(self.row))})
        return Outcome(by.quantity("s"), {"x": [1, 2]}, by=by)


class Surely(Summed):
    row = "cpu.quiet"


class Missing(Answer):
    id = "intro.missing"

    def predict(self, passport):
        raise Unavailable("this machine has no second answer")


class Beyond(Answer):
    id = "intro.beyond"

    def predict(self, passport):
        raise PassportError("this machine has no second answer")


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    monkeypatch.setenv("LESSONS_LEDGER", str(tmp_path / "ledger"))
    passport = type("P", (), {"fingerprint": "made up", "doubts": {"cpu.busy": "its interval is wide"}})()
    monkeypatch.setattr(sys.modules["lessons.notebook.study"], "this_passport", lambda: passport)
    InteractiveShell.instance()
    return Ledger()


def displayed(experiment, **options):
    with capture_output() as captured:
        study_function(experiment, **options)
    return captured.outputs


def test_study_shows_question_numbers_figure_and_text_and_writes_the_ledger(ledger):
    outputs = displayed(Answer(), guess=4.0)
    text = "\n".join(str(o.data.get("text/markdown", o.data.get("text/plain"))) for o in outputs)
    assert "How long?" in text
    assert "1.5 times" in text
    assert "your guess" in text
    assert any("<svg" in o.data.get("text/html", "") for o in outputs)
    (entry,) = ledger.entries()
    assert (entry.predicted.value, entry.measured.value, entry.guess) == (2.0, 3.0, 4.0)
    assert entry.ratio.value == pytest.approx(1.5)
    assert entry.facts["ratio"] == "1.5" and entry.facts["measured"] == "3.00 s (2.50 to 3.50)"
    assert entry.findings == ("longer",) and entry.ends == {}


@pytest.mark.parametrize(("kind", "doubtful"), [(Summed, True), (Surely, False)])
def test_a_sum_from_a_doubtful_row_of_the_passport_says_so(ledger, kind, doubtful):
    shown = "".join(str(o.data) for o in displayed(kind()))
    assert kind.row in shown and (f"{kind.row}, doubtful" in shown) == doubtful


def test_the_ledger_gets_both_values_of_a_ratio(ledger):
    displayed(Split())
    (entry,) = ledger.entries()
    assert {name: (told.value, found.value) for name, (told, found) in entry.ends.items()} == {
        "whole": (4.0, 9.0),
        "part": (2.0, 3.0),
    }


@pytest.mark.parametrize(
    "kind, word, other", [(Answer, "measured", "simulated"), (Imagined, "simulated", "measured")]
)
def test_a_simulated_result_is_not_called_measured(ledger, kind, word, other):
    numbers = next(o.data["text/plain"] for o in displayed(kind()) if "lessons-card" in str(o.data))
    assert f"{word} / predicted" in numbers and other not in numbers


def test_a_page_asks_where_the_guess_is_written_as_none(ledger):
    pages = {name: str([o.data for o in displayed(Answer(), **how)]) for name, how in ASKING.items()}
    assert {name for name, page in pages.items() if "data-asks" in page} == {"none"}


ASKING = {"left out": {}, "none": {"guess": None}, "a number": {"guess": 4.0}}


@pytest.mark.parametrize("name", ["", "mix.SPREAD"])
def test_what_a_reader_changed_is_shown_and_not_on_the_report_card(ledger, monkeypatch, name):
    monkeypatch.setattr(sys.modules["lessons.notebook.study"], "changed", lambda experiment: name)
    *result, last = displayed(Answer(), guess=4.0)
    assert any("lessons-card" in o.data.get("text/html", "") for o in result)
    assert [e.id for e in ledger.entries()] == ([] if name else [Answer.id])
    assert ledger.guess(Answer.id) == (None if name else 4.0)
    assert ("`mix.SPREAD` was changed" in last.data["text/markdown"]) == bool(name)


@pytest.mark.parametrize("kind", [Missing, Beyond])
def test_what_cannot_run_is_said_and_not_written(ledger, kind):
    (output,) = displayed(kind())
    assert "no second answer" in output.data["text/markdown"]
    assert ledger.entries() == []


def test_a_run_without_a_guess_keeps_and_shows_the_old_one(ledger):
    displayed(Answer(), guess=4.0)
    assert "4.00 s" in str([o.data for o in displayed(Answer())])
    assert [e.guess for e in ledger.entries()] == [4.0]


def test_a_ledger_that_cannot_be_written_is_a_sentence_after_the_result(ledger):
    ledger.path.write_text("a file in the way")
    *result, last = displayed(Answer(), guess=4.0)
    assert any("<svg" in o.data.get("text/html", "") for o in result)
    assert "not on the report card" in last.data["text/markdown"]
    assert str(ledger.path) in last.data["text/markdown"]


class Longer(Answer):
    def predict(self, passport):
        return Outcome(Quantity(2.0, "s"), {"x": [1, 2]}, textbook=Quantity(1.0, "s"))


def test_the_textbook_stands_beside_the_prediction_and_is_not_counted(ledger):
    outputs = displayed(Longer())
    assert any("by the textbook" in str(o.data.get("text/plain")) for o in outputs)
    (entry,) = ledger.entries()
    assert entry.textbook.value == 1.0 and entry.ratio.value == pytest.approx(1.5)


def test_the_progress_line_is_empty_at_the_end(ledger, monkeypatch):
    monkeypatch.delenv("LESSONS_QUIET", raising=False)
    texts = [o.data.get("text/markdown") for o in displayed(Answer())]
    assert any(t and "working" in t for t in texts)
    assert "" in texts


class Nothing(Answer):
    id = "intro.nothing"

    def predict(self, passport):
        return Outcome(Quantity(0.0, "s"), {"x": [1, 2]})

    def explain(self, prediction, result):
        return "Nothing was predicted."


@pytest.mark.filterwarnings("error")
def test_a_prediction_of_zero_is_on_the_card_and_breaks_no_axis(ledger):
    assert "undefined" in str([o.data for o in displayed(Nothing())])
    (nothing,) = ledger.entries()
    assert card([nothing]).rows[0][4] == "undefined" and ratios([nothing]).rows


GUESSES = [
    4,
    4.0,
    Fraction(4),
    Decimal("4"),
    np.float32(4),
    np.int64(4),
    np.array(4.0),
    torch.tensor(4.0),
    torch.tensor([4], dtype=torch.int32),
    Quantity(4.0, "s"),
]


@pytest.mark.parametrize("guess", GUESSES, ids=repr)
def test_a_guess_may_be_any_kind_of_number(ledger, guess):
    assert "4.00 s" in str([o.data for o in displayed(Answer(), guess=guess)])
    kept = Ledger(ledger.path).guess(Answer.id)
    assert type(kept) is float and kept == 4.0


NO_GUESSES = ["abc", "4", b"4", "", math.nan, math.inf, -math.inf, True, False, 4 + 0j, [4], {}, object()]
NO_GUESSES += [np.bool_(True), torch.tensor(True), torch.tensor([1.0, 2.0]), np.array([1.0, 2.0]), 10**400]
NO_GUESSES += [
    np.float32("nan"),
    Decimal("NaN"),
    Decimal("sNaN"),
    Quantity(math.nan, "s"),
    Quantity(4.0, "B"),
]


@pytest.mark.parametrize("guess", NO_GUESSES, ids=lambda guess: repr(guess)[:20])
def test_what_is_no_number_is_refused_before_anything_runs(ledger, guess, monkeypatch):
    displayed(Answer(), guess=3.0)
    monkeypatch.setattr(Answer, "run", lambda *words: pytest.fail("it ran"))
    with pytest.raises(LessonError, match="the guess") as refusal:
        study_function(Answer(), guess=guess)
    assert "'s'" in str(refusal.value) and len(str(refusal.value)) < 150 and "\n" not in str(refusal.value)
    assert ledger.guess(Answer.id) == 3.0


def test_a_guess_that_was_kept_and_is_no_number_is_none(ledger):
    displayed(Answer(), guess=3.0)
    for text in ("NaN", "Infinity", "1e999", "[]", "9" * 5000, "[" * 100_000):
        (ledger.path / "guesses" / f"{Answer.id}.json").write_text(f'{{"guess": {text}}}')
        assert ledger.guess(Answer.id) is None
    assert "your guess" not in str([o.data for o in displayed(Answer())])


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit of a file's size")
def test_on_a_full_disk_the_result_is_shown_and_then_a_sentence(ledger):
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        *result, last = displayed(Answer(), guess=4.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert any("<svg" in o.data.get("text/html", "") for o in result)
    assert (
        "not on the report card" in last.data["text/markdown"]
        and "File too large" in last.data["text/markdown"]
    )
    assert [path for path in ledger.path.rglob("*") if path.is_file()] == []
