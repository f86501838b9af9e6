"""The passport and the chapters' experiments on the least machine: all restrictions at once.

One CPU, 3 GB of address space beside the libraries, code for the generic processor, no cache folder that can be
written, no network. Each child first proves that it is restricted, then does its work.
"""

import json
import os
import pkgutil
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue

import pytest
from machines import MACHINES
from readable import unreadable

import lessons.experiments
from lessons import figures
from lessons.experiments.base import Outcome, Unavailable

CHAPTERS = [found.name for found in pkgutil.iter_modules(lessons.experiments.__path__) if found.ispkg]
SPARE = (
    3_100_000_000  # bytes of address space for the work itself: a CUDA build of torch maps gigabytes of code
)
SCRIPT = Path(__file__).with_name("all_experiments.py")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="affinity and address limits are Linux's here"),
]

RESTRICTED = """
import os, pathlib, resource, runpy, socket, sys
from numba.core.config import CPU_NAME
assert len(os.sched_getaffinity(0)) == 1
assert resource.getrlimit(resource.RLIMIT_AS)[0] == int(os.environ["MEMORY"])
assert CPU_NAME == "generic"
for name in ("HOME", "NUMBA_CACHE_DIR", "LESSONS_CACHE", "XDG_CACHE_HOME"):
    try:
        pathlib.Path(os.environ[name], "new").mkdir(parents=True)
    except OSError:
        continue
    raise AssertionError(name + " can be written")
if os.environ["WITHOUT_NETWORK"] == "1":
    assert [name for _, name in socket.if_nameindex()] == ["lo"]
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def without_network():
    """Return the words that start a command in an empty network, or none where this user may not."""
    for words in (["unshare", "-n"], ["unshare", "-r", "-n"]):
        if shutil.which("unshare") and subprocess.run([*words, "true"], capture_output=True).returncode == 0:
            return words
    return []


@cache
def memory():
    """Return the limit: what the libraries map, and ``SPARE`` beside it."""
    code = "import numba, torch; print(open('/proc/self/statm').read().split()[0])"
    pages = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return int(pages) * os.sysconf("SC_PAGE_SIZE") + SPARE


def restrict(cpu, limit):
    """Cut the child down before it starts."""
    import resource

    os.sched_setaffinity(0, {cpu})
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


@pytest.fixture(scope="module")
def passport_file(tmp_path_factory):
    return tmp_path_factory.mktemp("small") / "machine.json"


@pytest.fixture(scope="module")
def run(passport_file):
    """Return a function that runs commands under all restrictions, each on a CPU of its own, and returns their output.

    They run as many at a time as there are CPUs.
    """
    folder = passport_file.parent
    (folder / "in the way").write_text("a file, so that no folder can be made here, not even by root")
    shut = str(folder / "in the way" / "cache")
    unshare = without_network()
    # Thread limits of the caller would hide what one CPU does by itself.
    env = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    env |= dict.fromkeys(("HOME", "NUMBA_CACHE_DIR", "LESSONS_CACHE", "XDG_CACHE_HOME", "MPLCONFIGDIR"), shut)
    env |= {"NUMBA_CPU_NAME": "generic", "LESSONS_MACHINE": str(passport_file)}
    env["WITHOUT_NETWORK"] = "1" if unshare else "0"
    env["MEMORY"] = str(memory())
    env.pop("NUMBA_CPU_FEATURES", None)
    cpus = sorted(os.sched_getaffinity(0))

    def start(cpu, words):
        return subprocess.Popen(
            [*unshare, sys.executable, "-c", RESTRICTED, *words],
            cwd=folder,
            env=env,
            preexec_fn=partial(restrict, cpu, memory()),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    free = SimpleQueue()
    for cpu in cpus:
        free.put(cpu)

    def one(words):
        cpu = free.get()
        try:
            return finish(start(cpu, words))
        finally:
            free.put(cpu)

    def run(*commands):
        with ThreadPoolExecutor(len(cpus)) as pool:
            return list(pool.map(one, commands))

    return run


def finish(process):
    """Return what a process printed; fail with its errors where it failed."""
    try:
        out, errors = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 0, errors[-3000:]
    return out


@pytest.fixture(scope="module")
def machine(run):
    """Return the passport that `lessons passport` measured under all restrictions."""
    run([shutil.which("lessons", path=str(Path(sys.executable).parent)), "passport"])
    return run


@pytest.fixture(scope="module")
def outcomes(machine):
    """Return for each chapter what became of its experiments."""
    outputs = machine(*([str(SCRIPT), slug] for slug in CHAPTERS))
    return {slug: json.loads(out.splitlines()[-1]) for slug, out in zip(CHAPTERS, outputs)}


def test_the_network_was_taken_away():
    if not without_network():
        pytest.skip("this user may not make an empty network (unshare -n)")


def test_the_passport_is_whole(machine, passport_file):
    record = json.loads(passport_file.read_text())
    assert record["machine"]["cores"] == 1
    assert record["machine"]["memory"] <= memory()
    peaks = {key: peak for page in record["probes"].values() for key, peak in page["peaks"].items()}
    for key in ("bandwidth.read.dram.1", "latency.l1", "flops.float32.1", "cost.page_fault"):
        assert peaks[f"cpu.{key}"]["value"] > 0, key
    # The end of a row is the difference of two times, and may be too small to be told from nothing.
    difference = peaks.pop("cpu.product.row_end")
    assert 0 <= difference["low"] <= difference["value"] <= difference["high"]
    for peak in peaks.values():
        assert 0 < peak["low"] <= peak["value"] <= peak["high"]


@pytest.mark.parametrize("slug", CHAPTERS)
def test_every_experiment_of_the_chapter_runs(outcomes, slug):
    assert outcomes[slug]
    for name, (device, outcome, _) in outcomes[slug].items():
        # A second NUMA node or a CUDA device cannot be had by trying.
        excused = device == "cuda" or "NUMA" in outcome or "CUDA" in outcome
        assert outcome == "ran" or excused, f"{name}: {outcome}"
    assert any(outcome == "ran" for _, outcome, _ in outcomes[slug].values())


@pytest.mark.parametrize("slug", CHAPTERS)
def test_what_ran_there_is_told_and_drawn_beside_every_machines_predictions(outcomes, slug):
    """The results of the least machine, with the predictions of machines that are quite different."""
    for experiment in import_module(f"lessons.experiments.{slug}").EXPERIMENTS:
        _, _, record = outcomes[slug][experiment.id]
        if record is None:
            continue
        small, result = experiment.small(), Outcome.from_json(record)
        assert result.quantity.unit == experiment.unit
        for passport in MACHINES:
            try:
                small.check(passport)
                prediction = small.predict(passport)
            except Unavailable:
                continue
            assert small.explain(prediction, result)
            assert bool(small.alt(prediction, result)) == bool(small.panels)
            if small.panels:
                figure, _ = figures.new(small.panels)
                with figures.style():
                    small.draw(prediction, result, figure)
        if small.panels:
            unreadable(figures.render(figure, small.alt(prediction, result)))
