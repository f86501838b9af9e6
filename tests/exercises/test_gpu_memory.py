"""The numbers in the chapter's solutions, computed."""

import importlib.util
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pages import exercises, program, solution

from lessons.datasheets import accelerator
from lessons.formulas import warp
from lessons.formulas.memory import bytes_in_flight, concurrency_bandwidth
from lessons.units import KiB, format_value

SLUG = "gpu_memory"
CARD = accelerator("h100_sxm")
CLOCK, LATENCY, L2 = 1.755e9, 650 / 1.755e9, 5.5e12
BOOST = 1.98e9  # Hz at which the float32 rate is printed
WARPS, LANES = 64, 32
LANE = st.one_of(st.none(), st.integers(0, 255))
NEEDED = bytes_in_flight(CARD.bandwidth, LATENCY) / CARD.cores


def says(label, *values):
    return all(value in solution(SLUG, f"ex-gpu-memory-{label}") for value in values)


def asks(label, *values):
    return all(value in " ".join(exercises(SLUG)[f"ex-gpu-memory-{label}"][1].split()) for value in values)


def built():
    """Return the solution of the exercise that builds the two counts."""
    source = Path(__file__).parent / "solutions" / SLUG / "warp.py"
    spec = importlib.util.spec_from_file_location("warp", source)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(label, capsys):
    """Run the program of a solution; return what it printed, line by line."""
    exec(program(SLUG, f"ex-gpu-memory-{label}"), {})
    return capsys.readouterr().out.splitlines()


def test_bytes_in_flight_of_a_card():
    flying = bytes_in_flight(CARD.bandwidth, LATENCY)
    assert says(
        "flight", format_value(LATENCY, "s"), f"{flying / 1e6:.2f} MB", f"{NEEDED / 1e3:.1f} kB per SM"
    )
    assert math.ceil(NEEDED / (LANES * 4)) > WARPS
    assert says(
        "flight", f"{math.ceil(NEEDED / LANES / 4)} warps are", f"{math.ceil(NEEDED / LANES / 16)} warps are"
    )


def test_a_quarter_of_the_warps_with_four_times_the_bytes():
    quarter = WARPS // 4 * LANES * 16
    assert quarter == WARPS * LANES * 4 and says("flight", f"{quarter:,} bytes", f"{WARPS // 4} warps")
    rate = CARD.cores * concurrency_bandwidth(quarter / 128, LATENCY, 128)
    assert says(
        "flight", f"{rate / 1e12:.2f} TB/s", f"{rate / CARD.bandwidth:.0%}".replace("%", " %"), "allow 22 %"
    )
    assert round(100 * rate / 4 / CARD.bandwidth) == 22


def test_the_program_for_occupancy_prints_what_its_solution_says(capsys):
    # By hand: 40 registers per thread are 1,280 per warp, 12 warps in each of four partitions of 16,384.
    # 48 KiB per block are 49 with the one that the driver keeps, of 228.
    rows = [line.split(maxsplit=4) for line in run("occupancy", capsys)]
    assert [int(row[2]) for row in rows] == [228 // 49 * 8, 228 // 49 * 8, 16384 // 1280 * 4, WARPS]
    assert [row[4] for row in rows[:3]] == ["['shared memory']", "['shared memory']", "['registers']"]
    shares = [f"{int(row[2]) * LANES * 4 / NEEDED:.0%}" for row in rows]
    assert [row[3] for row in rows] == shares
    assert says("occupancy", "{}, {}, {} and {}".format(*shares).replace("%", " %"))
    assert says(
        "occupancy", f"{228 // 49} blocks, or {rows[0][2]} warps", *(f"{row[2]} warps" for row in rows)
    )
    two_loads = 32 * LANES * 2 * 8
    assert two_loads > NEEDED and says("occupancy", f"{two_loads:,} bytes")
    assert asks("occupancy", f"occupancy of {32 / WARPS:.0%}".replace("%", " %"))


def test_points_in_one_array_and_in_three():
    sectors = built().sectors
    points = [[12 * lane + 4 * field for lane in range(LANES)] for field in range(3)]
    per_load = [sectors(load, 4) for load in points]
    together = len({address // 32 for load in points for address in load})
    assert per_load == [together] * 3
    assert says(
        "sectors",
        f"{together} sectors",
        f"{sum(per_load)} sectors in three requests, of which {together} are",
    )
    assert says("sectors", f"{points[0][-1] + 4} bytes", f"{together * 32} bytes are all used")
    arrays = sectors([4 * lane for lane in range(LANES)], 4)
    assert says("sectors", f"{arrays} sectors per request, {3 * arrays} in total")


def test_a_load_one_float_later():
    found = built().sectors([4 * lane + 4 for lane in range(LANES)], 4)
    assert says("sectors", f"{found} sectors", f"{100 * LANES * 4 / (found * 32):.0f} % is used")


def test_the_program_for_the_pitch_prints_what_its_solution_says(capsys):
    cycles = built().cycles
    printed = dict(tuple(line.rsplit(" ", 1)) for line in run("pitch", capsys) if line.count(" ") == 2)
    columns = {
        (pitch, width): cycles([4 * pitch * lane for lane in range(LANES)], width)
        for pitch in (32, 33, 36)
        for width in (4, 16)
        if 4 * pitch % width == 0
    }
    assert printed == {f"{pitch} {width}": str(found) for (pitch, width), found in columns.items()}
    assert says("pitch", "{}, {} and {} cycles".format(*(columns[pitch, 4] for pitch in (32, 33, 36))))
    assert says("pitch", f"32 words take {columns[32, 16]} cycles", f"36 words take {columns[36, 16]} cycles")
    assert columns[36, 16] == LANES * 16 // 128
    assert says("pitch", f"asks for {LANES * 16} bytes", f"byte {4 * 33}") and 4 * 33 % 16
    assert says("pitch", f"{100 / 32:.0f} % and {400 / 32:.1f} %")


@pytest.mark.parametrize(("side", "said"), [(1, "16.4 ms"), (4, "4.11 ms"), (8, "2.05 ms")])
def test_loads_from_shared_memory_by_the_results_of_a_thread(side, said):
    accesses = 4096**3 / LANES * 2 * side / side**2
    seconds = accesses / (CARD.cores * BOOST)
    assert said == f"{1e3 * seconds:.3g} ms" and says("tile", said)


@pytest.mark.parametrize("tile", [32, 128])
def test_bytes_from_the_l2_by_the_tile_of_a_block(tile):
    blocks = (4096 // tile) ** 2
    moved = blocks * 2 * 4096 * tile * 4
    assert says("tile", f"{moved / 1e9:.3g} GB", f"{1e3 * moved / L2:.2f} ms")


def test_the_arithmetic_of_the_product():
    assert says("tile", f"{1e3 * 2 * 4096**3 / CARD.fp32:.2f} ms") and asks(
        "tile", "66.9 TFLOP/s", "5.5 TB/s"
    )


def test_a_profile_that_fits_itself():
    rows, columns, duration = 2**20, 256, 1.56e-3
    requests = rows // LANES * columns
    sectors = built().sectors([4 * columns * lane for lane in range(LANES)], 4)
    from_l2, from_memory = requests * sectors * 32, requests * sectors * 32 * (1 - 0.75)
    matrix = rows * columns * 4
    assert asks("profile", f"{requests:,}", f"sectors per request {sectors}", f"{rows:,} rows")
    assert asks("profile", f"{from_memory / 1e9:.2f} GB, {from_memory / duration / 1e12:.2f} TB/s")
    assert says("profile", f"{from_l2 / 1e9:.2f} GB", f"{from_l2 / duration / 1e12:.1f} TB/s")
    assert from_memory == 2 * matrix and from_l2 == 8 * matrix
    assert says("profile", f"{100 * from_memory / duration / CARD.bandwidth:.0f} %", f"{4 * columns:,} bytes")
    floor = matrix / CARD.bandwidth
    assert says("profile", f"touches {built().sectors([4 * lane for lane in range(LANES)], 4)} sectors")
    assert says("profile", f"{matrix / 1e9:.2f} GB in {1e3 * floor:.2f} ms, {duration / floor:.1f} times")
    # The lines of all warps' rows fill the L1 and the shared memory of an SM together.
    assert 0.9 < 0.95 * WARPS * LANES * 128 / (256 * KiB) < 1


def test_two_claims():
    shared = CARD.cores * 128 * CLOCK
    assert says("claims", f"{shared / CARD.bandwidth:.1f} times")
    assert says("claims", f"{100 * (1 - CARD.bandwidth / L2):.0f} %")


def test_what_hopper_and_blackwell_changed():
    tile = 128 * 256 * 4
    assert says("async", f"{tile / KiB:.0f} KiB, half") and tile == 65536 * 4 / 2
    assert tile // 4 // 128 > 255 and says("async", "more than the 255")
    assert says(
        "async", f"{tile // 4 // 128} registers per thread", f"it is {tile // 4 // 256} for the results"
    )
    step = (128 * 64 + 64 * 256) * 2
    assert says(
        "async", f"{step / KiB:.0f} KiB", f"{step // 16 // 256} loads", f"{step // 4 // 256} registers"
    )
    assert says("async", f"{3 * step / NEEDED:.0f} times the {NEEDED / 1e3:.1f} kB")
    assert 4 * step < CARD.shared_bytes, "three steps ahead, and the one in use"


@given(width=st.sampled_from([4, 8, 16]), lanes=st.lists(LANE, min_size=LANES, max_size=LANES))
def test_the_exercise_that_is_built_counts_what_the_package_counts(width, lanes):
    addresses = [None if lane is None else lane * width for lane in lanes]
    ours = built()
    assert ours.sectors(addresses, width) == warp.sectors(addresses, width)
    assert ours.cycles(addresses, width) == warp.bank_cycles(addresses, width)


def test_a_wrong_value_is_not_there():
    assert not says("flight", "75 warps") and not says("tile", "9.25 ms") and not says("profile", "3.4 TB/s")
