import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons import topology
from lessons.cli import main
from lessons.passport import Passport, PassportError, load, load_or_measure, save
from lessons.units import Quantity

PEAKS = {
    "cpu.bandwidth.read.l1.1": Quantity(2e11, "B/s", 1.9e11, 2.1e11, 9),
    "cpu.bandwidth.read.dram.1": Quantity(2e10, "B/s"),
    "cpu.bandwidth.triad.dram.2": Quantity(3e10, "B/s"),
    "cpu.latency.dram": Quantity(1e-7, "s"),
    "cpu.flops.float32.1": Quantity(1e11, "FLOP/s"),
    "cpu.matmul.bfloat16.2": Quantity(4e11, "FLOP/s"),
    "cpu.cost.launch": Quantity(3e-6, "s"),
    "disk.read": Quantity(1e9, "B/s"),
    "cuda.bandwidth.read.dram": Quantity(3e12, "B/s"),
    "cuda.transfer.h2d.pinned": Quantity(5e10, "B/s"),
}


def passport(**changes):
    here = topology.read()
    fields = {
        "machine": json.loads(json.dumps({**here.to_json(), "cores": 2})),
        "fingerprint": here.fingerprint(),
        "date": "2026-01-02",
        "versions": {"numpy": "2"},
        "peaks": PEAKS,
        "sizes": {"cpu.dram": 1 << 20},
    }
    return Passport(**{**fields, **changes})


def test_a_passport_is_read_as_it_was_written(tmp_path):
    written = passport()
    assert save(written, tmp_path / "new" / "machine.json") == tmp_path / "new" / "machine.json"
    assert load(tmp_path / "new" / "machine.json") == written


def test_another_machines_passport_is_refused(tmp_path):
    save(passport(fingerprint="Another CPU; 64 cores"), tmp_path / "machine.json")
    with pytest.raises(
        PassportError, match=r"of another machine \(Another CPU; 64 cores\).*`lessons passport`"
    ):
        load(tmp_path / "machine.json")


def test_a_missing_passport_says_how_to_get_one(tmp_path):
    with pytest.raises(
        PassportError, match=r"there is no passport at .*; measure this machine with `lessons passport`"
    ):
        load(tmp_path / "machine.json")


WHOLE = json.dumps(passport().to_json())


@given(st.integers(0, len(WHOLE) - 1))
def test_a_cut_passport_is_refused(tmp_path_factory, length):
    file = tmp_path_factory.mktemp("passport") / "machine.json"
    file.write_text(WHOLE[:length])
    with pytest.raises(PassportError, match="is not a passport"):
        load(file)


@pytest.mark.parametrize("key", ["version", "machine", "fingerprint", "peaks", "sizes"])
def test_a_passport_without_a_part_is_refused(tmp_path, key):
    record = passport().to_json()
    del record[key]
    (tmp_path / "machine.json").write_text(json.dumps(record))
    with pytest.raises(PassportError, match="is not a passport"):
        load(tmp_path / "machine.json")


@pytest.mark.parametrize("text", ["[]", "7", '"text"', "null"])
def test_other_json_is_refused(tmp_path, text):
    (tmp_path / "machine.json").write_text(text)
    with pytest.raises(PassportError, match="is not a passport"):
        load(tmp_path / "machine.json")


def test_an_older_version_is_refused(tmp_path):
    (tmp_path / "machine.json").write_text(json.dumps({**passport().to_json(), "version": 0}))
    with pytest.raises(PassportError, match="version 0, not 2"):
        load(tmp_path / "machine.json")


def test_every_question_finds_its_peak():
    p = passport()
    assert p.threads == 2
    assert p.levels == ["l1", "dram"]
    assert p.bandwidth("read", "l1").low == 1.9e11
    assert p.bandwidth("triad", threads=None).value == 3e10
    assert p.bandwidth(device="cuda").value == 3e12
    assert p.latency().value == 1e-7
    assert p.flops().unit == "FLOP/s"
    assert p.matmul("bfloat16", threads=None).value == 4e11
    assert p.cost("launch").value == 3e-6
    assert p.disk().value == 1e9
    assert p.transfer().value == 5e10
    with pytest.raises(PassportError, match=r"no 'cuda\.transfer\.d2h\.pageable'"):
        p.transfer("d2h", pinned=False)


STRANGERS = ['{"my": "settings"}', "", "[1]", '{"version": 3, "machine": "mine"}', "\0\0", "[" * 5000]


@pytest.mark.parametrize("text", STRANGERS)
def test_a_strangers_file_is_not_replaced(tmp_path, text):
    file = tmp_path / "machine.json"
    file.write_text(text)
    with pytest.raises(PassportError, match="is not a passport of this book and stays as it is"):
        save(passport(), file)
    assert file.read_text() == text


def test_an_older_passport_or_another_machines_is_replaced(tmp_path):
    file = tmp_path / "machine.json"
    file.write_text(json.dumps({**passport(fingerprint="another").to_json(), "version": 1}))
    assert load(save(passport(), file)) == passport()


def test_a_link_stays_and_what_it_points_to_is_written(tmp_path):
    (tmp_path / "machine.json").symlink_to("elsewhere.json")
    save(passport(), tmp_path / "machine.json")
    assert (tmp_path / "machine.json").is_symlink() and load(tmp_path / "elsewhere.json") == passport()


@pytest.mark.parametrize("where", ["file/machine.json", "folder"])
def test_a_place_that_cannot_be_written_is_known_before_the_measuring(tmp_path, monkeypatch, where):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder").mkdir()
    monkeypatch.setattr("lessons.passport.measuring._parts", lambda *_: pytest.fail("it began to measure"))
    assert main(["passport", "--output", str(tmp_path / where)]) == 2
    monkeypatch.setattr("lessons.passport.measuring._parts", lambda *_: iter(()))
    monkeypatch.setenv("LESSONS_MACHINE", str(tmp_path / where))
    heard = []
    if where != "folder":
        load_or_measure(heard.append)
        assert any("will not be kept" in line and "cannot be written" in line for line in heard)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_a_device_is_not_replaced(tmp_path, capsys):
    device = Path("/dev/null")
    if not device.exists():
        pytest.skip("this system has no /dev/null")
    assert main(["passport", "--output", str(device)]) == 2
    assert "/dev/null cannot be written (it is a device or a pipe, not a file)" in capsys.readouterr().err
    assert stat.S_ISCHR(device.stat().st_mode)
