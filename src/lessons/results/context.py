"""What stands beside a recorded number: card, driver, clocks, power cap, ECC, MIG state, versions. No names."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version

# Our name for each field of nvidia-smi. Nothing here tells the host, the user or the card's serial number.
FIELDS = {
    "device": "name",
    "driver": "driver_version",
    "memory": "memory.total",
    "clock_sm": "clocks.sm",
    "clock_sm_max": "clocks.max.sm",
    "clock_memory": "clocks.mem",
    "clock_memory_max": "clocks.max.mem",
    "power_cap": "power.limit",
    "ecc": "ecc.mode.current",
    "mig": "mig.mode.current",
    "pcie_generation": "pcie.link.gen.current",
    "pcie_width": "pcie.link.width.current",
}
PACKAGES = ("lessons", "numpy", "numba", "numba-cuda", "torch")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that make the numbers; what is missing is left out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def query_card() -> str:
    """Return what nvidia-smi says of the first card, one line of comma-separated values, or an empty text."""
    command = ["nvidia-smi", "-i", "0", f"--query-gpu={','.join(FIELDS.values())}", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def parse_card(line: str) -> dict[str, str]:
    """Parse a line of ``query_card``; fields that the driver does not support are left out.

    Returns:
        By the keys of ``FIELDS``, with the units that the driver writes ("700.00 W", "1980 MHz").
    """
    values = [value.strip() for value in line.strip().split(",")]
    if len(values) != len(FIELDS):
        return {}
    return {key: value for key, value in zip(FIELDS, values) if value and not value.startswith("[")}
