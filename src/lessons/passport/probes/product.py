"""This book's own products of a few rows, with ``lessons.kernels.gemv`` and ``lessons.kernels.packed``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from lessons.measure import time
from lessons.passport.probe import Probe, Progress
from lessons.units import Quantity

if TYPE_CHECKING:
    from lessons.topology import Topology

INPUTS, OUTPUTS = 1024, 2048
WIDE = 4096


def measure(
    machine: Topology, sizes: Mapping[str, int], progress: Progress
) -> Iterator[tuple[str, Quantity]]:
    """Yield FLOP/s (OP/s for int8) of one thread with as many rows as the kernel takes.

    So many rows share a weight that its bytes, some megabytes in all, are no cost: what is left is the arithmetic
    with all that the kernel does around it, such as widening 4-bit weights. The register peak leaves that out.
    """
    import numpy as np

    from lessons.kernels import gemv, packed

    def packed_product(arithmetic: str) -> Callable[[], object]:
        codes = np.full((OUTPUTS, INPUTS), 3, np.uint8)
        scales = np.full((OUTPUTS, INPUTS // 32), 1e-2, np.float32)
        weights = packed.pack(codes, scales, scales, format="Q4_1")
        x = np.full((packed.MAX_ROWS, INPUTS), 0.5, np.float32)
        return lambda: packed.linear(x, weights, arithmetic=arithmetic, threads=1)

    def float_product() -> Callable[[], object]:
        import torch

        weights = torch.full((OUTPUTS // 4, INPUTS), 1e-2)  # 2 MB: more would come from memory
        x = torch.full((gemv.MAX_ROWS, INPUTS), 0.5)
        return lambda: gemv.linear(x, weights, threads=1)

    plans = {
        "packed.int8": (packed_product("int8"), packed.MAX_ROWS * OUTPUTS, "OP/s"),
        "packed.float32": (packed_product("float32"), packed.MAX_ROWS * OUTPUTS, "FLOP/s"),
        "float32.float32": (float_product(), gemv.MAX_ROWS * OUTPUTS // 4, "FLOP/s"),
    }
    for name, (run, sums, unit) in plans.items():
        progress(f"product of a few rows: {name.replace('.', ', ')}")
        yield f"cpu.product.{name}", time(run, samples=15).rate(2 * sums * INPUTS, unit)
    progress("product of one row: wide and narrow matrices")
    yield "cpu.product.row_end", _row_end(sizes["dram"])


def _row_end(size: int) -> Quantity:
    """Return the seconds that each row of a float32 matrix costs beside its bytes, where it is multiplied by a vector.

    At the end of a row its sum is brought together from the lanes of a register. Two matrices of ``size`` bytes, one
    with rows eight times as wide as the other's, differ in nothing else.
    """
    import torch

    from lessons.kernels.gemv import linear
    from lessons.kernels.tools.buffers import aligned

    memory = torch.from_numpy(aligned(size // 4 // (WIDE * 16) * (WIDE * 16), "float32", 1e-2))
    narrow, wide = memory.view(-1, WIDE // 8), memory.view(-1, WIDE)

    def seconds(weights: torch.Tensor) -> Quantity:
        x = torch.full((1, weights.shape[1]), 0.5)
        return time(lambda: linear(x, weights, threads=1), samples=15).median()

    many, few, more = seconds(narrow), seconds(wide), len(narrow) - len(wide)
    value, low, high = (
        max(0.0, end) / more for end in (many.value - few.value, many.low - few.high, many.high - few.low)
    )
    return Quantity(value, "s", low, high, many.n)


PROBE = Probe(__name__, "cpu.product.", measure)
