"""The probes there are: what each one's digest covers, and that their keys fall to one of them each."""

import pkgutil
import shutil

import pytest

from lessons.passport import probes
from lessons.passport.probes import PROBES
from lessons.results import digest
from lessons.topology import Cache, Topology
from lessons.units import GiB, KiB

NAMES = [probe.name for probe in PROBES]


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    return shutil.copytree(
        digest.PACKAGE,
        tmp_path_factory.mktemp("copy") / "lessons",
        ignore=shutil.ignore_patterns("__pycache__"),
    )


@pytest.fixture
def edit(copied):
    """Return a function that appends a line to a file of the copy; the file is as before when the test ends."""
    before = {}

    def append(name, line="EXTRA = 1"):
        path = copied / name
        before[path] = path.read_text()
        path.write_text(before[path] + line + "\n")

    yield append
    for path, text in before.items():
        path.write_text(text)


def stale(copied):
    return {probe.name for probe in PROBES if probe.digest(copied) != probe.digest()}


def test_every_module_is_listed_once():
    assert sorted(NAMES) == sorted(module.name for module in pkgutil.iter_modules(probes.__path__))


def test_no_key_belongs_to_two_probes():
    for probe in PROBES:
        assert [other.name for other in PROBES if probe.prefix.startswith(other.prefix)] == [probe.name]
        assert probe.prefix.endswith(".") and probe.prefix.startswith("cuda.") == (probe.device == "cuda")


@pytest.mark.parametrize(
    "name, expected",
    [
        ("kernels/chase/cpu.py", {"latency", "cuda_latency"}),
        ("kernels/stream/reference.py", {"bandwidth", "cuda_bandwidth"}),
        ("kernels/fma/cpu.py", {"flops", "cuda_flops"}),
        ("passport/probes/disk.py", {"disk"}),
        ("passport/cuda.py", {"cuda_bandwidth", "cuda_latency"}),
        ("measure/timer.py", set(NAMES)),
        ("kernels/attention/cpu.py", set()),
        ("kernels/rotary/__init__.py", set()),
        ("experiments/roofline/sweep.py", set()),
        ("experiments/base.py", set()),
        ("passport/__init__.py", set()),
        ("passport/probe.py", set()),
        ("passport/probes/__init__.py", set()),
        ("passport/peaks.py", set()),
        ("results/ledger.py", set()),
        ("topology/nvidia.py", set()),
        ("llm/model.py", set()),
    ],
)
def test_a_change_stales_the_probes_that_reach_it_and_no_other(copied, edit, name, expected):
    assert stale(copied) == set()
    edit(name)
    assert stale(copied) == expected


def test_a_comment_stales_nothing(copied, edit):
    edit("passport/probes/disk.py", "# slow disks are measured too")
    assert stale(copied) == set()


def test_a_new_probe_stales_no_other(copied, edit):
    (copied / "passport" / "probes" / "links.py").write_text("from lessons.kernels.chase import chase\n")
    edit("passport/probes/__init__.py", "from lessons.passport.probes import links")
    assert stale(copied) == set()


TINY = Topology("cpu", "x86_64", "Linux", 1, GiB, (Cache("l1", 32 * KiB),), ())


@pytest.mark.parametrize("probe", [probe for probe in PROBES if probe.by_level], ids=lambda p: p.name)
def test_a_probe_measures_the_levels_that_it_is_asked_for(probe):
    for level in ("l1", "dram"):
        keys = dict(probe.measure(TINY, {level: 64 * KiB}, lambda message: None))
        assert keys and all(key.startswith(probe.prefix) and level in key.split(".") for key in keys)
        assert all(peak.low <= peak.value <= peak.high and peak.n for peak in keys.values())
