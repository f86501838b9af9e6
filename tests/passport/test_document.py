import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons import topology
from lessons.passport import Passport, PassportError, load, path, save
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


def test_the_passport_lies_here_or_in_a_folder_above(tmp_path, monkeypatch):
    monkeypatch.delenv("LESSONS_MACHINE", raising=False)
    inner = tmp_path / "book" / "deep"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert path() == inner / "machine.json"
    (tmp_path / "machine.json").write_text("{}")
    assert path() == tmp_path / "machine.json"
    monkeypatch.setenv("LESSONS_MACHINE", "/elsewhere/m.json")
    assert str(path()) == "/elsewhere/m.json"
