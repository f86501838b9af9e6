"""``lessons record`` keeps what ran, leaves out what cannot run here, and needs no Jupyter."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from lessons import topology
from lessons.cli import main
from lessons.cli.record import chapters, machine_name, record
from lessons.experiments.base import Experiment, Outcome, Unavailable
from lessons.results import Recording, chapter_digest, pack, recordings, save_recording
from lessons.units import Quantity

record_module = importlib.import_module("lessons.cli.record")


class Runs(Experiment):
    id = "roofline.runs"
    title = "a thing"
    unit = "s"

    def predict(self, passport):
        return Outcome(Quantity(1.0, "s"))

    def run(self, progress=lambda message: None):
        return Outcome(Quantity(2.0, "s"), {"points": [1, 2]})


class Refuses(Runs):
    id = "roofline.refuses"

    def run(self, progress=lambda message: None):
        raise Unavailable("there is one node only")


def test_what_ran_is_kept_and_what_could_not_is_left_out(tmp_path, capsys):
    made = record("roofline", [Refuses(), Runs()], None, "a-box", "lessons record", "a processor")
    assert isinstance(made, Recording) and set(made.experiments) == {"roofline.runs"}
    assert "one node only" in capsys.readouterr().err
    save_recording(made, tmp_path)
    (back,) = recordings("roofline", tmp_path)
    assert Outcome.from_json(back.experiments["roofline.runs"]["result"]) == Runs().run()
    assert not back.is_stale()


def test_a_chapter_in_which_nothing_ran_leaves_no_recording():
    assert record("roofline", [Refuses()], None, "a-box", "lessons record", "a processor") is None


class Breaks(Runs):
    id = "roofline.breaks"

    def run(self, progress=lambda message: None):
        raise RuntimeError("an illegal memory access was encountered")


def test_a_fault_of_one_experiment_costs_no_other_and_is_told_in_full(capsys):
    made = record("roofline", [Breaks(), Runs()], None, "a-box", "lessons record", "a processor")
    assert set(made.experiments) == {"roofline.runs"}
    said = capsys.readouterr().err
    assert "roofline.breaks failed" in said and "in run" in said and "illegal memory access" in said


class Sized(Runs):
    SMALL = {"size": 1}
    size = 1000

    def run(self, progress=lambda message: None):
        return Outcome(Quantity(self.size, "s"))


def test_a_rehearsal_is_small_and_marked_and_lies_apart(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(record_module, "chapters", lambda device, slugs: [("roofline", [Sized()])])
    monkeypatch.setattr("lessons.passport.load_or_measure", lambda progress: None)
    words = ["record", "--device", "cpu", "--machine", "a-box", "roofline"]
    assert main([*words, "--rehearse"]) == 2
    assert "name a folder for it with --to" in capsys.readouterr().err
    for more, rehearsed, size in (([], False, 1000), (["--rehearse"], True, 1)):
        assert main([*words, "--to", str(tmp_path), *more]) == 0
        (found,) = recordings("roofline", tmp_path, rehearsed=True)
        assert found.rehearsed is rehearsed and ("--rehearse" in found.command) is rehearsed
        assert Outcome.from_json(found.experiments["roofline.runs"]["result"]).quantity.value == size


def test_no_chapter_is_imported_that_was_not_asked_for():
    code = "import sys; from lessons.cli.record import chapters; assert list(chapters('cuda', ['kv_cache']));"
    code += "assert not [n for n in sys.modules if n.startswith('lessons.experiments.roofline')]"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_archive_is_unpacked_to_where_recordings_are_read(tmp_path, capsys):
    made = record("roofline", [Runs()], None, "a-box", "lessons record", "a processor")
    save_recording(made, tmp_path / "day" / "recorded")
    pack(tmp_path / "day", tmp_path / "day.tar.gz")
    assert main(["record", "--unpack", str(tmp_path / "day.tar.gz"), "--to", str(tmp_path / "home")]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "home" / "a-box" / "roofline.json")]
    assert recordings(folder=tmp_path / "home") == [made]


def test_no_device_is_said_with_the_remedy(monkeypatch, capsys):
    here = topology.read()
    monkeypatch.setattr(topology, "read", lambda: type(here)(**{**here.__dict__, "gpus": ()}))
    assert main(["record", "--device", "cuda"]) == 2
    assert "--device cpu" in capsys.readouterr().err


def test_an_unknown_chapter_is_named(capsys):
    assert main(["record", "--device", "cpu", "nothing"]) == 2
    assert "nothing" in capsys.readouterr().err


def test_every_chapter_lists_its_own_experiments():
    found = [(slug, e) for device in ("cpu", "cuda") for slug, listed in chapters(device) for e in listed]
    assert found and all(e.id.startswith(f"{slug}.") for slug, e in found)


def test_the_list_of_experiments_needs_no_jupyter_and_no_matplotlib():
    code = (
        "import sys; from lessons.cli.record import chapters; list(chapters('cpu'));"
        "print(*{n.split('.')[0] for n in sys.modules})"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"IPython", "ipykernel", "matplotlib", "tokenizers"} & set(loaded.split())


def test_the_documented_environment_is_enough_to_begin():
    """It holds NumPy, Numba and torch. The names of all chapters are known, the machine is read, a digest made."""
    code = """
import sys
from lessons.cli import main
from lessons.results import chapter_digest
for name in ("psutil", "pynvml", "matplotlib", "httpx", "prometheus_client", "starlette", "tokenizers", "uvicorn"):
    sys.modules[name] = None
assert main(["record", "--device", "cpu", "nothing"]) == 2
print(chapter_digest("roofline"))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "no experiments for cpu in nothing" in run.stderr
    assert run.stdout.split() == [chapter_digest("roofline")]


@pytest.mark.parametrize(
    "device, name",
    [
        ("NVIDIA H100 80GB HBM3", "nvidia-h100-80gb-hbm3"),
        ("AMD EPYC 9B14", "amd-epyc-9b14"),
        ("Intel(R) Xeon(R) @ 2.2GHz", "intel-r-xeon-r-2-2ghz"),
        ("", "unnamed"),
    ],
)
def test_a_device_names_its_folder(device, name):
    assert machine_name(device) == name
