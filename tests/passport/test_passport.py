import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons import topology
from lessons.passport import Passport, PassportError, load, path, save
from lessons.passport.measuring import working_sets
from lessons.topology import Cache, Topology
from lessons.units import Quantity


def passport():
    here = topology.read()
    peaks = {
        "cpu.bandwidth.read.dram.1": Quantity(1e10, "B/s", 9e9, 1.1e10, 7),
        "cpu.latency.dram": Quantity(1e-7, "s"),
    }
    return Passport(here.to_json(), here.fingerprint(), "2026-01-01", {"numpy": "2"}, peaks, {"cpu.dram": 8})


def test_what_was_saved_is_loaded(tmp_path):
    target = save(passport(), tmp_path / "machine.json")
    loaded = load(target)
    assert loaded.peaks == passport().peaks
    assert loaded.bandwidth("read", "dram").low == 9e9
    assert loaded.latency("dram").value == 1e-7
    assert loaded.threads == topology.read().cores


def test_another_machines_passport_is_refused_with_the_remedy(tmp_path):
    target = save(passport(), tmp_path / "machine.json")
    record = json.loads(target.read_text())
    record["fingerprint"] = "Abacus; 1 cores"
    target.write_text(json.dumps(record))
    with pytest.raises(PassportError, match=r"another machine .*Abacus.*lessons passport"):
        load(target)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 99}', '{"version": 1}'])
def test_a_damaged_passport_is_one_sentence(tmp_path, text):
    (tmp_path / "machine.json").write_text(text)
    with pytest.raises(PassportError, match="run `lessons passport`"):
        load(tmp_path / "machine.json")


def test_a_missing_passport_and_a_missing_value_say_what_to_do(tmp_path):
    with pytest.raises(PassportError, match="no passport at"):
        load(tmp_path / "machine.json")
    with pytest.raises(PassportError, match=r"cuda\.flops\.float32"):
        passport().flops("float32", device="cuda")


def test_a_notebook_finds_the_passport_above_it(tmp_path, monkeypatch):
    monkeypatch.delenv("LESSONS_MACHINE", raising=False)
    (tmp_path / "book" / "deep").mkdir(parents=True)
    (tmp_path / "machine.json").write_text("{}")
    monkeypatch.chdir(tmp_path / "book" / "deep")
    assert path() == tmp_path / "machine.json"


sizes = st.integers(14, 30).map(lambda bits: 1 << bits)


@given(
    st.lists(sizes, min_size=1, max_size=3, unique=True).map(sorted), st.integers(28, 40), st.integers(1, 64)
)
def test_working_sets_fit_their_caches_and_the_memory(caches, memory_bits, cores):
    levels = tuple(Cache(f"l{i + 1}", size, cores=cores if i == 2 else 1) for i, size in enumerate(caches))
    machine = Topology("cpu", "x", "Linux", cores, 1 << memory_bits, levels, ())
    sets = working_sets(machine)
    assert list(sets) == [c.level for c in levels] + ["dram"]
    for cache in levels:
        assert 0 < sets[cache.level] <= cache.bytes // 2
    assert sets["dram"] <= machine.memory // 8
    assert sets["dram"] <= 4 * caches[-1]
    assert sets["dram"] == 4 * caches[-1] or sets["dram"] > machine.memory // 8 - 8192
