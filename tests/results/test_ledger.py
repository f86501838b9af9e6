"""The ledger keeps one line an experiment, in the order of first writing, in a file that is never half-written."""

from __future__ import annotations

import os

import pytest

from lessons.errors import LessonError
from lessons.results import Entry, Ledger
from lessons.units import Quantity


def entry(id_: str, measured: float = 2.0, guess: float | None = None) -> Entry:
    return Entry(id_, "a title", Quantity(1.0, "s"), Quantity(measured, "s", 1.5, 3.0, 9), guess, "a machine")


def test_no_file_is_an_empty_ledger(tmp_path):
    assert Ledger(tmp_path / "none.json").entries() == []


def test_round_trip_and_order(tmp_path):
    ledger = Ledger(tmp_path / "below" / "ledger.json")
    entries = [entry("b.one"), entry("a.two", guess=0.5), entry("c.three")]
    for e in entries:
        ledger.write(e)
    assert Ledger(ledger.path).entries() == entries


def test_the_same_id_is_replaced_in_its_place(tmp_path):
    ledger = Ledger(tmp_path / "ledger.json")
    for id_ in ("a.x", "b.y", "c.z"):
        ledger.write(entry(id_))
    ledger.write(entry("b.y", measured=2.5))
    assert [e.id for e in ledger.entries()] == ["a.x", "b.y", "c.z"]
    assert ledger.entries()[1].measured.value == 2.5


def test_ratio_is_measured_over_predicted_with_its_interval():
    ratio = entry("a.x").ratio
    assert (ratio.value, ratio.low, ratio.high) == (2.0, 1.5, 3.0)


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"version": 0, "entries": []}', '{"version": 1, "entries": [{"id": "a"}]}']
)
def test_a_damaged_file_is_named_with_the_remedy_and_kept(tmp_path, damage):
    path = tmp_path / "ledger.json"
    path.write_text(damage)
    with pytest.raises(LessonError, match=r"ledger\.json is not a ledger.*delete it"):
        Ledger(path).write(entry("a.x"))
    assert path.read_text() == damage


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    ledger = Ledger(tmp_path / "ledger.json")
    ledger.write(entry("a.x"))

    def full_disk(handle):
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="no space"):
        ledger.write(entry("b.y"))
    assert [e.id for e in ledger.entries()] == ["a.x"]
    assert [p.name for p in tmp_path.iterdir()] == ["ledger.json"]
