"""An archive brings recordings home whole, tells nobody's name, and writes nothing but recordings."""

from __future__ import annotations

import dataclasses
import io
import json
import tarfile

import pytest

from lessons.errors import LessonError
from lessons.results import Recording, pack, recordings, save_recording, unpack

RECORDING = Recording(
    "a-card", "roofline", "2026-11-01", "lessons record", {"device": "a card"}, "0" * 64, {}
)


@pytest.fixture
def day(tmp_path):
    """The folder of a day with one recording, and the archive's path."""
    save_recording(RECORDING, tmp_path / "day" / "recorded")
    (tmp_path / "day" / "log.txt").write_text("all went well\n")
    return tmp_path / "day", tmp_path / "day.tar.gz"


def names(archive):
    with tarfile.open(archive) as tar:
        return tar.getnames()


def test_what_was_packed_is_unpacked(day, tmp_path):
    folder, archive = day
    assert pack(folder, archive) == []
    assert sorted(names(archive)) == ["day/log.txt", "day/recorded/a-card/roofline.json"]
    home = tmp_path / "home"
    assert unpack(archive, home) == [home / "a-card" / "roofline.json"]
    assert recordings(folder=home) == [RECORDING]
    assert [path.name for path in home.rglob("*") if path.is_file()] == ["roofline.json"]


def test_a_file_that_is_too_large_stays_behind_and_is_named(day):
    folder, archive = day
    (folder / "a huge log").write_bytes(bytes(5000))
    assert pack(folder, archive, limit=5000) == ["a huge log"]
    assert "day/recorded/a-card/roofline.json" in names(archive)
    assert pack(folder, archive) == [] and "day/a huge log" in names(archive)


def test_no_owner_and_no_half_written_file(day):
    folder, archive = day
    (folder / ".log.txt.0123").write_text("half a f")
    pack(folder, archive)
    with tarfile.open(archive) as tar:
        assert {(m.uid, m.gid, m.uname, m.gname) for m in tar} == {(0, 0, "", "")}
        assert not [name for name in tar.getnames() if "0123" in name]


def test_what_was_rehearsed_is_unpacked_only_on_request(day, tmp_path):
    folder, archive = day
    played = dataclasses.replace(RECORDING, machine="nothing", rehearsed=True)
    save_recording(played, folder / "recorded")
    pack(folder, archive)
    with pytest.raises(LessonError, match=r"was rehearsed.*--rehearse and --to"):
        unpack(archive, tmp_path / "home")
    assert not (tmp_path / "home").exists()
    assert len(unpack(archive, tmp_path / "home", rehearsed=True)) == 2


@pytest.mark.parametrize(
    "damage", [lambda raw: b"", lambda raw: b"PK" + raw, lambda raw: raw[: len(raw) // 2]]
)
def test_a_damaged_archive_is_one_sentence(day, tmp_path, damage):
    folder, archive = day
    pack(folder, archive)
    archive.write_bytes(damage(archive.read_bytes()))
    with pytest.raises(LessonError, match=r"cannot be read as a \.tar\.gz"):
        unpack(archive, tmp_path / "home")
    with pytest.raises(LessonError, match=r"cannot be read"):
        unpack(tmp_path / "nowhere.tar.gz", tmp_path / "home")


def test_an_archive_without_recordings_points_to_its_log(day, tmp_path):
    folder, archive = day
    (folder / "recorded" / "a-card" / "roofline.json").unlink()
    pack(folder, archive)
    with pytest.raises(LessonError, match="no recordings; its log"):
        unpack(archive, tmp_path / "home")


@pytest.mark.parametrize(
    "name, change",
    [
        ("recorded/a-card/roofline.json", {"machine": "../up"}),
        ("recorded/a-card/roofline.json", {"slug": "../../up"}),
        ("../recorded/a-card/roofline.json", {"slug": "/tmp/up"}),
    ],
)
def test_an_archive_can_not_write_elsewhere(tmp_path, name, change):
    data = json.dumps({"version": 1, **RECORDING.__dict__, **change}).encode()
    with tarfile.open(tmp_path / "bad.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo(f"day/{name}")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    before = set(tmp_path.parent.rglob("*"))
    with pytest.raises(LessonError, match="can't"):
        unpack(tmp_path / "bad.tar.gz", tmp_path / "home")
    assert set(tmp_path.parent.rglob("*")) == before
