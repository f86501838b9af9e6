"""Wrong: a launch is paid once per line."""

from typing import NamedTuple


class Line(NamedTuple):
    name: str
    launches: int
    flop: float
    bytes: float
    seconds: float


class Finding(NamedTuple):
    name: str
    regime: str
    share: float
    lost: float


def diagnose(trace, peak, bandwidth, launch):
    found = []
    for line in trace:
        times = {
            "arithmetic": line.flop / peak,
            "bandwidth": line.bytes / bandwidth,
            "overhead": launch,
        }
        regime = max(times, key=times.get)
        bound = times[regime]
        share = bound / line.seconds
        found.append(
            Finding(line.name, regime if share >= 0.5 else "neither", share, max(0.0, line.seconds - bound))
        )
    return sorted(found, key=lambda finding: -finding.lost)
