"""The passport and the ledger are found from any folder of the project, and strangers' files are passed by."""

import json
import os

import pytest

from lessons.errors import LessonError
from lessons.passport import pages
from lessons.places import is_passport, ledger_path, passport_path

OURS = json.dumps({"fingerprint": "x; 2 cores", "machine": {}, "probes": {}})
BEFORE = json.dumps({"version": 1, "fingerprint": "x; 2 cores", "machine": {}, "peaks": {}})


@pytest.fixture
def inner(tmp_path, monkeypatch):
    """The folder that the reader is in, two below ``tmp_path``."""
    for name in ("LESSONS_MACHINE", "LESSONS_LEDGER"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "book" / "deep"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


def test_without_a_passport_both_are_here(inner):
    assert passport_path() == inner / "machine.json"
    assert ledger_path() == inner / "_build" / "ledger"


@pytest.mark.parametrize("text", [OURS, BEFORE])
def test_a_passport_above_is_found_and_the_ledger_lies_beside_it(inner, tmp_path, text):
    (tmp_path / "machine.json").write_text(text)
    assert passport_path() == tmp_path / "machine.json"
    assert ledger_path() == tmp_path / "_build" / "ledger"


@pytest.mark.parametrize(
    "text",
    [
        '{"my": "settings"}',
        "",
        "nonsense",
        "[]",
        OURS.replace('"x; 2 cores"', "7"),
        OURS.replace("probes", "peaks"),
    ],
)
def test_a_strangers_file_is_passed_by(inner, tmp_path, text):
    (tmp_path / "machine.json").write_text(OURS)
    for folder in (inner, tmp_path / "book"):
        (folder / "machine.json").write_text(text)
    assert not is_passport(inner / "machine.json")
    assert passport_path() == tmp_path / "machine.json"
    assert ledger_path() == tmp_path / "_build" / "ledger"


def test_a_strangers_file_above_is_not_ours_to_write(inner, tmp_path):
    (tmp_path / "machine.json").write_text("{}")
    assert passport_path() == inner / "machine.json"


def test_the_environment_names_other_files(inner, tmp_path, monkeypatch):
    monkeypatch.setenv("LESSONS_MACHINE", str(tmp_path / "m.json"))
    monkeypatch.setenv("LESSONS_LEDGER", str(tmp_path / "l"))
    assert (passport_path(), ledger_path()) == (tmp_path / "m.json", tmp_path / "l")


def test_an_empty_variable_names_nothing_and_a_folder_is_refused(inner, tmp_path, monkeypatch):
    monkeypatch.setenv("LESSONS_MACHINE", "")
    monkeypatch.setenv("LESSONS_LEDGER", "")
    assert passport_path() == inner / "machine.json" and ledger_path() == inner / "_build" / "ledger"
    monkeypatch.setenv("LESSONS_MACHINE", str(tmp_path))
    with pytest.raises(LessonError, match=r"\$LESSONS_MACHINE is the folder"):
        passport_path()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_what_may_have_no_end_is_not_read(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setenv("LESSONS_MACHINE", str(tmp_path / "pipe"))
    with pytest.raises(LessonError, match=r"\$LESSONS_MACHINE is .*pipe, which is no file"):
        passport_path()
    with pytest.raises(LessonError, match="it is no file"):
        pages.read(tmp_path / "pipe")
