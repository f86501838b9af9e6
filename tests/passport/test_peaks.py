"""A passport of this machine measures what it lacks when it is asked: only that, and only once."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lessons import topology
from lessons.passport import PassportError, load, pages
from lessons.passport.peaks import Peaks

from .fakes import STREAM, Fake

HERE = topology.read()
WITH_GPU = dataclasses.replace(HERE, gpus=("a card",))


def fakes():
    return [Fake(), Fake(STREAM, "cpu.stream.", [{"two": 2.0}])]


def peaks(there, path=None, progress=lambda message: None, machine=HERE):
    return Peaks(machine, path, progress, [fake.probe for fake in there])


def counts(there):
    return [len(fake.asked) for fake in there]


def test_only_what_is_asked_for_is_measured_and_only_once(tmp_path):
    there, file = fakes(), tmp_path / "machine.json"
    mine = peaks(there, file)
    assert counts(there) == [0, 0]
    assert mine["cpu.stream.two"].value == mine["cpu.stream.two"].value == 2.0
    assert counts(there) == [0, 1] and list(pages.read(file)[1]) == ["stream"]
    assert set(mine) == {"cpu.chase.one", "cpu.stream.two"} and len(mine) == 2
    assert counts(there) == [1, 1]
    assert set(peaks(there, file)) == set(mine) and counts(there) == [1, 1]


def test_a_value_that_a_probe_does_not_give_is_missing():
    there = fakes()
    mine = peaks(there)
    for key in ("cpu.chase.three", "cpu.chase.three"):
        assert key not in mine
    assert "gpu.nothing" not in mine
    assert counts(there) == [1, 0]


def test_a_probe_that_finds_nothing_is_not_asked_again():
    there = [Fake(rounds=[{}])]
    mine = peaks(there)
    assert "cpu.chase.one" not in mine and list(mine) == [] and counts(there) == [1]


def test_a_stale_page_is_measured_again_with_its_reason(tmp_path):
    there, file, said = fakes(), tmp_path / "machine.json", []
    peaks(there, file).bring()
    record = json.loads(file.read_text())
    record["probes"]["chase"] |= {"digest": "older", "files": "older"}
    file.write_text(json.dumps(record))
    mine = peaks(there, file, said.append)
    assert mine.due() == {"chase": "its code has changed"}
    assert mine["cpu.stream.two"] and counts(there) == [1, 1] and not said
    assert mine["cpu.chase.one"] and counts(there) == [2, 1]
    assert said == ["chase: its code has changed; measuring now"]
    assert peaks(there, file).due() == {}


def test_what_another_process_wrote_meanwhile_stays_and_is_used(tmp_path):
    there, file = fakes(), tmp_path / "machine.json"
    mine, theirs = peaks(there, file), peaks(there, file)
    assert theirs["cpu.chase.one"]
    assert mine["cpu.stream.two"]
    assert list(pages.read(file)[1]) == ["chase", "stream"]
    assert mine["cpu.chase.one"] and counts(there) == [1, 1]


def test_a_doubt_goes_when_the_value_is_measured_again():
    fake = Fake(rounds=[{"a.1": 9.0, "a.2": 1.0}] * 3 + [{"a.1": 9.0, "a.2": 9.0}])
    mine = peaks([fake])
    assert "cpu.chase.a.2" in mine and list(mine.doubts) == ["cpu.chase.a.2"]
    mine.bring(anew=True)
    assert mine.doubts == {} and counts([fake]) == [4]


def test_a_probe_that_needs_a_device_waits_for_one():
    there = [Fake(prefix="cuda.chase.", device="cuda")]
    assert list(peaks(there)) == [] and "cuda.chase.one" not in peaks(there) and counts(there) == [0]
    assert list(peaks(there, machine=WITH_GPU)) == ["cuda.chase.one"]


def test_a_passport_says_what_this_machine_cannot_have(tmp_path, monkeypatch):
    there = fakes()
    monkeypatch.setattr("lessons.passport.peaks.PROBES", [fake.probe for fake in there])
    pages.add(tmp_path / "machine.json", HERE, {})
    passport = load(tmp_path / "machine.json")
    assert passport.peak("cpu.chase.one").value == 1.0
    with pytest.raises(PassportError, match=r"no 'cpu\.chase\.l9'"):
        passport.peak("cpu.chase.l9")
    if not HERE.gpus:
        with pytest.raises(PassportError, match="no CUDA device"):
            passport.transfer()


# Its probe goes on until another process says that it waits; or until that measures too, which would be the fault.
ASK = """
import dataclasses, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from fakes import Fake
from lessons import topology
from lessons.passport.peaks import Peaks

fake, log = Fake(), Path("log")

def measure(machine, sizes, progress):
    with log.open("a") as file:
        file.write("measured\\n")
    while not Path("waiting").exists() and log.read_text() == "measured\\n":
        time.sleep(0.01)
    yield from fake.measure(machine, sizes, progress)

def tell(message):
    print(message, flush=True)
    if "waiting" in message:
        Path("waiting").touch()

probe = dataclasses.replace(fake.probe, measure=measure)
mine = Peaks(topology.read(), Path("machine.json"), tell, [probe])
Path(sys.argv[2]).touch()
while not (Path("first").exists() and Path("second").exists()):
    time.sleep(0.01)
print(mine["cpu.chase.one"].value)
"""


def ask(name, folder):
    """Start a process that asks for a peak as soon as both have started; it keeps the passport in ``folder``."""
    command = [sys.executable, "-c", ASK, str(Path(__file__).parent), name]
    environment = {**os.environ, "TMPDIR": str(folder)}
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)


def test_two_processes_that_ask_at_once_measure_once(tmp_path):
    both = [ask(name, tmp_path) for name in ("first", "second")]
    outputs = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert all(out.endswith("1.0\n") for out in outputs)
    assert (tmp_path / "log").read_text() == "measured\n"
    assert sum("waiting for it" in out for out in outputs) == 1


def test_a_process_that_is_killed_leaves_no_lock(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "second").touch()
    with ask("first", tmp_path) as process:
        while not (tmp_path / "log").exists():
            assert process.poll() is None
        process.kill()
    said = []
    assert peaks([Fake()], tmp_path / "machine.json", said.append)["cpu.chase.one"].value == 1.0
    assert not [line for line in said if "waiting" in line]
