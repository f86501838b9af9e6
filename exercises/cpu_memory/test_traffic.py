"""The test of the exercise: run `.venv/bin/python -m pytest exercises/cpu_memory` and read what a red test says."""

import random

from traffic import traffic

LINE = 64


def sweep(count, kind="load", start=0):
    return [(kind, start + LINE * i) for i in range(count)]


def test_a_line_is_read_once_for_all_loads_from_it():
    loads = [("load", address) for address in (0, 8, 60, 63)]
    assert traffic(loads, 4) == (64, 0), "addresses 0 to 63 are one line: address // line names it"


def test_an_array_that_fits_is_read_once_and_a_line_more_is_read_every_time():
    assert traffic(sweep(8) * 3, 8) == (8 * 64, 0), (
        "the second and third sweep must hit: all 8 lines are there"
    )
    assert traffic(sweep(9) * 3, 8) == (27 * 64, 0), (
        "a sweep over one line more than fits misses every time: the line that comes next is always the one that was "
        "evicted last"
    )


def test_the_line_that_was_used_last_stays():
    loads = [("load", LINE * i) for i in (0, 1, 0, 2, 0)]
    assert traffic(loads, 2) == (3 * 64, 0), (
        "a hit makes its line the most recently used: line 1 leaves, line 0 stays"
    )


def test_a_random_ring_of_twice_the_cache_hits_half_the_time():
    chance = random.Random(1)
    loads = [("load", LINE * chance.randrange(128)) for _ in range(20_000)]
    read, written = traffic(loads, 64)
    assert written == 0 and 0.47 < read / LINE / len(loads) < 0.53, (
        "each line is as likely to be next as any other"
    )


def test_a_copy_moves_three_bytes_for_each_byte_copied():
    far = LINE * 1000
    copy = [pair for a, b in zip(sweep(100), sweep(100, "store", far)) for pair in (a, b)]
    read, written = traffic(copy, 8)
    assert read == 200 * 64, (
        "a store first reads the line that it changes: 100 lines read, and 100 before the stores"
    )
    assert written == 100 * 64, (
        "each line that was stored to is written once, the last ones when the program ends"
    )


def test_a_copy_with_non_temporal_stores_moves_two():
    far = LINE * 1000
    copy = [pair for a, b in zip(sweep(100), sweep(100, "stream", far)) for pair in (a, b)]
    assert traffic(copy, 8) == (100 * 64, 100 * 64), "a streaming store reads nothing and is written at once"


def test_a_line_that_is_stored_to_again_and_again_is_written_once():
    assert traffic(sweep(4, "store") * 10, 8) == (4 * 64, 4 * 64), (
        "a dirty line in the cache collects its stores"
    )


def test_a_streaming_store_throws_out_the_copy_in_the_cache():
    steps = [("store", 0), ("stream", 0), ("load", 0)]
    assert traffic(steps, 8) == (2 * 64, 64), "the old copy is not written, and the load that follows misses"
