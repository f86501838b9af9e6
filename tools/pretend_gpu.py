"""Run a script or a module as if this machine had a CUDA card, to rehearse what will be done on one.

    NUMBA_ENABLE_CUDASIM=1 python tools/pretend_gpu.py -m lessons record roofline --rehearse --to FOLDER

Numba's kernels run in its simulator. Torch has none: tensors that are to lie on "cuda" lie on the CPU and claim
otherwise, the device's functions are stood in for, and its events tell the host's clock. So every line that a card
would run is run, and nothing is learnt of speed. The passport is made up, for there is nothing to be measured.
"""

from __future__ import annotations

import datetime
import runpy
import sys
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from lessons import passport, topology
from lessons.kernels.horner import cuda as horner
from lessons.kernels.strided import cuda as strided
from lessons.kernels.tools.device import SIMULATED
from lessons.passport import Passport
from lessons.topology import nvidia
from lessons.units import Quantity

NAME = "no card at all"
UNITS = {
    "bandwidth": "B/s",
    "transfer": "B/s",
    "flops": "FLOP/s",
    "matmul": "FLOP/s",
    "latency": "s",
    "cost": "s",
}
PEAKS = [
    *(f"bandwidth.{kind}.{level}" for kind in ("read", "copy", "triad") for level in ("l2", "dram")),
    *(f"latency.{level}" for level in ("l2", "dram")),
    *(f"flops.{dtype}" for dtype in ("float32", "float64")),
    *(f"matmul.{dtype}" for dtype in ("float32", "float16", "bfloat16")),
    *(f"transfer.{way}.{pages}" for way in ("h2d", "d2h") for pages in ("pinned", "pageable")),
    "cost.launch",
]


class OnTheHost(TorchFunctionMode):
    """Make on the CPU what is asked for on "cuda", and let every tensor say that it lies there."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func == torch.Tensor.is_cuda.__get__:  # another object at each look
            return True
        if func in (torch.Tensor.cuda, torch.Tensor.pin_memory):
            return args[0]
        named = {key: _host(value) for key, value in (kwargs or {}).items() if key != "pin_memory"}
        return func(*map(_host, args), **named)


def _host(value: Any) -> Any:
    is_device = isinstance(value, (str, torch.device)) and str(value).partition(":")[0] == "cuda"
    return "cpu" if is_device else value


class Generator(torch.Generator):
    """A generator of random numbers that stays on the CPU."""

    def __new__(cls, device: Any = "cpu") -> Generator:
        return super().__new__(cls, _host(device))


class Event:
    """A CUDA event by the host's clock."""

    def __init__(self, enable_timing: bool = False) -> None:
        self.at = 0.0

    def record(self, stream: Any = None) -> None:
        """Note the time."""
        self.at = perf_counter()

    def elapsed_time(self, end: Event) -> float:
        """Return milliseconds from this event to ``end``; what took no time took a nanosecond."""
        return max(1e-6, 1e3 * (end.at - self.at))


def install() -> None:
    """Put the stand-ins in place, for the rest of this process."""
    if not SIMULATED:
        sys.exit("set NUMBA_ENABLE_CUDASIM=1: without it Numba looks for a card")
    properties = SimpleNamespace(major=9, minor=0, multi_processor_count=1, total_memory=1 << 30)
    stand_ins = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "get_device_name": lambda device=None: NAME,
        "get_device_capability": lambda device=None: (properties.major, properties.minor),
        "get_device_properties": lambda device=None: properties,
        "is_current_stream_capturing": lambda: False,
        "synchronize": lambda device=None: None,
        "Event": Event,
    }
    for name, stand_in in stand_ins.items():
        setattr(torch.cuda, name, stand_in)
    torch.Generator = Generator  # type: ignore[misc]
    nvidia.devices = lambda root=None: (NAME,)  # type: ignore[assignment]
    passports = {"measure": made_up, "load_or_measure": made_up, "due": lambda path=None: {}}
    for name, stand_in in passports.items():
        setattr(passport, name, stand_in)
    # Each simulated thread is a thread of the system.
    horner.THREADS = 8
    strided.BLOCKS_PER_PROCESSOR = 1
    OnTheHost().__enter__()


def made_up(*arguments: Any, **named: Any) -> Passport:
    """Return a passport whose every rate is 1e9 and every time 1 µs."""
    here = topology.read()
    units = {peak: UNITS[peak.partition(".")[0]] for peak in PEAKS}
    return Passport(
        machine=here.to_json(),
        fingerprint=here.fingerprint(),
        date=datetime.date.today().isoformat(),
        versions={},
        peaks={f"cuda.{peak}": Quantity(1e-6 if unit == "s" else 1e9, unit) for peak, unit in units.items()},
    )


def main() -> None:
    """Run what the command line names, behind the stand-ins."""
    install()
    del sys.argv[0]
    if sys.argv[0] == "-m":
        del sys.argv[0]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, str(Path(sys.argv[0]).parent))
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
