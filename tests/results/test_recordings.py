"""Recordings come back as they were saved, tell when they are stale, and name no host or user."""

from __future__ import annotations

import dataclasses
import getpass
import json
import socket
from importlib import import_module

import pytest

from lessons.errors import LessonError
from lessons.results import Recording, chapter_digest, find_recording, recordings, save_recording

OUTCOME = {"quantity": {"value": 1.0, "unit": "s", "low": 0.9, "high": 1.1, "n": 5}, "data": {}}


def make(**changes) -> Recording:
    base = Recording(
        machine="h100-sxm",
        slug="roofline",
        date="2026-11-01",
        command="lessons record --device cuda",
        context={"device": "a card"},
        digest="0" * 64,
        experiments={"roofline.gpu": {"prediction": OUTCOME, "result": OUTCOME}},
    )
    return dataclasses.replace(base, **changes)


def test_round_trip(tmp_path):
    recording = make()
    path = save_recording(recording, tmp_path)
    assert path == tmp_path / "h100-sxm" / "roofline.json"
    assert recordings("roofline", tmp_path) == [recording]
    assert find_recording("roofline.gpu", tmp_path) == recording


def test_the_newest_one_that_holds_the_experiment_is_found(tmp_path):
    for machine, date in (("old", "2025-01-01"), ("new", "2026-06-01"), ("middle", "2026-01-01")):
        save_recording(make(machine=machine, date=date), tmp_path)
    save_recording(make(machine="newest", date="2026-12-01", experiments={}), tmp_path)
    assert find_recording("roofline.gpu", tmp_path).machine == "new"
    assert [r.machine for r in recordings(folder=tmp_path)] == ["newest", "new", "middle", "old"]


def test_nothing_recorded_is_none(tmp_path):
    assert find_recording("roofline.gpu", tmp_path) is None


def test_stale_by_the_digest_of_the_code():
    fresh = make(digest=chapter_digest("roofline"))
    assert not fresh.is_stale() and "changed" not in fresh.badge
    assert make().is_stale()
    assert make().badge == (
        "recorded on a card, 2026-11-01, `lessons record --device cuda`; the code has changed since"
    )


def test_what_was_rehearsed_is_not_taken_for_a_result(tmp_path):
    save_recording(make(machine="played", date="2027-01-01", rehearsed=True), tmp_path)
    assert recordings(folder=tmp_path) == [] and find_recording("roofline.gpu", tmp_path) is None
    save_recording(make(machine="measured"), tmp_path)
    assert find_recording("roofline.gpu", tmp_path).machine == "measured"
    played = find_recording("roofline.gpu", tmp_path, rehearsed=True)
    assert played.machine == "played" and "measures nothing" in played.badge
    assert "measures nothing" not in make().badge


def test_a_recording_from_before_there_were_rehearsals_is_a_real_one(tmp_path):
    path = save_recording(make(), tmp_path)
    record = json.loads(path.read_text())
    del record["rehearsed"]
    path.write_text(json.dumps(record))
    assert recordings(folder=tmp_path) == [make()]


@pytest.mark.parametrize("slug", ["", "../up", "a/b", "Roofline", "two words"])
def test_a_slug_that_is_no_file_is_refused(tmp_path, slug):
    with pytest.raises(LessonError, match="can't be a chapter's slug"):
        save_recording(make(slug=slug), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["", "H100", "a/b", "../up", "-x", "two words"])
def test_a_name_that_is_no_folder_is_refused(tmp_path, name):
    with pytest.raises(LessonError, match="can't name a machine"):
        save_recording(make(machine=name), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["", "{", "[]", "3", '{"version": 99}', '{"version": 1, "slug": "x"}'])
def test_a_damaged_file_is_named_with_the_remedy(tmp_path, damage):
    path = save_recording(make(), tmp_path)
    path.write_text(damage)
    with pytest.raises(LessonError, match=r"roofline\.json is not a recording.*lessons record"):
        recordings("roofline", tmp_path)


def faults(recording):
    """Return what keeps a recording from standing in the book, a sentence each."""
    module = f"lessons.experiments.{recording.slug}"
    known = {e.id for e in import_module(module).EXPERIMENTS}
    again = f"run `lessons record {recording.slug}` on {recording.machine} again, or delete it"
    if recording.is_stale():
        yield f"the code behind it has changed: {again}"
    if recording.rehearsed:
        yield "it was rehearsed and not measured: delete it"
    for gone in sorted(set(recording.experiments) - known):
        yield f"there is no experiment {gone}: {again}"
    for lacking in sorted({"device", "versions"} - set(recording.context)):
        yield f"it does not say its {lacking}: {again}"
    text = json.dumps(recording.__dict__)
    for secret in (socket.gethostname(), getpass.getuser()):
        if secret != "root" and secret in text:
            yield f"it names this host or user: {secret}"


@pytest.mark.parametrize("recording", recordings(rehearsed=True), ids=lambda r: f"{r.machine}/{r.slug}")
def test_a_recording_in_the_book_is_whole_and_of_this_code(recording):
    assert list(faults(recording)) == []


def test_planted_faults_are_found(monkeypatch):
    fresh = make(
        digest=chapter_digest("roofline"),
        context={"device": "a card", "versions": {}},
        experiments={e.id: {} for e in import_module("lessons.experiments.roofline").EXPERIMENTS},
    )
    assert list(faults(fresh)) == []
    monkeypatch.setattr(socket, "gethostname", lambda: "this-very-host")
    changes = {
        "code behind it has changed": {"digest": "0" * 64},
        "no experiment roofline.gone": {"experiments": {"roofline.gone": {}}},
        "does not say its versions": {"context": {"device": "a card"}},
        "rehearsed and not measured": {"rehearsed": True},
        "names this host": {"command": "lessons record on this-very-host"},
    }
    for words, change in changes.items():
        (found,) = faults(dataclasses.replace(fresh, **change))
        assert words in found
