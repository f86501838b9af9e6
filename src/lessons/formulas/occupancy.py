"""How many blocks and warps a streaming multiprocessor holds at once, and which of its limits decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lessons.formulas.checks import whole
from lessons.formulas.warp import LANES

if TYPE_CHECKING:
    from lessons.datasheets import GpuLimits


class Occupancy(NamedTuple):
    """What one multiprocessor holds of a kernel.

    Attributes:
        blocks: resident blocks.
        warps: resident warps.
        share: of the warps that it can hold: what NVIDIA calls occupancy, 0 to 1.
        by: blocks that each limit alone would allow: "warps", "blocks", "registers", "shared memory".
    """

    blocks: int
    warps: int
    share: float
    by: dict[str, int]

    @property
    def limited_by(self) -> list[str]:
        """The limits that decide: those that allow no more blocks than there are."""
        return [name for name, blocks in self.by.items() if blocks == self.blocks]


def occupancy(
    limits: GpuLimits, threads: int, registers: int, shared: int = 0, carveout: int | None = None
) -> Occupancy:
    """Return how many blocks of a kernel one multiprocessor holds.

    Args:
        limits: of its compute capability: ``lessons.datasheets.gpu_limits("9.0")``.
        threads: of a block.
        registers: of a thread, as the compiler tells (``ptxas -v``).
        shared: bytes of shared memory of a block, static and dynamic.
        carveout: bytes of the multiprocessor's shared memory, which the next size that there is rounds up; None for
            the largest. One that is too small for a single block is raised until a block fits.

    Raises:
        ValueError: for a block that no multiprocessor of this kind can hold.

    Source:
        NVIDIA, CUDA C++ Best Practices Guide, section "Calculating Occupancy", and the rules of the toolkit's
        cuda_occupancy.h: registers are given out per warp, in units, within a partition; shared memory per block, in
        units, with what the driver reserves.
    """
    whole(threads=threads, registers=registers)
    whole(0, shared=shared)
    warps = -(-threads // LANES)
    by_warp = _up(registers * LANES, limits.register_unit)
    # A launch is refused as if each partition took a warp at the same time.
    block_registers = by_warp * _up(warps, limits.partitions)
    for name, value, most, remedy in (
        ("threads of a block", threads, limits.threads_per_block, "make the block smaller"),
        ("registers of a thread", registers, limits.registers_per_thread, "the compiler spills the others"),
        ("registers of a block", block_registers, limits.registers, "give it fewer threads or registers"),
        ("bytes of shared memory of a block", shared, limits.shared_per_block, "make its tiles smaller"),
    ):
        if value > most:
            raise ValueError(
                f"{name}: {value:,}, but compute capability {limits.capability} allows {most:,}; {remedy}"
            )
    block_shared = _up(shared + limits.shared_reserved, limits.shared_unit)
    in_partition = limits.registers // limits.partitions // by_warp
    by = {
        "warps": limits.warps // warps,
        "blocks": limits.blocks,
        "registers": limits.partitions * in_partition // warps,
    }
    if block_shared:
        by["shared memory"] = _shared_bytes(limits, block_shared, carveout) // block_shared
    blocks = min(by.values())
    return Occupancy(blocks, blocks * warps, blocks * warps / limits.warps, by)


def _shared_bytes(limits: GpuLimits, block: int, carveout: int | None) -> int:
    """Return the least size that there is of at least the carve-out and of one block, or the largest."""
    wanted = limits.shared_bytes if carveout is None else max(carveout, block)
    return next((size for size in limits.carveouts if size >= wanted), limits.shared_bytes)


def _up(value: int, unit: int) -> int:
    """Return ``value`` rounded up to a multiple of ``unit``."""
    return -(-value // unit) * unit
