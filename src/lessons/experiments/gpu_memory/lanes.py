"""How much float32 arithmetic a multiprocessor of this machine's card does in a clock."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lessons.passport import Passport

LANES, FEWER_LANES = 128, 64
FEWER = re.compile(r"\b(P100|V100|T4|A100|A30|TITAN (V|RTX)|Quadro RTX|RTX 20\d\d|GTX 16\d\d)\b", re.I)


def lanes(passport: Passport) -> int:
    """Return the float32 multiply-adds per clock and multiprocessor, by the card's name.

    Source:
        NVIDIA, CUDA C++ Programming Guide, "Arithmetic Instructions": 128 from compute capability 8.6 on, and 64 on
        6.0, 7.x and 8.0.
    """
    return FEWER_LANES if any(FEWER.search(name) for name in passport.machine["gpus"]) else LANES
