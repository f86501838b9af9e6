"""Build it: read a trace, and say for each line what limits it and what is left to gain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Line(NamedTuple):
    """One operation of a trace.

    Attributes:
        name: of the operation.
        launches: how often it was launched.
        flop: FLOP of all launches together.
        bytes: that had to move, of all launches together.
        seconds: that all launches together took.
    """

    name: str
    launches: int
    flop: float
    bytes: float
    seconds: float


class Finding(NamedTuple):
    """What a line of a trace shows.

    Attributes:
        name: of the operation.
        regime: "arithmetic", "bandwidth" or "overhead": the roof that gives the longest bound. "neither" where the
            operation reaches less than half of that roof: then something else limits it.
        share: the bound over the time: how much of its roof the operation reaches.
        lost: seconds above the bound, 0 where there are none.
    """

    name: str
    regime: str
    share: float
    lost: float


def diagnose(trace: Iterable[Line], peak: float, bandwidth: float, launch: float) -> list[Finding]:
    """Return a finding for each line, the one that lost the most seconds first.

    The bound of a line is the longest of three times: its FLOP at ``peak``, its bytes at ``bandwidth``, and its
    launches at ``launch`` seconds each. Where two are equally long, arithmetic comes before bandwidth, and bandwidth
    before overhead.

    Args:
        trace: the lines.
        peak: FLOP/s.
        bandwidth: B/s.
        launch: seconds of one launch.
    """
    raise NotImplementedError("write diagnose(): exercises/roofline/diagnose.py")
