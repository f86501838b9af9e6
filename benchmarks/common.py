"""The rule behind every bar: five fresh processes, each with the peer against itself as a guard.

Speeds differ from one process to the next more than within one, so one process proves little. A benchmark is one
function that measures once and returns a record; ``main`` runs it in five fresh processes and takes the median.
A process in which the peer differs from itself by more than 5 % cannot tell, and is repeated.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

from lessons.measure import Comparison
from lessons.measure.compare import GUARD
from lessons.measure.stats import median
from lessons.units import format_value

Record = dict[str, Any]

PROCESSES = 5
REPEATS = 3


def record(comparison: Comparison, amount: float, unit: str, threads: int, **fields: Any) -> Record:
    """Return a comparison as the record that ``main`` wants.

    Args:
        comparison: from ``lessons.measure.compare``: the peer's time over ours.
        amount: what one call does, in the unit times seconds: bytes for "B/s", tokens for "tokens/s". With the
            unit "s" it is the number of steps in a call, and ours and peer become seconds a step.
        unit: of ``ours`` and ``peer``.
        threads: threads of both sides.
        fields: further figures to print.
    """
    ours, peer = comparison.ours.value, comparison.peer.value
    return {
        "ratio": comparison.ratio.value,
        "low": comparison.ratio.low,
        "high": comparison.ratio.high,
        "ours": ours / amount if unit == "s" else amount / ours,
        "peer": peer / amount if unit == "s" else amount / peer,
        "unit": unit,
        "threads": threads,
        "guard": comparison.guard,
        **fields,
    }


def can_tell(run: Record) -> bool:
    """Tell whether the peer was equal to itself in this process."""
    return GUARD[0] <= run["guard"] <= GUARD[1]


def settle(measure: Callable[[], Record], repeats: int = REPEATS) -> Record:
    """Measure in a fresh process, and again up to ``repeats`` times while it cannot tell; return the last."""
    run = measure()
    for _ in range(repeats):
        if can_tell(run):
            break
        run = measure()
    return run


def summarise(runs: list[Record], bars: Mapping[str, float]) -> Record:
    """Return one record for all processes: medians, the range of the ratios, and the verdict.

    Args:
        runs: one record a process.
        bars: the least median of each named field.

    Returns:
        Every number is the median over the processes; ``low`` and ``high`` are the least and the greatest ratio;
        ``verdict`` is "holds", "misses" or "can't tell".
    """
    result = {key: _middle([run[key] for run in runs]) for key in runs[0] if key != "guard"}
    ratios = [run["ratio"] for run in runs]
    result["low"], result["high"] = min(ratios), max(ratios)
    result["ratios"] = ratios
    if not all(can_tell(run) for run in runs):
        result["verdict"] = "can't tell"
    else:
        result["verdict"] = "holds" if all(result[key] >= bar for key, bar in bars.items()) else "misses"
    return result


def _middle(values: list[Any]) -> Any:
    """Return the median of numbers, key by key in a table; of anything else the first."""
    first = values[0]
    if isinstance(first, bool) or not isinstance(first, (int, float, dict)):
        return first
    if isinstance(first, dict):
        return {key: _middle([value[key] for value in values]) for key in first}
    return median(values)


def main(
    measure_once: Callable[[], Record], bar: float, other_bars: Mapping[str, float] | None = None
) -> None:
    """Run a benchmark's script: ``--once`` measures in this process, otherwise five fresh processes do.

    Args:
        measure_once: returns a record with ratio, low, high, ours, peer, unit, threads, guard, and any further
            fields. A ratio above 1 is better for us.
        bar: the least median ratio.
        other_bars: bars on further fields.
    """
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--once", action="store_true", help="measure once, in this process")
    args = parser.parse_args()
    if args.once:
        print(json.dumps(measure_once()))
        return
    bars = {"ratio": bar, **(other_bars or {})}
    result = summarise([settle(_fresh_process) for _ in range(PROCESSES)], bars)
    print(json.dumps(result) if args.json else _describe(result, bars))


def _fresh_process() -> Record:
    command = [sys.executable, sys.argv[0], "--once"]
    run = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    again = "" if can_tell(run) else ": can't tell"
    print(
        f"{sys.argv[0]}: ratio {run['ratio']:.3f}, guard {run['guard']:.3f}{again}",
        file=sys.stderr,
        flush=True,
    )
    return run


def _describe(result: Record, bars: Mapping[str, float]) -> str:
    ours, peer = (format_value(result[side], result["unit"]) for side in ("ours", "peer"))
    lines = [f"{sys.argv[0]}: {result['verdict']}: ours {ours}, peer {peer}, {result['threads']} thread(s)"]
    lines += [f"  {name} {result[name]:.3f}, bar {bar}" for name, bar in bars.items()]
    lines += [f"  between processes {result['low']:.3f} to {result['high']:.3f}"]
    return "\n".join(lines)
