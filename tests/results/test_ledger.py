"""The ledger keeps one file an experiment, so that writers never meet, and the reader's guesses beside them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from lessons.errors import LessonError
from lessons.results import Entry, Ledger
from lessons.units import Quantity


def entry(id_: str, measured: float = 2.0, guess: float | None = None, machine: str = "a machine") -> Entry:
    return Entry(id_, "a title", Quantity(1.0, "s"), Quantity(measured, "s", 1.5, 3.0, 9), guess, machine)


def names(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_no_folder_is_an_empty_ledger(tmp_path):
    assert Ledger(tmp_path / "none").entries() == []
    assert Ledger(tmp_path / "none").guess("a.x") is None


def test_round_trip_and_order(tmp_path):
    ledger = Ledger(tmp_path / "below" / "ledger")
    entries = [entry("b.one"), entry("a.two", guess=0.5), entry("c.three")]
    for e in entries:
        ledger.write(e)
    assert Ledger(ledger.path).entries() == entries
    assert names(ledger.path) == ["a.two.json", "b.one.json", "c.three.json", "guesses/a.two.json"]


def test_the_same_id_is_replaced_in_its_place(tmp_path):
    ledger = Ledger(tmp_path)
    for id_ in ("a.x", "b.y", "c.z"):
        ledger.write(entry(id_))
    ledger.write(entry("b.y", measured=2.5))
    assert [e.id for e in ledger.entries()] == ["a.x", "b.y", "c.z"]
    assert ledger.entries()[1].measured.value == 2.5


def test_a_guess_outlives_a_run_without_one_and_a_new_one_replaces_it(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.write(entry("a.x", guess=4.0))
    ledger.write(entry("a.x", measured=2.5))
    assert [(e.measured.value, e.guess) for e in ledger.entries()] == [(2.5, 4.0)]
    ledger.write(entry("a.x", guess=0.0))
    assert ledger.guess("a.x") == 0.0


def test_clearing_drops_the_entries_and_keeps_the_guesses(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.write(entry("a.x", guess=4.0))
    ledger.write(entry("b.y"))
    ledger.clear()
    assert ledger.entries() == [] and names(tmp_path) == ["guesses/a.x.json"]
    ledger.write(entry("a.x"))
    assert ledger.entries()[0].guess == 4.0


def test_entries_of_another_machine_are_left_out(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.write(entry("a.x", machine="this"))
    ledger.write(entry("b.y", machine="that"))
    assert [e.id for e in ledger.entries("this")] == ["a.x"]
    assert [e.id for e in ledger.entries()] == ["a.x", "b.y"]


def test_facts_findings_and_both_ends_come_back(tmp_path):
    ends = {"with a cache": (Quantity(1.0, "s"), Quantity(2.0, "s", 1.5, 3.0, 9))}
    full = replace(entry("a.x"), facts={"gain": "2 × as {fast}"}, findings=("faster", "cant-tell"), ends=ends)
    Ledger(tmp_path).write(full)
    assert Ledger(tmp_path).entries() == [full] and Ledger(tmp_path).entry("a.x") == full
    assert (full.slug, full.ends["with a cache"][1].n) == ("a", 9)


def test_one_entry_is_found_by_its_id_and_its_machine_and_has_its_guess(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.write(entry("a.x", guess=4.0, machine="this"))
    (tmp_path / "b.y.json").write_text("{")
    assert ledger.entry("a.x") == ledger.entry("a.x", "this") == entry("a.x", guess=4.0, machine="this")
    assert ledger.entry("a.x", "that") is None and ledger.entry("a.z") is None
    with pytest.raises(LessonError, match="not a ledger entry"):
        ledger.entry("b.y")


@pytest.mark.parametrize(
    "change",
    [
        {"version": 3},
        {"facts": 1},
        {"facts": {"gain": 2}},
        {"findings": [1]},
        {"findings": None},
        {"ends": []},
        {"ends": {"x": [1, 2]}},
        {"ends": {"x": [{"value": 1, "unit": "s", "low": 1, "high": 1, "n": 0}]}},
    ],
    ids=str,
)
def test_an_entry_with_a_field_of_another_kind_is_damaged(tmp_path, change):
    Ledger(tmp_path).write(entry("a.x"))
    path = tmp_path / "a.x.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(LessonError, match=r"a\.x\.json is not a ledger entry.*delete it"):
        Ledger(tmp_path).entries()


@pytest.mark.parametrize("field", ["facts", "findings", "ends"])
def test_an_entry_without_a_field_is_damaged(tmp_path, field):
    Ledger(tmp_path).write(entry("a.x"))
    path = tmp_path / "a.x.json"
    record = json.loads(path.read_text())
    del record[field]
    path.write_text(json.dumps(record))
    with pytest.raises(LessonError, match="not a ledger entry"):
        Ledger(tmp_path).entries()


WRITER = """
import sys
from lessons.results import Entry, Ledger
from lessons.units import Quantity

writer, ledger = int(sys.argv[1]), Ledger(sys.argv[2])
for i in range(50):
    guess = float(i) if i % 10 == 0 else None
    ledger.write(Entry(f"writer{writer}.e{i}", "t", Quantity(1.0, "s"), Quantity(2.0, "s"), guess))
    ledger.write(Entry("all.same", "t", Quantity(1.0, "s"), Quantity(float(writer), "s")))
    ledger.entries()
"""


def test_four_processes_lose_nothing(tmp_path):
    Ledger(tmp_path).write(entry("all.same", guess=7.0))
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(number), str(tmp_path)]) for number in range(4)
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0, 0]
    found = {e.id: e for e in Ledger(tmp_path).entries()}
    assert found.keys() == {"all.same"} | {f"writer{w}.e{i}" for w in range(4) for i in range(50)}
    assert found["all.same"].guess == 7.0 and found["all.same"].measured.value in range(4)
    guessed = {id_: e.guess for id_, e in found.items() if e.guess is not None and id_ != "all.same"}
    assert guessed == {f"writer{w}.e{i}": i for w in range(4) for i in range(0, 50, 10)}
    assert not [name for name in names(tmp_path) if not name.endswith(".json")]


def test_ratio_is_measured_over_predicted_with_its_interval():
    ratio = entry("a.x").ratio
    assert (ratio.value, ratio.low, ratio.high) == (2.0, 1.5, 3.0)


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"version": 0}', '{"version": 2, "id": "a.x"}'])
def test_a_damaged_entry_is_named_with_the_remedy_and_the_next_run_mends_it(tmp_path, damage):
    ledger = Ledger(tmp_path)
    ledger.write(entry("b.y"))
    (tmp_path / "a.x.json").write_text(damage)
    with pytest.raises(LessonError, match=r"a\.x\.json is not a ledger entry.*delete it"):
        ledger.entries()
    assert (tmp_path / "a.x.json").read_text() == damage
    ledger.write(entry("a.x"))
    assert [e.id for e in ledger.entries()] == ["b.y", "a.x"]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"guess": null}', '{"guess": "many"}'])
def test_a_damaged_guess_is_no_guess(tmp_path, damage):
    Ledger(tmp_path).write(entry("a.x", guess=4.0))
    (tmp_path / "guesses" / "a.x.json").write_text(damage)
    assert Ledger(tmp_path).entries()[0].guess is None


@pytest.mark.parametrize("id_", ["", "../up", "a/b", ".hidden", "two words"])
def test_an_id_that_is_no_file_name_is_refused(tmp_path, id_):
    with pytest.raises(LessonError, match="can't name an experiment"):
        Ledger(tmp_path).write(entry(id_))
    assert names(tmp_path) == []


def test_a_file_is_no_ledger_and_stays(tmp_path):
    path = tmp_path / "ledger.json"
    path.write_text("mine")
    with pytest.raises(LessonError, match=r"ledger\.json is a file, and a ledger is a folder"):
        Ledger(path).entries()
    with pytest.raises(LessonError, match=r"ledger\.json cannot be written"):
        Ledger(path).write(entry("a.x", guess=1.0))
    assert path.read_text() == "mine"


def test_a_write_that_fails_is_a_sentence_and_leaves_the_old_entry(tmp_path, monkeypatch):
    ledger = Ledger(tmp_path)
    ledger.write(entry("a.x"))

    def full_disk(handle):
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(LessonError, match=r"cannot be written \(no space left\)"):
        ledger.write(entry("a.x", measured=2.5))
    assert [e.measured.value for e in ledger.entries()] == [2.0]
    assert names(tmp_path) == ["a.x.json"]
