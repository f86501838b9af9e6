"""Which bytes the warps of a CUDA kernel touch, logged by Numba's simulator in a process of its own.

The simulator runs each CUDA thread as a thread of Python, and a kernel's arrays are whatever it is given: here, arrays
that note each read and write. Accesses of the 32 lanes of a warp belong together where they were made by the same
expression of the kernel's source, the n-th time that each lane came there. So lanes that take another branch are idle
in it, as on a device.

What is logged is what the kernel's source says. An index that leaves a row of 8 or 16 bytes (``row = x[i]`` with x of
shape (n, 4) and float32) is logged as one access of that width, as CUDA C's ``float4`` makes it; Numba may compile it
to four loads. No order between warps, no cache and no time is simulated.

The simulator must be chosen before Numba is imported, and a process cannot change its mind: hence the child.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from lessons.errors import LessonError
from lessons.formulas.warp import LANES, WIDTHS

if TYPE_CHECKING:
    import numpy as np

SHARED = "shared"  # the name of a shared array in the log; a second one of a kernel is "shared 2"
LIMIT = 120  # seconds for the child, whose work takes about two


class Launch(NamedTuple):
    """A kernel ``(x, out, *args)`` and what it is run with: one block.

    Attributes:
        kernel: made by ``numba.cuda.jit``.
        shape: of x, which holds 0, 1, 2, ... in row-major order.
        dtype: of x, and of out, which has one element per thread.
        args: whatever else the kernel takes; NumPy arrays are logged as "table".
        threads: of the block.
    """

    kernel: Any
    shape: tuple[int, ...]
    dtype: str = "float32"
    args: tuple[Any, ...] = ()
    threads: int = LANES


class Access(NamedTuple):
    """What the lanes of one warp did with one array by one instruction.

    Attributes:
        array: "x", "out", "table", or "shared".
        kind: "read" or "write".
        width: bytes per lane.
        addresses: for each of the 32 lanes the byte address, counted from the start of the array, which lies on a
            multiple of 128 bytes; None where the lane took no part.
    """

    array: str
    kind: str
    width: int
    addresses: tuple[int | None, ...]


class Run(NamedTuple):
    """What one launch left: its accesses in the order of the kernel, warp by warp, and ``out``."""

    accesses: tuple[Access, ...]
    out: tuple[float, ...]


@cache
def record(module: str) -> Mapping[str, Run]:
    """Run every launch of a module in the simulator, in one child process, and return what each did, by its name.

    Args:
        module: a dotted name; the module has ``LAUNCHES``, a mapping from names to ``Launch``.

    Raises:
        LessonError: when the child cannot run them, with its last word.
    """
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    command = [sys.executable, "-m", __name__, module]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LessonError(f"{_NOT_RUN} ({error})") from None
    if done.returncode:
        raise LessonError(f"{_NOT_RUN} ({(done.stderr.strip().splitlines() or ['no word'])[-1]})")
    return {
        name: Run(
            tuple(Access(array, kind, width, tuple(lanes)) for array, kind, width, lanes in accesses),
            tuple(out),
        )
        for name, (accesses, out) in json.loads(done.stdout).items()
    }


_NOT_RUN = "Numba's CUDA simulator did not run the kernels; see that `numba` is installed, and try again"


class Recorder:
    """What all threads of one launch did, one event for each read and write."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def note(self, array: str, kind: str, address: int, width: int, frame: Any) -> None:
        """Note what this thread does at the instruction where ``frame`` stands. Safe from any thread."""
        import threading

        me: Any = threading.current_thread()
        instruction = frame.f_code, _position(frame.f_code, frame.f_lasti)
        self.events.append((tuple(me.blockIdx), me.thread_id, instruction, array, kind, address, width))

    def accesses(self) -> list[Access]:
        """Return the events of each warp and instruction as one access, in the order of the warp's first lane."""
        turns: Counter[Any] = Counter()
        made: Counter[Any] = Counter()
        found: dict[Any, list[Any]] = {}
        for block, thread, instruction, array, kind, address, width in self.events:
            warp, lane = (block, thread // LANES), thread % LANES
            turn = turns[block, thread, instruction, kind]
            order = made[block, thread]
            turns[block, thread, instruction, kind] += 1
            made[block, thread] += 1
            key = warp, instruction, turn, array, kind, width
            first, addresses = found.setdefault(key, [order, [None] * LANES])
            found[key][0] = min(first, order)
            addresses[lane] = address
        ordered = sorted(found.items(), key=lambda item: (item[0][0], item[1][0]))
        return [
            Access(array, kind, width, tuple(addresses))
            for (_, _, _, array, kind, width), (_, addresses) in ordered
        ]


@cache
def _position(code: Any, place: int) -> Any:
    """Return where in the source an instruction stands.

    ``f_lasti`` itself will not do: once Python has specialized ``x[i]``, it names another place in that instruction.
    """
    return list(code.co_positions())[place // 2]


class Logged:
    """A row-major array that notes what it is asked for; to the simulator it is an argument like a number."""

    def __init__(self, recorder: Recorder, name: str, data: np.ndarray) -> None:
        self.recorder, self.name, self.data = recorder, name, data
        self.shape, self.size, self.dtype = data.shape, data.size, data.dtype

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: Any) -> Any:
        self._note("read", index, sys._getframe(1))
        value = self.data[index]
        return value.copy() if hasattr(value, "copy") else value

    def __setitem__(self, index: Any, value: Any) -> None:
        self._note("write", index, sys._getframe(1))
        self.data[index] = value

    def _note(self, kind: str, index: Any, frame: Any) -> None:
        places = [int(i) for i in (index if isinstance(index, tuple) else (index,))]
        if any(not 0 <= i < n for i, n in zip(places, self.shape, strict=False)):
            raise IndexError(f"index {index} is outside of {self.name}, whose shape is {self.shape}")
        width, address = self.data[tuple(places)].nbytes, 0
        for i, step in zip(places, self.data.strides):
            address += i * step
        if width not in WIDTHS:
            raise IndexError(
                f"{self.name}[{index}] has {width} bytes, but a lane moves 16 at most; index a single element of it"
            )
        if address % width:
            raise ValueError(f"misaligned address: {width} bytes at byte {address} of {self.name}")
        self.recorder.note(self.name, kind, address, width, frame)


def _log_shared(recorder: Recorder) -> None:
    """Let ``cuda.shared.array`` of the simulator give logged arrays, one for each place in the kernel."""
    from numba.cuda.simulator import kernelapi

    class Shared(kernelapi.FakeCUDAShared):  # type: ignore[misc,name-defined]
        def array(self, shape: Any, dtype: Any, alignment: Any = None) -> Any:
            import numpy as np

            frame = sys._getframe(1)
            place = frame.f_code, frame.f_lasti
            # As many threads come here at once as there are; setdefault gives all of them the first one's array.
            number = len(self._allocations) + 1
            name = SHARED if number == 1 else f"{SHARED} {number}"
            kind = np.dtype(str(dtype) if hasattr(dtype, "bitwidth") else dtype)
            return self._allocations.setdefault(place, Logged(recorder, name, np.zeros(shape, kind)))

    kernelapi.FakeCUDAShared = Shared  # type: ignore[misc]


def _run(launch: Launch) -> tuple[list[Access], list[float]]:
    import numpy as np

    recorder = Recorder()
    _log_shared(recorder)
    x = np.arange(np.prod(launch.shape)).astype(launch.dtype).reshape(launch.shape)
    out = np.zeros(launch.threads, launch.dtype)
    logged = Logged(recorder, "x", x), Logged(recorder, "out", out)
    args = [Logged(recorder, "table", a) if isinstance(a, np.ndarray) else a for a in launch.args]
    launch.kernel[1, launch.threads](*logged, *args)
    return recorder.accesses(), out.tolist()


def main(arguments: Sequence[str]) -> int:
    """Run the launches of the module that is named, and print what they did as JSON."""
    import importlib

    launches = importlib.import_module(arguments[0]).LAUNCHES
    json.dump({name: _run(launch) for name, launch in launches.items()}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
