"""The probes there are: what each one's digest covers, and that their keys fall to one of them each."""

import pkgutil
import shutil

import pytest

from lessons.passport import probes
from lessons.passport.probes import PROBES
from lessons.results import digest
from lessons.topology import Cache, Topology, working_sets
from lessons.units import GiB, KiB, MiB

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
        ("kernels/chase/cpu.py", {"latency", "cuda_latency", "held"}),
        ("kernels/stream/reference.py", {"bandwidth", "cuda_bandwidth"}),
        ("kernels/fma/cpu.py", {"flops", "cuda_flops"}),
        ("kernels/gemv/cpu.py", {"product"}),
        ("kernels/gather/cpu.py", {"gather"}),
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


def test_random_lines_are_other_ones_in_each_sample(monkeypatch):
    """A sample that loaded the lines of the one before would find them in a cache, however large the array is."""
    from lessons.kernels import gather as kernel
    from lessons.passport.probes import gather

    seeds, real = [], kernel.gather
    monkeypatch.setattr(kernel, "gather", lambda v, n, seed: seeds.append(seed) or real(v, n, seed=seed))
    ((key, rate),) = gather.PROBE.measure(TINY, {"l1": KiB, "dram": MiB}, lambda message: None)
    assert key == "cpu.gather.dram" and 0 < rate.low <= rate.value <= rate.high
    assert len(seeds) > 15 and len(set(seeds)) == len(seeds)


CROWDED = Topology(
    "EPYC 7763", "x86_64", "Linux", 128, 256 * GiB,
    (Cache("l1", 32 * KiB, 64, 2), Cache("l2", 512 * KiB, 64, 2), Cache("l3", 32 * MiB, 64, 16)), (),
)  # fmt: skip


def test_all_threads_together_leave_room_in_the_caches_that_they_share(monkeypatch):
    """Two threads fill no L1 and sixteen no L3, as so many sets of one thread would; memory's is one for all."""
    from lessons.kernels import stream
    from lessons.passport.probes import bandwidth

    touched = {}

    def record(kind, a, b, c, threads, **options):
        touched[threads] = (len(a) if kind == "read" else len(a) + len(b)) * 8 / threads

    class Timing:
        def __init__(self, run, **options):
            run()

        def best(self):
            return 1e-3

        def rate(self, moved, unit):
            return None

    monkeypatch.setattr(stream, "stream", record)
    monkeypatch.setattr(bandwidth, "time", Timing)
    found = {}
    for level, size in {**working_sets(CROWDED), "dram": 128 * MiB}.items():
        for key, _ in bandwidth.measure(CROWDED, {level: size}, lambda message: None):
            if ".read." in key:
                count = int(key.rpartition(".")[2])
                found[level, count] = touched[count] / KiB
    assert found == {
        ("l1", 1): 16, ("l1", 128): 8, ("l2", 1): 128, ("l2", 128): 128,
        ("l3", 1): 2048, ("l3", 128): 1280, ("dram", 1): 128 * 1024, ("dram", 128): 1024,
    }  # fmt: skip


SHARED = Topology("cpu", "x86_64", "Linux", 2, GiB, (Cache("l2", MiB), Cache("l3", 32 * MiB, cores=2)), ())


@pytest.mark.parametrize("kept", [3 * MiB, 7 * MiB, 20 * MiB, 64 * MiB])
def test_what_is_kept_of_the_last_cache_is_found_between_two_rings(monkeypatch, kept):
    """A ring that fits takes 15 ns a load, a larger one 150 ns, whatever the system reports."""
    from lessons.passport.probes import held

    monkeypatch.setattr(held, "_seconds", lambda size: 15e-9 if size <= kept else 150e-9)
    sizes = {"l2": MiB // 2, "l3": 2 * MiB, "dram": 128 * MiB}
    ((key, found),) = held.measure(SHARED, sizes, lambda message: None)
    assert key == "cpu.held.l3"
    if kept >= 32 * MiB:
        assert found.value == 32 * MiB
    else:
        assert (
            found.low <= kept < found.high
            and found.low < found.value < found.high <= 1.001 * 2**0.5 * found.low
        )


def test_without_a_shared_cache_nothing_is_said_to_be_kept():
    from lessons.passport.probes import held

    assert list(held.measure(TINY, {"l1": 16 * KiB, "dram": MiB}, lambda message: None)) == []


def test_the_products_reach_something_below_the_peak():
    """A smoke test: all keys are there, with intervals that hold their values."""
    from lessons.passport.probes import product

    keys = dict(product.measure(SHARED, {"dram": MiB}, lambda message: None))
    assert set(keys) == {
        "cpu.product.packed.int8",
        "cpu.product.packed.float32",
        "cpu.product.float32.float32",
        "cpu.product.row_end",
    }
    assert all(0 <= q.low <= q.value <= q.high for q in keys.values())
