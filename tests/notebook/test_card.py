"""The result card says in HTML and in text what the numbers are, whatever they are."""

import dataclasses
import math

import pytest
from bs4 import BeautifulSoup
from cards import Made, card

from lessons.measure.verdict import WORDS
from lessons.notebook.card import KINDS
from lessons.notebook.code import measured_code
from lessons.units import format_value

every_kind = pytest.mark.parametrize("kind", KINDS)


def soup(shown):
    return BeautifulSoup(shown._repr_html_(), "html.parser")


def words(element):
    return " ".join(element.get_text(" ").split())


@every_kind
def test_both_forms_hold_the_question_the_kind_the_sum_the_numbers_and_the_verdict(kind):
    shown = card(measured=3.1e-3, low=3.0e-3, high=3.2e-3, kind=kind, textbook=1e-3, guess=9e-3)
    for text in (words(soup(shown)), " ".join(str(shown).split())):
        assert shown.experiment.question in text and KINDS[kind][3:] in text and WORDS[shown.verdict] in text
        for part in (
            "b / r",
            "60.00 MB / 20.00 GB/s",
            "bytes of the weights",
            "counted",
            "cpu.bandwidth.read.dram.1",
        ):
            assert part in text
        for value in ("9.00 ms", "1.00 ms", "3.00 ms", "3.10 ms", "3.00 to 3.20 ms", "1.03"):
            assert value.removesuffix(" ms") in text
        for name in ("your guess", "by the textbook", "predicted", "measured", "measured / predicted"):
            assert name in text
        assert ("one" in text and "other" in text) == (kind == "ratio")


@pytest.mark.parametrize(
    ("options", "word"),
    [({}, "measured"), ({"simulated": True}, "simulated"), ({"badge": "on A Card"}, "recorded")],
)
def test_a_result_is_called_what_it_is(options, word):
    shown = card(**options)
    others = {"measured", "simulated", "recorded"} - {word}
    outcome = words(soup(shown).select_one(".lessons-outcome"))
    assert f"{word} / predicted" in outcome and not any(other in outcome for other in others)
    assert f"{word} / predicted" in str(shown) and not any(other in str(shown) for other in others)
    assert options.get("badge", "") in words(soup(shown))


def test_a_ratio_shows_both_of_its_ends_and_errors_that_cancel_are_called_that():
    shown = card(predicted=2.0, measured=2.1, kind="ratio", unit="1", upper=1.6)
    assert WORDS["errors-cancel"] in words(soup(shown).select_one(".lessons-verdict"))
    rows = [words(row) for row in soup(shown).select(".lessons-table tbody tr")]
    assert rows == ["one 2.00 s 3.20 s 1.60", "other 1.00 s 1.52 s 1.52"]


ODD = [0.0, -3e-3, math.inf, -math.inf, math.nan]


@every_kind
@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("which", ["predicted", "measured"])
def test_an_odd_number_takes_the_ruler_away_and_nothing_else(odd, which, kind):
    shown = card(**{which: odd}, kind="estimate" if kind == "ratio" else kind)
    assert not soup(shown).select("svg")
    assert WORDS[shown.verdict] in words(soup(shown)) and WORDS[shown.verdict] in str(shown)
    assert "3.00 ms" in str(shown) or "4.00 ms" in str(shown)


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("which", ["textbook", "guess"])
def test_an_odd_guess_or_textbook_is_a_number_and_no_mark(odd, which):
    marks = {tuple(mark["class"])[1] for mark in soup(card(**{which: odd})).select(".lessons-mark")}
    assert marks == {"lessons-mark-predicted", "lessons-mark-measured"}


def test_an_interval_without_ends_is_drawn_as_far_as_the_ruler_goes():
    drawing = soup(card(low=-math.inf, high=math.inf)).select_one("svg")
    assert "nan" not in str(drawing) and "inf" not in str(drawing)


def test_the_ground_tells_what_counts():
    grounds = {kind: soup(card(kind=kind)).select_one("svg") for kind in KINDS}
    assert {kind for kind, svg in grounds.items() if svg.select("pattern")} == {"at most", "at least"}
    assert {kind for kind, svg in grounds.items() if svg.select(".lessons-band")} == KINDS.keys() - {"count"}
    sides = {}
    for kind in ("at most", "at least"):
        band = grounds[kind].select_one(".lessons-band")
        line = float(
            grounds[kind].select_one(".lessons-mark-predicted")["transform"].split("(")[1].split()[0]
        )
        sides[kind] = float(band["x"]) - line
    assert sides["at most"] == pytest.approx(0, abs=0.2) and sides["at least"] < -10


def test_each_mark_has_its_own_shape_and_its_own_line():
    shown = [card(textbook=1e-3, guess=9e-3), card(badge="on A Card"), card(simulated=True)]
    marks = {
        mark["class"][1]: mark for one in shown for mark in soup(one).select(".lessons-wide .lessons-mark")
    }
    shapes = [
        str([s.name, s.get("d")]) for mark in marks.values() for s in mark.find_all(recursive=False)[1:-1]
    ]
    lines = {name: mark.path.get("stroke-dasharray") for name, mark in marks.items()}
    assert len(marks) == 6 and len(set(shapes)) == len(shapes) == 5  # the prediction is the line alone
    assert len(set(lines.values())) == 6 and lines["lessons-mark-measured"] is None


def test_only_an_asking_card_asks_and_without_script_it_hides_nothing():
    assert "data-asks" not in soup(card()).section.attrs
    shown = soup(card(asks=True))
    assert shown.section.has_attr("data-asks")
    assert [element["class"] for element in shown.select("[hidden]")] == [["lessons-your-guess"]]
    assert [svg["class"][1] for svg in shown.select("[style*='display:none']")] == ["lessons-narrow"]
    assert shown.section["data-predicted"] == "0.003" and shown.section["data-measured"] == "0.004"
    assert shown.section["data-verdict"] == "more-than-foreseen" and shown.section["data-unit"] == "s"


def test_ids_on_a_page_of_cards_are_unique():
    one, other = (card(kind="at most") for _ in range(2))
    other.experiment.id = "kv_cache.another"
    ids = [tag["id"] for shown in (one, other) for tag in soup(shown).select("[id]")]
    assert len(ids) == len(set(ids)) and "result-kv_cache-made_up" in ids


def test_the_code_keeps_its_words_and_leaves_the_drawing_out():
    source = measured_code(Made())
    assert "A made-up experiment." in source and "Measure nothing." in source
    assert "def run" in source and "def draw" not in source
    fold = soup(card()).select_one("details.lessons-code")
    assert fold.summary.text == "The measured code" and "def run" in fold.select_one(".highlight pre").text
    assert fold.select("span.k, span.nf")


def test_the_code_of_what_inherits_its_run_holds_both_classes():
    class Kept(Made):
        unit = "B"

    assert measured_code(Kept()).index("class Made") < measured_code(Kept()).index("class Kept")


def test_a_class_without_a_file_has_no_fold():
    shell = type("Shell", (Made,), {"__module__": "nowhere"})
    assert measured_code(shell()) == ""
    assert not soup(dataclasses.replace(card(), experiment=shell())).select("details")


def test_a_recording_older_than_sums_has_none():
    shown = dataclasses.replace(card(), prediction=dataclasses.replace(card().prediction, by=None))
    assert not soup(shown).select(".lessons-sum") and format_value(3e-3, "s") in words(soup(shown))
