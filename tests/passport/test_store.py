"""``machine.json``: what is read back, what is refused, and whose files stay as they are."""

import contextlib
import dataclasses
import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons import topology
from lessons.cli import main
from lessons.passport import PassportError, check_target, load, load_or_measure, measure, pages
from lessons.passport.pages import Page
from lessons.units import Quantity

from .fakes import STREAM, Fake

HERE = topology.read()
PAGE = Page(
    "a digest", "a hash", "2026-01-02", {"numpy": "2"}, {"dram": 1 << 20},
    {"cpu.latency.dram": Quantity(1e-7, "s", 0.9e-7, 1.1e-7, 9)}, {"cpu.latency.dram": "why not"},
)  # fmt: skip


@pytest.fixture
def file(tmp_path):
    return tmp_path / "new" / "machine.json"


@pytest.fixture
def fakes(monkeypatch):
    """The probes there are, instead of those that take a minute."""
    there = [Fake(), Fake(STREAM, "cpu.stream.", [{"two": 2.0}])]
    monkeypatch.setattr("lessons.passport.peaks.PROBES", [fake.probe for fake in there])
    return there


def test_a_page_is_read_as_it_was_written(file):
    pages.add(file, HERE, {"latency": PAGE})
    assert pages.read(file) == (HERE.fingerprint(), {"latency": PAGE})


def test_pages_join_those_that_are_there(file):
    for name in ("one", "two"):
        pages.add(file, HERE, {name: PAGE})
    assert list(pages.read(file)[1]) == ["one", "two"]


def test_another_machines_pages_are_replaced(file):
    pages.add(file, HERE, {"one": PAGE})
    file.write_text(file.read_text().replace(HERE.fingerprint(), "another"))
    pages.add(file, HERE, {"two": PAGE})
    assert list(pages.read(file)[1]) == ["two"]


def test_a_passport_is_measured_kept_and_loaded(file, fakes):
    passport = measure(to=file)
    assert dict(passport.peaks) == dict(load(file).peaks)
    assert passport.sizes["cpu.dram"] == topology.working_sets(HERE)["dram"]
    assert [len(fake.asked) for fake in fakes] == [1, 1]


def test_another_machines_passport_is_refused(file):
    pages.add(file, HERE, {})
    file.write_text(file.read_text().replace(HERE.fingerprint(), "Another CPU; 64 cores"))
    with pytest.raises(
        PassportError, match=r"of another machine \(Another CPU; 64 cores\).*`lessons passport`"
    ):
        load(file)


def test_a_missing_passport_says_how_to_get_one(file):
    with pytest.raises(
        PassportError, match=r"there is no passport at .*; measure this machine with `lessons passport`"
    ):
        load(file)


def whole():
    return {
        "fingerprint": HERE.fingerprint(), "machine": json.loads(json.dumps(HERE.to_json())),
        "probes": {"latency": json.loads(json.dumps(PAGE.to_json()))},
    }  # fmt: skip


WHOLE = json.dumps(whole())


@given(st.integers(0, len(WHOLE) - 1))
def test_a_cut_passport_is_refused(tmp_path_factory, length):
    file = tmp_path_factory.mktemp("passport") / "machine.json"
    file.write_text(WHOLE[:length])
    with pytest.raises(PassportError, match="is not a passport"):
        load(file)


def paths(record, above=()):
    """Yield where each value of a record stands."""
    for key, value in record.items():
        yield (*above, key)
        if isinstance(value, dict) and above[:1] != ("machine",) and key != "machine":
            yield from paths(value, (*above, key))


@pytest.mark.parametrize("path", [*paths(whole())], ids=".".join)
@pytest.mark.parametrize("wrong", ["gone", True, [1], None])
def test_a_damaged_passport_is_refused(tmp_path, path, wrong):
    record = whole()
    place = record
    for key in path[:-1]:
        place = place[key]
    if wrong == "gone":
        del place[path[-1]]
    else:
        place[path[-1]] = wrong
    (tmp_path / "machine.json").write_text(json.dumps(record))
    free = {"latency", "numpy", "dram", "cpu.latency.dram"}  # names that a record may hold or not
    if (wrong == "gone" and path[-1] in free) or (
        path == ("probes", "latency", "doubts") and wrong == "gone"
    ):
        load(tmp_path / "machine.json")
    else:
        with pytest.raises(PassportError, match="is not a passport of this form"):
            load(tmp_path / "machine.json")


@pytest.mark.parametrize("low, value, high", [(2, 1, 3), (1, 2, 1.5), (1, float("nan"), 1), (0, 1, "2")])
def test_a_value_outside_its_interval_is_refused(tmp_path, low, value, high):
    record = whole()
    record["probes"]["latency"]["peaks"]["cpu.latency.dram"] |= {"low": low, "value": value, "high": high}
    (tmp_path / "machine.json").write_text(json.dumps(record))
    with pytest.raises(PassportError, match="is not a passport of this form"):
        load(tmp_path / "machine.json")


@pytest.mark.parametrize("text", ["[]", "7", '"text"', "null", "[" * 5000])
def test_other_json_is_refused(tmp_path, text):
    (tmp_path / "machine.json").write_text(text)
    with pytest.raises(PassportError, match="is not a passport"):
        load(tmp_path / "machine.json")


OLDER = json.dumps({"version": 2, "fingerprint": HERE.fingerprint(), "machine": {}, "peaks": {}})


def test_an_older_form_is_said_and_measured_anew(tmp_path, monkeypatch, fakes):
    file = tmp_path / "machine.json"
    file.write_text(OLDER)
    monkeypatch.setenv("LESSONS_MACHINE", str(file))
    heard = []
    assert load_or_measure(heard.append).peaks["cpu.stream.two"].value == 2.0
    assert "is not a passport of this form (it has no 'probes')" in heard[0] and "measuring now" in heard[0]
    assert list(pages.read(file)[1]) == ["chase", "stream"]


def without_probes():
    return json.dumps({**whole(), "probes": {}})


@pytest.mark.parametrize("text", [OLDER, without_probes()], ids=["an older form", "no probes"])
def test_a_passport_that_holds_no_peak_is_not_kept(tmp_path, fakes, text):
    file = tmp_path / "machine.json"
    file.write_text(text)
    assert main(["passport", "--output", str(file), "--if-needed"]) == 0
    assert [len(fake.asked) for fake in fakes] == [1, 1]
    assert load(file).peaks["cpu.stream.two"].value == 2.0


def test_a_passport_of_one_thread_serves_one_thread_only(tmp_path, monkeypatch):
    """It has the keys that are asked for while the limit holds, and is measured again when it is gone."""

    def measured(machine, sizes, progress):
        yield f"cpu.bandwidth.read.dram.{machine.cores}", Quantity(float(machine.cores), "B/s")

    file, probe = tmp_path / "machine.json", Fake(prefix="cpu.bandwidth.").probe
    monkeypatch.setattr("lessons.passport.peaks.PROBES", [dataclasses.replace(probe, measure=measured)])
    monkeypatch.setattr("lessons.passport.measuring._all_threads", lambda cores: contextlib.nullcontext())
    monkeypatch.setattr(topology, "available_cpus", lambda: {0, 1})
    monkeypatch.setenv("NUMBA_NUM_THREADS", "1")
    assert main(["passport", "--output", str(file)]) == 0
    assert load(file).bandwidth("read", threads=None).value == 1.0

    monkeypatch.delenv("NUMBA_NUM_THREADS")
    with pytest.raises(PassportError, match=r"of another machine \(.*; 1 cores;.*`lessons passport`"):
        load(file)
    assert main(["passport", "--output", str(file), "--if-needed"]) == 0
    assert load(file).bandwidth("read", threads=None).value == 2.0


STRANGERS = ['{"my": "settings"}', "", "[1]", '{"version": 3, "machine": "mine"}', "\0\0", "[" * 5000]


@pytest.mark.parametrize("text", STRANGERS)
def test_a_strangers_file_is_not_replaced(tmp_path, fakes, text):
    file = tmp_path / "machine.json"
    file.write_text(text)
    with pytest.raises(PassportError, match="is not a passport of this book and stays as it is"):
        check_target(file)
    heard = []
    measure(heard.append, file)
    assert file.read_text() == text
    assert [line for line in heard if "will not be kept" in line and "stays as it is" in line]


def test_a_link_stays_and_what_it_points_to_is_written(tmp_path, fakes):
    (tmp_path / "machine.json").symlink_to("elsewhere.json")
    measure(to=tmp_path / "machine.json")
    assert (tmp_path / "machine.json").is_symlink() and load(tmp_path / "elsewhere.json")


@pytest.mark.parametrize("where", ["file/machine.json", "folder"])
def test_a_place_that_cannot_be_written_is_known_before_the_measuring(tmp_path, monkeypatch, fakes, where):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder").mkdir()
    assert main(["passport", "--output", str(tmp_path / where)]) == 2
    assert not fakes[0].asked
    monkeypatch.setenv("LESSONS_MACHINE", str(tmp_path / where))
    heard = []
    if where != "folder":
        assert load_or_measure(heard.append).peaks["cpu.chase.one"].value == 1.0
        assert any("will not be kept" in line and "cannot be written" in line for line in heard)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_a_device_is_not_replaced(tmp_path, capsys, fakes):
    device = Path("/dev/null")
    if not device.exists():
        pytest.skip("this system has no /dev/null")
    assert main(["passport", "--output", str(device)]) == 2
    assert "/dev/null cannot be written (it is a device or a pipe, not a file)" in capsys.readouterr().err
    assert stat.S_ISCHR(device.stat().st_mode)


def test_the_command_measures_all_or_what_is_needed(tmp_path, capsys, fakes):
    file = tmp_path / "machine.json"
    command = ["passport", "--output", str(file)]
    assert main([*command, "--if-needed"]) == 0
    assert [len(fake.asked) for fake in fakes] == [1, 1]
    assert "cpu.stream.two" in capsys.readouterr().out
    assert main([*command, "--if-needed"]) == 0
    assert [len(fake.asked) for fake in fakes] == [1, 1]
    assert "is of this machine and this code; kept" in capsys.readouterr().out
    record = json.loads(file.read_text())
    record["probes"]["stream"] |= {"digest": "older", "files": "older"}
    file.write_text(json.dumps(record))
    assert main([*command, "--if-needed"]) == 0
    assert [len(fake.asked) for fake in fakes] == [1, 2]
    assert "stream: its code has changed" in capsys.readouterr().err
    assert main(command) == 0
    assert [len(fake.asked) for fake in fakes] == [2, 3]


def test_doubts_are_told_by_all_who_look(tmp_path, monkeypatch, capsys, fakes):
    file = tmp_path / "machine.json"
    fakes[0].rounds = [{"one.1": 9.0, "one.2": 1.0}]
    sentence = "cpu.chase.one.2 is doubtful: 2 threads together reach less than half of what one reaches"
    for command in (["passport"], ["passport", "--if-needed"]):
        assert main([*command, "--output", str(file)]) == 0
        assert sentence in capsys.readouterr().out
    heard = []
    assert "cpu.chase.one.2" in load(file, heard.append).doubts
    assert [line for line in heard if line.startswith(sentence)]
    monkeypatch.setenv("LESSONS_MACHINE", str(file))
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("doubtful") and "cpu.chase.one.2" in line]


def test_doctor_looks_into_the_passport(tmp_path, monkeypatch, capsys, fakes):
    def said():
        assert main(["doctor"]) == 0
        return next(line for line in capsys.readouterr().out.splitlines() if "machine.json" in line)

    file = tmp_path / "machine.json"
    monkeypatch.setenv("LESSONS_MACHINE", str(file))
    assert said().startswith("missing") and said().endswith("lessons passport")
    pages.add(file, HERE, {})
    assert said().startswith("ok") and "to be measured when needed: chase, stream" in said()
    measure(to=file)
    assert said().startswith("ok") and said().endswith(str(file))
    file.write_text(OLDER)
    assert said().startswith("missing") and "not a passport of this form" in said()
