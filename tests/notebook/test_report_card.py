"""The report card on ledgers that are typed in: its figure, its table, its CSV."""

import csv
import dataclasses
import io

import matplotlib
import pytest
from bs4 import BeautifulSoup

from lessons import topology
from lessons.experiments import text
from lessons.measure.verdict import BAND, WORDS
from lessons.notebook import report_card, report_table, scores
from lessons.notebook.contents import Chapter
from lessons.results import Entry, Ledger
from lessons.units import Quantity

matplotlib.use("agg")
SAID = """
## one
### title
t
### less-than-foreseen
It took {ratio} times. The *cache* [holds](x.ipynb) it {cite}`a2020`. A third sentence.

More.
### slow
Something is slow.

## two
### title
t
### reason slow
It was {word}.
### slow
Not this.
"""


def entry(id, predicted, measured, **others):
    return Entry(
        id, f"the {id}", Quantity(predicted, "s"), Quantity(measured, "s", measured, measured, 5), **others
    )


GOOD, SLOW, FAST = entry("b.good", 1.0, 1.1), entry("a.slow", 1.0, 3.0), entry("b.fast", 1.0, 0.2)
NOTHING = entry("b.nothing", 0.0, 1.0)


@pytest.fixture
def book(tmp_path, monkeypatch):
    """Two chapters, b before a, with texts of their own."""
    chapters = [Chapter("b", "Topic B & more", "", "Part"), Chapter("a", "Topic A", "", "Part")]
    monkeypatch.setattr(report_card, "chapters", lambda: chapters)
    monkeypatch.setattr(report_table, "FOLDER", tmp_path)
    for slug in ("a", "b"):
        (tmp_path / slug).mkdir()
        (tmp_path / slug / "text.md").write_text(SAID)
    text.sections.cache_clear()
    yield chapters
    text.sections.cache_clear()


def soup(*entries):
    return BeautifulSoup(report_table.results(list(entries)).data, "html.parser")


def test_the_entries_are_those_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("LESSONS_LEDGER", str(tmp_path))
    for e, machine in ((GOOD, topology.read().fingerprint()), (SLOW, "another; 64 cores")):
        Ledger().write(dataclasses.replace(e, machine=machine))
    assert [row[0] for row in report_card.card().rows] == ["b.good"]
    assert [row["experiment"] for row in rows(report_card.csv())] == ["b.good"]
    assert "**1** predictions" in scores.summary() and "experiments: 1." in report_card.ratios().alt


def test_entries_stand_by_chapter_in_reading_order(book):
    found = report_card.grouped([SLOW, GOOD, entry("machine.x", 1, 1), FAST])
    assert {title: [e.id for e in group] for title, group in found.items()} == {
        "Topic B & more": ["b.good", "b.fast"],
        "Topic A": ["a.slow"],
        "machine": ["machine.x"],
    }


# The figure


def drawn(*entries):
    (ax,) = report_card.draw(list(entries)).axes
    return ax


def test_the_figures_band_is_what_within_a_quarter_means(book):
    (band,) = (patch for patch in drawn(GOOD, SLOW).patches if patch.get_alpha())
    left, right = band.get_x(), band.get_x() + band.get_width()
    assert (left, right) == pytest.approx((1 / BAND, BAND))
    assert scores.within(left) and scores.within(right)
    assert not scores.within(left * 0.99) and not scores.within(right * 1.01)


def test_the_figure_has_a_point_for_each_ratio_and_a_name_for_each_point(book):
    ax = drawn(SLOW, GOOD, FAST)
    points = dict(zip(*reversed(ax.containers[0].lines[0].get_data())))
    names = {place: label.get_text() for place, label in zip(ax.get_yticks(), ax.get_yticklabels())}
    assert {names[place]: ratio for place, ratio in points.items()} == pytest.approx(
        {"slow": 3.0, "good": 1.1, "fast": 0.2}
    )
    titles = [(t.get_text(), t.xy[1]) for t in ax.texts]
    assert [title for title, _ in titles] == ["Topic B & more", "Topic A"]
    places = {name: place for place, name in names.items()}
    assert titles[0][1] > places["good"] > places["fast"] > titles[1][1] > places["slow"]


def test_nothing_lies_under_a_chapters_title(book):
    ax = drawn(SLOW, GOOD, FAST)
    rows = [patch for patch in ax.patches if not patch.get_alpha()]
    titles = sorted(text.xy[1] for text in ax.texts)
    assert sorted(row.get_y() + row.get_height() / 2 for row in rows) == titles
    above = max([line.get_zorder() for line in ax.lines] + [s.get_zorder() for s in ax.spines.values()])
    for row, title in zip(rows, ax.texts):
        assert above < row.get_zorder() < title.get_zorder()
        assert not any(row.get_y() < place < row.get_y() + row.get_height() for place in ax.get_yticks())


@pytest.mark.parametrize(
    ("kind", "beyond"), [("count", 0), ("estimate", 0), ("ratio", 0), ("at most", -1), ("at least", 1)]
)
def test_a_bound_points_to_the_side_that_it_allows(book, kind, beyond):
    ((points, *_),) = drawn(dataclasses.replace(GOOD, kind=kind, verdict="as-foreseen")).containers
    corners = points.get_markerfacecolor() and matplotlib.markers.MarkerStyle(points.get_marker())
    tip = corners.get_path().transformed(corners.get_transform()).vertices
    far = [x for x, y in tip if abs(y) < 1e-9]
    assert points.get_xdata().tolist() == [GOOD.ratio.value]
    assert (points.get_marker() == "o") == (beyond == 0)
    assert beyond == 0 or max(far, key=abs) * beyond > 0
    alt = report_card.ratios([dataclasses.replace(GOOD, kind=kind), SLOW]).alt
    assert ("triangles: 1." in alt) == (beyond != 0)


@pytest.mark.filterwarnings("error")
def test_the_figure_counts_what_it_draws_and_what_it_cannot(book):
    crossing = dataclasses.replace(entry("a.crossing", 1.0, 0.5), predicted=Quantity(0.1, "s", -0.1, 0.3))
    textbook = dataclasses.replace(GOOD, textbook=Quantity(2.0, "s"))
    alt = report_card.ratios([textbook, crossing, NOTHING, entry("a.below", -1.0, 2.0)]).alt
    for said in ("experiments: 2.", "between 0.8 and 1.25: 1.", "textbook beside the prediction: 1."):
        assert said in alt
    assert "Without a ratio to draw: 2." in alt
    assert report_card.ratios([NOTHING]).rows and report_card.ratios([]).rows == ()


# The table of the command line


def test_the_table_has_columns_for_textbook_and_guess_only_where_there_are_any():
    full = dataclasses.replace(GOOD, textbook=Quantity(2.0, "s"), guess=2.5)
    assert "your guess" not in report_card.card([GOOD]).columns
    assert "by the textbook" not in report_card.card([GOOD]).columns
    table = report_card.card([full, FAST])
    assert [row[2] for row in table.rows] == ["2.00 s", ""] and table.columns[2] == "by the textbook"
    assert [row[-1] for row in table.rows] == ["2.50 s", ""] and table.columns[-1] == "your guess"
    assert [row[5] for row in report_card.card([GOOD, SLOW]).rows] == [
        scores.words(GOOD),
        scores.words(SLOW),
    ]


def test_what_has_no_ratio_says_so():
    crossing = dataclasses.replace(entry("a.x", 1.0, 0.5), predicted=Quantity(0.1, "s", -0.1, 0.3))
    found = [row[4] for row in report_card.card([NOTHING, crossing, entry("a.y", -1.0, 2.0)]).rows]
    assert found == ["undefined", "5.00 (unbounded)", "-2.00"]


# The CSV


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_the_csv_gives_back_every_number(book):
    odd = dataclasses.replace(FAST, title='a "title", with\nall', guess=2.5, textbook=Quantity(1 / 3, "s"))
    wide = dataclasses.replace(SLOW, measured=Quantity(3.0, "s", 0.1, 7.0, 5))
    first, second = rows(report_card.csv([odd, wide]))
    assert first["title"] == odd.title and float(first["textbook"]) == 1 / 3 and float(first["guess"]) == 2.5
    for row, e in ((first, odd), (second, wide)):
        for name, quantity in (("predicted", e.predicted), ("measured", e.measured), ("ratio", e.ratio)):
            found = [float(row[f"{name}{end}"]) for end in ("", "_low", "_high")]
            assert found == [quantity.value, quantity.low, quantity.high]
    assert second["guess"] == second["textbook"] == ""
    assert rows(report_card.csv([])) == [] and report_card.csv([]).startswith("experiment,")


# The table of the page


def test_each_row_leads_to_its_result_card_and_each_chapter_to_its_page(book, monkeypatch):
    monkeypatch.setenv("LESSONS_SITE", "1")
    page = soup(SLOW, GOOD)
    assert [a["href"] for a in page.find_all("a")] == [
        "b.html", "b.html#result-b-good", "a.html", "a.html#result-a-slow",
    ]  # fmt: skip
    monkeypatch.delenv("LESSONS_SITE")
    assert [a["href"] for a in soup(GOOD).find_all("a")] == ["b.ipynb", "b.ipynb#result-b-good"]


def test_a_row_has_what_a_script_sorts_and_filters_by_and_nothing_is_hidden(book):
    page = soup(SLOW, GOOD, FAST, NOTHING)
    found = {
        row.a.text: (row["data-miss"], row["data-outcome"]) for row in page.select(".lessons-result-row")
    }
    assert found == {
        "the b.good": ("1.1", scores.HELD),
        "the b.fast": ("5", scores.MISSED),
        "the b.nothing": ("inf", scores.outcome(NOTHING)),
        "the a.slow": ("3", scores.MISSED),
    }
    hidden = page.find_all(hidden=True)
    assert [tag["class"] for tag in hidden] == [["lessons-report-controls"]]


def test_each_cell_says_on_a_phone_what_it_is(book):
    page = soup(GOOD)
    heads = [th.text for th in page.thead.find_all("th")]
    assert [td["data-label"] for td in page.select(".lessons-result-row td")] == heads[1:]


def test_a_ratio_shows_the_two_values_that_it_divides(book):
    ends = {
        "with": (Quantity(2.0, "s"), Quantity(5.0, "s")),
        "without": (Quantity(4.0, "s"), Quantity(1.0, "s")),
    }
    lines = [p.text for p in soup(dataclasses.replace(GOOD, kind="ratio", ends=ends)).select(".lessons-end")]
    assert [line.split(":")[0] for line in lines] == ["with", "without"]
    for line, numbers in zip(lines, (("2.00 s", "5.00 s", "2.50"), ("4.00 s", "1.00 s", "0.250"))):
        assert all(number in line for number in numbers)


def test_a_value_that_a_ratio_divides_shows_the_interval_that_judges_it(book):
    ends = {"with": (Quantity(2.0, "s"), Quantity(2.6, "s", 2.4, 2.8, 9))}
    (line,) = soup(dataclasses.replace(GOOD, kind="ratio", ends=ends)).select(".lessons-end")
    assert "1.30 (1.20 to 1.40)" in line.text


def test_the_place_of_a_guess_is_for_the_pages_script_and_holds_the_notebooks(book):
    bare, guessed = (
        soup(e).select_one("span[data-guess-for]") for e in (GOOD, dataclasses.replace(GOOD, guess=0.5))
    )
    assert (bare["data-guess-for"], bare["data-unit"], float(bare["data-measured"])) == ("b.good", "s", 1.1)
    assert bare.text == "" and guessed.text == "500 ms"


def test_what_was_simulated_is_called_that(book):
    assert "simulated" not in soup(GOOD).text
    assert "simulated" in soup(dataclasses.replace(GOOD, facts={"found": "simulated"})).text


def test_words_of_an_entry_are_no_markup(book):
    title = '<b id="planted">&'
    page = soup(dataclasses.replace(GOOD, title=title, machine=title))
    assert page.find(id="planted") is None and page.select_one(".lessons-result-row a").text == title


def test_an_empty_ledger_is_a_sentence():
    assert scores.EMPTY in report_table.results([]).data


# The reason for a miss


def missed(id, *findings, verdict="less-than-foreseen", **facts):
    return dataclasses.replace(
        entry(id, 1.0, 0.3), verdict=verdict, findings=(*findings, verdict), facts=facts
    )


def test_the_reason_is_the_chapters_own_word_on_the_verdict_as_plain_text(book):
    why = report_table.reason(missed("b.one", "slow", ratio="0.3"))
    assert why == "It took 0.3 times. The cache holds it."


def test_a_passage_for_the_reason_comes_first(book):
    assert report_table.reason(missed("b.two", "slow", word="late")) == "It was late."


def test_without_a_word_on_the_verdict_the_first_finding_gives_the_reason(book):
    found = missed("b.one", "unknown", "slow", verdict="more-than-foreseen")
    assert report_table.reason(found) == "Something is slow."


@pytest.mark.parametrize(
    "silent",
    [
        missed("b.one", "slow", verdict="as-foreseen", ratio="1"),  # it held
        missed("b.one", "slow", verdict="cant-tell", ratio="1"),
        missed("b.one", "slow"),  # the entry is of an older text
        missed("b.gone", "slow"),
        missed("gone.one", "slow"),
    ],
    ids=["held", "cant-tell", "older", "no-experiment", "no-chapter"],
)
def test_where_there_is_no_reason_to_tell_none_is_told(book, silent):
    assert report_table.reason(silent) == ""


def test_every_verdict_has_words_in_the_table(book):
    for verdict in WORDS:
        assert (
            scores.words(dataclasses.replace(GOOD, verdict=verdict))
            in soup(dataclasses.replace(GOOD, verdict=verdict)).text
        )


def test_the_results_can_be_downloaded_on_the_site_and_are_named_in_a_notebook(monkeypatch):
    monkeypatch.setenv("LESSONS_SITE", "1")
    assert BeautifulSoup(report_table.download().data, "html.parser").a["href"].endswith("/report_card.csv")
    monkeypatch.delenv("LESSONS_SITE")
    assert "csv()" in report_table.download().data and "<a" not in report_table.download().data
