"""The rule of the benchmarks: medians, "can't tell", and how often a process is repeated."""

import importlib.util
import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.measure.compare import Comparison
from lessons.units import Quantity

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("common", ROOT / "benchmarks" / "common.py")
common = importlib.util.module_from_spec(spec)
spec.loader.exec_module(common)


def run(ratio, guard=1.0, **fields):
    return {"ratio": ratio, "ours": ratio, "peer": 1.0, "unit": "B/s", "threads": 1, "guard": guard, **fields}


ratios = st.lists(st.floats(0.1, 10), min_size=5, max_size=5)


@given(ratios, st.floats(0.1, 10))
def test_the_bar_holds_exactly_when_three_of_five_reach_it(values, bar):
    result = common.summarise([run(v) for v in values], {"ratio": bar})
    assert (result["verdict"] == "holds") == (sum(v >= bar for v in values) >= 3)
    assert result["low"] == min(values) and result["high"] == max(values)
    assert result["low"] <= result["ratio"] <= result["high"]


@given(ratios, st.integers(0, 4), st.sampled_from([0.94, 1.06, 0.5, 2.0]))
def test_one_process_that_cannot_tell_forbids_a_verdict(values, place, guard):
    runs = [run(v) for v in values]
    runs[place]["guard"] = guard
    assert common.summarise(runs, {"ratio": 0.01})["verdict"] == "can't tell"


def test_every_bar_must_hold():
    runs = [run(1.0, other=x) for x in (1.1, 1.2, 1.3, 1.4, 1.5)]
    assert common.summarise(runs, {"ratio": 0.97, "other": 1.3})["verdict"] == "holds"
    assert common.summarise(runs, {"ratio": 0.97, "other": 1.31})["verdict"] == "misses"


def test_tables_are_merged_key_by_key_and_texts_are_kept():
    runs = [run(1.0, levels={"l1": {"ratio": x}}, note="same") for x in (3.0, 1.0, 2.0)]
    result = common.summarise(runs, {"ratio": 0.9})
    assert result["levels"] == {"l1": {"ratio": 2.0}}
    assert result["note"] == "same"
    assert "guard" not in result


@given(st.lists(st.booleans(), min_size=8, max_size=8))
def test_a_process_is_repeated_until_it_can_tell_and_three_times_at_most(quiet):
    made = [run(1.0, 1.0 if q else 1.2, number=i) for i, q in enumerate(quiet)]
    left = iter(made)
    last = common.settle(lambda: next(left))
    expected = next(itertools.chain((i for i in range(3) if quiet[i]), [3]))
    assert last["number"] == expected


@pytest.mark.parametrize(("unit", "ours", "peer"), [("B/s", 50.0, 25.0), ("s", 0.02, 0.04)])
def test_a_record_gives_rates_or_seconds_a_step(unit, ours, peer):
    comparison = Comparison(
        Quantity(2.0, "1", 1.9, 2.1), Quantity(2.0, "s"), Quantity(4.0, "s"), 1.01, "faster"
    )
    made = common.record(comparison, 100, unit, 1, extra=7)
    assert (made["ours"], made["peer"]) == pytest.approx((ours, peer))
    assert made["ratio"] == 2.0 and made["guard"] == 1.01 and made["extra"] == 7


def test_a_script_runs_five_fresh_processes_and_prints_one_object(tmp_path):
    script = tmp_path / "sample.py"
    script.write_text(
        f"""import os, sys
sys.path.insert(0, {str(ROOT / "benchmarks")!r})
import common
def once():
    with open({str(tmp_path / "processes")!r}, "a") as file:
        file.write(f"{{os.getpid()}}\\n")
    return dict(ratio=1.5, low=1.4, high=1.6, ours=3.0, peer=2.0, unit="B/s", threads=1, guard=1.0)
common.main(once, bar=1.2)
"""
    )
    done = subprocess.run([sys.executable, str(script), "--json"], check=True, capture_output=True, text=True)
    assert done.stderr.count("sample.py: ratio 1.500, guard 1.000\n") == 5
    result = json.loads(done.stdout)
    assert {"ratio", "low", "high", "ours", "peer", "unit", "threads", "verdict"} <= set(result)
    assert result["verdict"] == "holds"
    assert len(set((tmp_path / "processes").read_text().split())) == 5
