"""NVIDIA's cards: which can be used here, and what is to be recorded of one. No serial numbers, no host."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# What a driver leaves behind on Linux, on WSL2 and on a Jetson.
MARKS = ("proc/driver/nvidia/version", "dev/nvidiactl", "dev/dxg", "dev/nvmap")

# What stands beside a recorded number, asked of NVML (the library) about a card (its handle there).
FIELDS: dict[str, Callable[[Any, Any], str]] = {
    "device": lambda nvml, card: nvml.nvmlDeviceGetName(card),
    "driver": lambda nvml, card: nvml.nvmlSystemGetDriverVersion(),
    "memory": lambda nvml, card: f"{nvml.nvmlDeviceGetMemoryInfo(card).total >> 20} MiB",
    "bus_width": lambda nvml, card: f"{nvml.nvmlDeviceGetMemoryBusWidth(card)} bit",
    "clock_sm": lambda nvml, card: f"{nvml.nvmlDeviceGetClockInfo(card, nvml.NVML_CLOCK_SM)} MHz",
    "clock_sm_max": lambda nvml, card: f"{nvml.nvmlDeviceGetMaxClockInfo(card, nvml.NVML_CLOCK_SM)} MHz",
    "clock_memory": lambda nvml, card: f"{nvml.nvmlDeviceGetClockInfo(card, nvml.NVML_CLOCK_MEM)} MHz",
    "clock_memory_max": lambda nvml, card: f"{nvml.nvmlDeviceGetMaxClockInfo(card, nvml.NVML_CLOCK_MEM)} MHz",
    "power_cap": lambda nvml, card: f"{nvml.nvmlDeviceGetPowerManagementLimit(card) / 1000:.2f} W",
    "ecc": lambda nvml, card: "Enabled" if nvml.nvmlDeviceGetEccMode(card)[0] else "Disabled",
    "mig": lambda nvml, card: "Enabled" if nvml.nvmlDeviceGetMigMode(card)[0] else "Disabled",
    "pcie_generation": lambda nvml, card: str(nvml.nvmlDeviceGetCurrPcieLinkGeneration(card)),
    "pcie_width": lambda nvml, card: str(nvml.nvmlDeviceGetCurrPcieLinkWidth(card)),
}
# The same as nvidia-smi calls it, for machines without NVML's Python package. It does not tell the bus's width.
QUERIES = {
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

# What torch knows of it, of a device's properties there, for machines with neither.
PROPERTIES: dict[str, Callable[[Any], str]] = {
    "bus_width": lambda properties: f"{properties.memory_bus_width} bit",
    "clock_memory_max": lambda properties: f"{properties.memory_clock_rate // 1000} MHz",  # it says kHz
}


def devices(root: Path = Path("/")) -> tuple[str, ...]:
    """Return the names of the CUDA devices that torch can use, none where it can use none; nothing is raised.

    Torch takes a second to import, so it is asked only where NVML sees a card or a driver has left its marks. Its
    word counts: a build for the processor alone, or ``$CUDA_VISIBLE_DEVICES``, may leave a card unused. Where torch
    is not installed, NVML's word counts.
    """
    with _nvml() as nvml:
        known = tuple(name for name, _ in _cards(nvml))
    if not known and not any(mark.exists() for mark in _marks(root)):
        return ()
    try:
        import torch

        return tuple(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
    except ModuleNotFoundError:
        return known
    except Exception:  # a driver too old, a library that does not load: there is nothing to be used
        return ()


def card(name: str) -> dict[str, str]:
    """Return what is to be recorded of the first card called ``name``, by the keys of ``FIELDS``.

    Args:
        name: as ``devices`` returns it; torch adds the slice's size to the name of a card that MIG has cut.

    Returns:
        Texts with their units ("700.00 W", "1980 MHz"). NVML is asked first; without its package nvidia-smi and
        torch are. What none of them tells is left out.
    """
    with _nvml() as nvml:
        for its_name, found in _cards(nvml):
            if name.startswith(its_name):
                answers = {}
                for key, ask in FIELDS.items():
                    with contextlib.suppress(nvml.NVMLError, AttributeError):
                        answers[key] = ask(nvml, found)
                return answers
    return {**ask_torch(name), **parse(ask_nvidia_smi(), name)}


def ask_torch(name: str) -> dict[str, str]:
    """Return what torch knows of its first device called ``name``, by the keys of ``PROPERTIES``."""
    answers = {}
    with contextlib.suppress(Exception):  # no torch, no device, a driver that does not load
        import torch

        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        properties = torch.cuda.get_device_properties(names.index(name))
        for key, ask in PROPERTIES.items():
            with contextlib.suppress(AttributeError):  # torch before 2.9
                answers[key] = ask(properties)
    return answers


def ask_nvidia_smi() -> str:
    """Return what nvidia-smi says of all cards, a line of comma-separated values each, or an empty text."""
    command = ["nvidia-smi", f"--query-gpu={','.join(QUERIES.values())}", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def parse(lines: str, name: str) -> dict[str, str]:
    """Return the first line of ``ask_nvidia_smi`` that is of a card called ``name``, by the keys of ``QUERIES``."""
    for line in lines.splitlines():
        values = [value.strip() for value in line.split(",")]
        if len(values) == len(QUERIES) and name.startswith(values[0]):
            return {key: value for key, value in zip(QUERIES, values) if value and not value.startswith("[")}
    return {}


@contextlib.contextmanager
def _nvml() -> Iterator[Any]:
    """Yield NVML, ready to be asked, or None where its Python package or the driver is missing."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # several packages go by this name, and each has its own ways to fail
        yield None
        return
    try:
        yield pynvml
    finally:
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _cards(nvml: Any) -> list[tuple[str, Any]]:
    """Return the name and the handle of each card, none where there is no NVML."""
    if nvml is None:
        return []
    try:
        handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
        return [(nvml.nvmlDeviceGetName(handle), handle) for handle in handles]
    except nvml.NVMLError:
        return []


def _marks(root: Path) -> Iterator[Path]:
    yield from (root / mark for mark in MARKS)
    yield Path(os.environ.get("SYSTEMROOT", root / "Windows")) / "System32" / "nvcuda.dll"
