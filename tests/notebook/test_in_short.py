"""The box at the top of a chapter tells what this machine's last run found, and nothing else."""

import json
import sys

import pytest

from lessons import topology
from lessons.errors import LessonError
from lessons.experiments import text
from lessons.notebook import in_short
from lessons.results import Entry, Ledger
from lessons.units import Quantity

SAID = """
## in short
### waste
Paging wastes {waste}.

### waste preempts
It preempted {times} times.

### sharing
Sharing gains {gain}.

### gpu
On a GPU the same holds.
"""
HERE = topology.read().fingerprint()


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    (tmp_path / "slug").mkdir()
    (tmp_path / "slug" / "text.md").write_text(SAID)
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "text.md").write_text("## waste\n### text\nx\n")

    monkeypatch.setattr(sys.modules["lessons.notebook.in_short"], "FOLDER", tmp_path)
    return Ledger(tmp_path / "ledger")


def entry(facts, findings=(), machine=HERE, name="waste"):
    values = (Quantity(1.0, "s"), Quantity(2.0, "s"))
    return Entry(f"slug.{name}", "t", *values, machine=machine, facts=facts, findings=findings)


def lines(ledger):
    return in_short("slug", ledger).data.split("\n\n")[1:-1]


def test_what_was_found_is_told_in_the_order_of_the_text(ledger):
    ledger.write(entry({"gain": "3"}, name="sharing"))
    ledger.write(entry({"waste": "2 %", "times": "7"}, ("preempts",)))
    told = ["Paging wastes 2 %.", "It preempted 7 times.", "Sharing gains 3."]
    assert lines(ledger) == ["**In short**", *told, "On a GPU the same holds."]


def test_a_passage_of_what_was_not_found_is_left_out(ledger):
    ledger.write(entry({"waste": "2 %", "times": "7"}))
    assert lines(ledger) == ["**In short**", "Paging wastes 2 %.", "On a GPU the same holds."]


@pytest.mark.parametrize(
    "kept", [None, "{", json.dumps({"version": 3}), entry({"waste": "2 %"}, machine="another"), entry({})]
)
def test_what_another_machine_or_an_older_text_left_is_not_told(ledger, kept):
    """The first run has nothing to tell, and never stops here: it replaces what it cannot read."""
    if isinstance(kept, Entry):
        ledger.write(kept)
    elif kept is not None:
        ledger.path.mkdir()
        (ledger.path / "slug.waste.json").write_text(kept)
    _, not_yet, gpu = lines(ledger)
    assert "Run it" in not_yet and gpu == "On a GPU the same holds."


def test_markdown_stands_between_blank_lines_in_a_box_of_its_own(ledger):
    first, *_, last = in_short("slug", ledger).data.split("\n\n")
    assert (first, last) == ('<div class="lessons-in-short">', "</div>")


def test_a_chapter_without_the_section_says_which(ledger):
    with pytest.raises(LessonError, match="has no answer"):
        in_short("bare", ledger)


def test_no_experiment_may_take_the_name_of_a_passage():
    assert "gpu" not in {name for path in text.FOLDER.glob("*/text.md") for name in text.sections(path)}
