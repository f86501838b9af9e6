"""The test of the exercise: run `.venv/bin/python -m pytest exercises/inference_vs_training` and read red tests."""

import pytest
from meter import Meter

# 10^9 weights of 2 bytes, 10^5 bytes of cache per token, and a machine with its ridge at 100 FLOP per byte.
WEIGHTS, ITEM, KV, PEAK, BANDWIDTH = 1e9, 2, 1e5, 1e14, 1e12


@pytest.fixture
def meter():
    return Meter(WEIGHTS, ITEM, KV, PEAK, BANDWIDTH)


def test_one_user_who_decodes_is_bound_by_bytes(meter):
    meter.decode([1000], 0.0021)
    use = meter.report()["decode"]
    assert use.mbu == pytest.approx(1), "2 GB of weights and 0.1 GB of cache take 2.1 ms at 1 TB/s"
    assert use.mfu == pytest.approx(2e9 / 0.0021 / PEAK), "2 FLOP per weight for one token"
    assert use.rate == pytest.approx(1 / 0.0021), "one request gets one token per step"


def test_a_batch_reads_the_weights_once_and_each_cache(meter):
    meter.decode([1000] * 50, 0.01)
    use = meter.report()["decode"]
    assert use.mbu == pytest.approx((2e9 + 50 * 1e8) / 0.01 / BANDWIDTH), (
        "the weights are shared by the batch, and the caches are not"
    )
    assert use.rate == pytest.approx(50 / 0.01), "each of the 50 requests gets a token"


def test_a_prompt_is_bound_by_arithmetic_and_writes_its_cache(meter):
    meter.prefill(1000, 0.04)
    use = meter.report()["prefill"]
    assert use.mfu == pytest.approx(0.5), "2e12 FLOP take 20 ms at the peak"
    assert use.mbu == pytest.approx((2e9 + 1e8) / 0.04 / BANDWIDTH)


def test_training_does_three_times_the_flop_and_moves_its_states(meter):
    meter.train(1000, 0.12)
    use = meter.report()["train"]
    assert use.mfu == pytest.approx(0.5), "6 FLOP per weight and token: 6e12 take 60 ms at the peak"
    assert use.mbu == pytest.approx(9 * 2e9 / 0.12 / BANDWIDTH), (
        "two readings of the weights, and 7 numbers in AdamW"
    )


def test_a_long_pass_counts_more_than_a_short_one(meter):
    meter.prefill(1000, 0.02)
    meter.prefill(1000, 0.18)
    use = meter.report()["prefill"]
    assert use.mfu == pytest.approx(4e12 / 0.2 / PEAK), (
        "divide the sum of the FLOP by the sum of the seconds; a mean of the two MFUs would be 0.56"
    )
    assert use.rate == pytest.approx(2000 / 0.2)


def test_phases_are_kept_apart_and_only_those_that_ran_are_reported(meter):
    meter.prefill(100, 0.01)
    meter.decode([100], 0.002)
    meter.decode([101], 0.002)
    report = meter.report()
    assert set(report) == {"prefill", "decode"}, "nothing was trained, so there is nothing to report of it"
    assert report["decode"].rate == pytest.approx(500), "prefill's seconds are not decode's"
