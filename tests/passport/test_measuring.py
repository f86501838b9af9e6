"""How peaks are measured, and measured again. A real measurement runs in tests/robustness."""

import dataclasses
import sys

import numpy as np
import pytest

from lessons.passport.measuring import _all_threads, stale, take
from lessons.passport.probes.costs import fresh_pages, page_fault
from lessons.topology import Cache, Topology, working_sets
from lessons.units import GiB, KiB, MiB

from .fakes import Fake

MACHINE = Topology("cpu", "x86_64", "Linux", 1, 64 * GiB, (Cache("l1", 32 * KiB), Cache("l2", MiB)), ())
SIZES = working_sets(MACHINE)
LEVELS = {"read.l1.1": 9.0, "read.l2.1": 3.0, "read.dram.1": 1.0}


def measured(*rounds, machine=MACHINE, **options):
    """Return a page, how often it was measured and for which levels, and what was said."""
    fake, said = Fake(rounds=rounds, **options), []
    return take(fake.probe, machine, said.append), fake.asked, said


def test_what_is_sound_is_measured_once():
    page, asked, said = measured(LEVELS, by_level=True)
    assert asked == [SIZES] and page.sizes == SIZES and not page.doubts and not said
    assert {key: peak.value for key, peak in page.peaks.items()} == {
        f"cpu.chase.{key}": value for key, value in LEVELS.items()
    }


def test_only_what_is_doubtful_is_measured_again():
    disturbed = {**LEVELS, "read.l1.1": 2.0}
    page, asked, said = measured(disturbed, {**LEVELS, "copy.l1.1": 7.0}, by_level=True)
    assert asked == [SIZES, {"l1": SIZES["l1"]}]
    assert page.peaks["cpu.chase.read.l1.1"].value == 9.0 and not page.doubts
    assert "cpu.chase.copy.l1.1" not in page.peaks
    (line,) = said
    assert "cpu.chase.read.l1.1 is doubtful, l1 is slower than l2" in line and "measuring again" in line


def test_what_stays_doubtful_is_measured_twice_more_and_marked():
    page, asked, said = measured({"x.1": 10.0, "x.2": 4.0, "y.1": 1.0, "y.2": 2.0})
    assert len(asked) == 3 and len(said) == 2
    assert list(page.doubts) == ["cpu.chase.x.2"] and "less than half" in page.doubts["cpu.chase.x.2"]
    assert page.peaks["cpu.chase.x.2"].value == 4.0


def test_the_second_further_try_may_be_the_one():
    page, asked, _ = measured({"x.1": 10.0, "x.2": 4.0}, {"x.1": 1.0, "x.2": 3.0}, {"x.1": 1.0, "x.2": 19.0})
    assert len(asked) == 3 and not page.doubts
    assert [peak.value for peak in page.peaks.values()] == [10.0, 19.0]


def test_memory_in_a_cache_is_measured_with_more_once():
    hidden = {**LEVELS, "read.dram.1": 3.0}
    page, asked, said = measured(hidden, LEVELS, by_level=True)
    assert asked == [SIZES, {"dram": 4 * SIZES["dram"]}]
    assert page.peaks["cpu.chase.read.dram.1"].value == 1.0 and not page.doubts
    assert "as fast as the last cache with 268 MB" in said[0] and "1.07 GB" in said[0]
    assert page.sizes == SIZES  # what this machine asks for, so that the page does not look stale

    page, asked, _ = measured(hidden, by_level=True)
    assert len(asked) == 2
    assert "slower than l2" in page.doubts["cpu.chase.read.dram.1"]


SHORT = Topology("cpu", "x86_64", "Linux", 1, GiB, MACHINE.caches, ())


def test_where_memory_is_short_there_is_no_larger_set():
    page, asked, _ = measured({**LEVELS, "read.dram.1": 3.0}, machine=SHORT, by_level=True)
    assert len(asked) == 1
    assert "slower than l2" in page.doubts["cpu.chase.read.dram.1"]


def test_where_memory_is_short_its_peaks_are_marked_and_no_others():
    page, asked, said = measured({**LEVELS, "copy.dram.1": 1.0}, machine=SHORT, by_level=True)
    assert len(asked) == 1 and not said
    assert list(page.doubts) == ["cpu.chase.read.dram.1", "cpu.chase.copy.dram.1"]
    (sentence,) = set(page.doubts.values())
    assert "its working set of 134 MB is not the 268 MB" in sentence and "may use 1.07 GB in all" in sentence
    page, *_ = measured({"read.dram.1": 1.0}, machine=SHORT)  # a probe that has no use for working sets
    assert not page.doubts


def test_a_page_is_stale_by_its_code_and_by_its_sizes():
    levels, plain = Fake(rounds=[LEVELS], by_level=True).probe, Fake().probe
    larger = Topology("cpu", "x86_64", "Linux", 1, 64 * GiB, (Cache("l1", 48 * KiB), Cache("l2", MiB)), ())
    page = take(levels, MACHINE, print)
    assert stale(page, levels, MACHINE) == ""
    assert stale(page, levels, larger) == "its working sets have changed"
    assert stale(take(plain, MACHINE, print), plain, larger) == ""
    assert stale(None, plain, MACHINE) == "not measured yet"
    assert stale(dataclasses.replace(page, peaks={}), levels, MACHINE) == "it holds nothing of l1, l2, dram"
    assert stale(dataclasses.replace(page, peaks={}), plain, MACHINE) == ""  # a probe may find nothing
    assert stale(dataclasses.replace(page, files="0"), levels, MACHINE) == ""
    assert stale(dataclasses.replace(page, digest="not looked at"), levels, MACHINE) == ""
    older = dataclasses.replace(page, files="0", digest="0")
    assert stale(older, levels, MACHINE) == "its code has changed"


def test_a_cell_that_left_one_thread_does_not_cut_the_passport_down():
    numba = pytest.importorskip("numba")
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        with _all_threads(before):
            assert numba.get_num_threads() == before
        assert numba.get_num_threads() == 1
    finally:
        numba.set_num_threads(before)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not count page faults for getrusage")
def test_only_the_first_touch_of_a_fresh_page_faults():
    import resource

    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        pages[::4096] = 1
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    heap = [np.ones(24 << 20, np.uint8) for _ in range(4)]
    del heap  # what an allocator may keep and hand out again
    for _ in range(3):
        pages = fresh_pages(32 << 20)
        assert faults() >= 16  # huge pages at the fewest
        assert faults() < 16


def test_a_page_fault_costs_more_than_nothing():
    cost = page_fault(fresh_pages)
    assert cost.unit == "s" and cost.n == 9
    assert cost.value > 0
