"""What a processor calls itself."""

from __future__ import annotations

import platform
import re
from pathlib import Path

from lessons.topology.told import answer, told

CPUINFO = Path("/proc/cpuinfo")


def name(cpuinfo: Path = CPUINFO) -> str:
    """Return the processor's name, such as "AMD EPYC 9B14", "Neoverse-V2" or "Apple M3".

    Linux on x86 tells it in ``cpuinfo``. On Arm there are numbers only, which ``lscpu`` knows the names of. macOS
    tells it through ``sysctl``. Where nobody tells, the numbers or the architecture stand for it.
    """
    text = told(cpuinfo)
    return (
        _joined(r"^model name\s*:\s*(.+)$", text)
        or _joined(r"^Model name:\s*(.+)$", answer("lscpu"))
        or answer("sysctl", "-n", "machdep.cpu.brand_string").strip()
        or _numbers(text)
        or platform.processor()
        or platform.machine()
    )


def _joined(pattern: str, text: str) -> str:
    """Return what ``pattern`` finds, each once: a processor may have two kinds of cores."""
    found = (match.strip() for match in re.findall(pattern, text, flags=re.MULTILINE))
    return " + ".join(dict.fromkeys(word for word in found if word not in ("", "-")))


def _numbers(cpuinfo: str) -> str:
    """Return an Arm processor's own numbers: "Arm 0x41 0xd0c"."""
    maker, part = (_joined(rf"^CPU {key}\s*:\s*(\w+)$", cpuinfo) for key in ("implementer", "part"))
    return f"Arm {maker} {part}" if maker and part else ""
