"""The numbers in the chapter's solutions, computed."""

import math

from pages import solution

from lessons.datasheets import accelerator, model
from lessons.formulas import capacity, kv_cache, roofline, training
from lessons.units import format_value

SLUG = "inference_vs_training"
CARD = accelerator("h100_sxm")


def says(label, *values):
    return all(value in solution(SLUG, label) for value in values)


def test_a_token_of_one_node():
    bound = 2 * 175e9 / (8 * CARD.bandwidth)
    assert says("ex-ivt-claim", format_value(bound, "s", 2), f"{round(4.2 / bound, -1):.0f} times")


def test_what_is_left_to_gain_of_a_bandwidth():
    assert says("ex-ivt-monitor", f"a factor of {1 / 0.71:.1f}")


def test_states_of_a_model_and_of_its_adapters():
    weights = model("llama-3-8b").parameters
    states, frozen = capacity.zero_bytes(weights), capacity.parameter_bytes(weights)
    adapters = capacity.zero_bytes(0.01 * weights)
    assert says("ex-ivt-tune", *(format_value(q, "B") for q in (states, frozen, adapters, frozen + adapters)))
    cards = [math.ceil(need / (0.9 * CARD.memory_bytes)) for need in (states, frozen + adapters)]
    assert cards == [2, 1] and says("ex-ivt-tune", "2 cards", "1 card.")


def test_users_at_the_ridge_and_their_caches():
    users = roofline.ridge(CARD.bf16, CARD.bandwidth)
    each = 4096 * kv_cache.bytes_per_token(32, 8, 128)
    assert says("ex-ivt-batch", f"{users:.0f}", format_value(each, "B"), format_value(users * each, "B"))
    assert says("ex-ivt-batch", f"{users * each / CARD.memory_bytes:.1f} times")


def test_the_arrays_of_a_million_weights():
    assert training.adam_traffic(1, 4) / 4 == 7 and says("ex-ivt-adam", "seven numbers per weight")
    assert says("ex-ivt-adam", format_value(sum(training.adam_states(1e6)), "B", 2))


def test_a_wrong_value_is_not_there():
    assert not says("ex-ivt-batch", "195 GB") and not says("ex-ivt-tune", "182 GB")
