"""The occupancy of a multiprocessor against published cases and against blocks that are placed one by one."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons import datasheets
from lessons.formulas.occupancy import occupancy
from lessons.units import KiB

LIMITS = list(datasheets.table("gpu_limits").values())
every_kind = pytest.mark.parametrize("limits", LIMITS, ids=lambda limits: limits.capability)
kernels = {
    "limits": st.sampled_from(LIMITS),
    "threads": st.integers(1, 1024),
    "registers": st.integers(1, 255),
    "shared": st.integers(0, 100 * KiB),
}


@pytest.mark.parametrize(
    ("capability", "threads", "registers", "shared", "blocks", "percent", "by"),
    [
        # CUDA C++ Best Practices Guide, "Calculating Occupancy".
        ("7.0", 128, 32, 0, 16, 100, ["warps", "registers"]),
        ("7.0", 128, 37, 0, 12, 75, ["registers"]),
        ("7.0", 320, 37, 0, 4, 63, ["registers"]),
        # CUDA Programming Guide, the example of an SM of 10.0 with blocks of 32 threads.
        ("10.0", 32, 32, 0, 32, 50, ["blocks"]),
        # S. Boehm, How to Optimize a CUDA Matmul Kernel, kernel 3 on an A6000.
        ("8.6", 1024, 37, 8 * KiB, 1, 67, ["warps", "registers"]),
        # An Ada card: 80 registers leave 3 blocks of 256 threads, 64 leave 4; 4 blocks have 24 KiB each.
        ("8.9", 256, 80, 0, 3, 50, ["registers"]),
        ("8.9", 256, 64, 0, 4, 67, ["registers"]),
        ("8.9", 256, 32, 24 * KiB, 4, 67, ["shared memory"]),
        ("8.9", 256, 32, 24 * KiB + 1, 3, 50, ["shared memory"]),
        # 8 warps are left where each thread uses all registers that it may: Austin et al., How to Scale Your Model.
        ("9.0", 32, 255, 0, 8, 12, ["registers"]),
        ("9.0", 128, 32, 227 * KiB, 1, 6, ["shared memory"]),
    ],
)
def test_published_cases(capability, threads, registers, shared, blocks, percent, by):
    found = occupancy(datasheets.gpu_limits(capability), threads, registers, shared)
    assert (found.blocks, found.limited_by) == (blocks, by)
    assert 100 * found.share == pytest.approx(percent, abs=0.51)
    assert found.warps == blocks * -(-threads // 32)


def placed(limits, threads, registers, shared):
    """Return how many blocks fit, placing each warp in the partition with most room until one finds none."""
    file = [limits.registers // limits.partitions] * limits.partitions
    need = -(-32 * registers // limits.register_unit) * limits.register_unit
    memory = -(-(shared + limits.shared_reserved) // limits.shared_unit) * limits.shared_unit
    warps = blocks = used = 0
    while blocks < limits.blocks and used + memory <= limits.shared_bytes:
        used += memory
        for _ in range(-(-threads // 32)):
            roomy = max(range(limits.partitions), key=file.__getitem__)
            if warps == limits.warps or file[roomy] < need:
                return blocks
            file[roomy] -= need
            warps += 1
        blocks += 1
    return blocks


def fits(limits, threads, registers, shared=0):
    try:
        return occupancy(limits, threads, registers, shared)
    except ValueError:
        return None


@given(**kernels)
def test_as_many_blocks_as_find_a_place_one_by_one(limits, threads, registers, shared):
    found = fits(limits, threads, registers, shared)
    if found is not None:
        assert found.blocks == placed(limits, threads, registers, shared) >= 1


@given(**kernels, more=st.integers(1, 64))
def test_a_larger_block_never_comes_more_often(limits, threads, registers, shared, more):
    found = fits(limits, threads, registers, shared)
    for larger in (
        (threads + more, registers, shared),
        (threads, registers + more, shared),
        (threads, registers, shared + 64 * more),
    ):
        other = fits(limits, *larger)
        if other is not None:
            assert found is not None and other.blocks <= found.blocks


@given(**kernels, carveout=st.integers(0, 228 * KiB))
def test_a_carve_out_takes_no_block_but_of_what_shared_memory_holds(
    limits, threads, registers, shared, carveout
):
    whole = fits(limits, threads, registers, shared)
    if whole is None:
        return
    part = occupancy(limits, threads, registers, shared, carveout)
    assert 1 <= part.blocks <= whole.blocks
    assert {k: v for k, v in part.by.items() if k != "shared memory"} == {
        k: v for k, v in whole.by.items() if k != "shared memory"
    }
    assert occupancy(limits, threads, registers, shared, limits.shared_bytes) == whole


def test_a_carve_out_is_rounded_up_to_a_size_that_there_is():
    h100 = datasheets.gpu_limits("9.0")
    # 15 KiB and the driver's own in 33 -> 64 KiB: four blocks. In 1 KiB none would fit, so it becomes 16.
    assert occupancy(h100, 128, 32, 15 * KiB, 33 * KiB).by["shared memory"] == 4
    assert occupancy(h100, 128, 32, 15 * KiB, KiB).by["shared memory"] == 1


@every_kind
def test_the_limits_of_a_kind_hang_together(limits):
    assert limits.carveouts == tuple(sorted(set(limits.carveouts)))
    assert limits.carveouts[-1] == limits.shared_bytes
    assert limits.key == f"cc_{limits.capability.replace('.', '')}"
    assert occupancy(limits, 1024, limits.registers // 1024).blocks >= 1


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        ((1025, 32), "threads of a block: 1,025, but compute capability 9.0 allows 1,024; make"),
        ((128, 256), "registers of a thread: 256, but compute capability 9.0 allows 255; the compiler"),
        ((1024, 72), "registers of a block: 73,728, but compute capability 9.0 allows 65,536; give"),
        ((128, 32, 228 * KiB), "233,472, but compute capability 9.0 allows 232,448; make its tiles"),
        ((0, 32), "threads is 0"),
        ((32, 0), "registers is 0"),
        ((32, 32, -1), "shared is -1"),
    ],
)
def test_a_block_that_no_multiprocessor_holds_is_refused_with_a_remedy(kernel, message):
    with pytest.raises(ValueError, match=message):
        occupancy(datasheets.gpu_limits("9.0"), *kernel)


def test_without_partitions_the_guides_second_case_comes_out_wrong():
    """What plain division gives: the mutation that the published case must catch."""
    volta = datasheets.gpu_limits("7.0")
    names = [name for name in dir(volta) if not name.startswith("_")]
    whole = SimpleNamespace(**{**{name: getattr(volta, name) for name in names}, "partitions": 1})
    assert occupancy(whole, 320, 37).blocks == 5
