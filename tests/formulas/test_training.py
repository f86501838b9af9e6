import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from lessons.formulas import capacity, training
from lessons.llm.trainable import TrainableLlama, TrainingShape, random_tokens

small = st.builds(
    lambda layers, heads, width, ffn, vocab, batch, sequence: TrainingShape(
        layers, heads * width, heads, ffn, vocab, batch, sequence
    ),
    st.integers(1, 3), st.integers(1, 3), st.sampled_from([8, 16]), st.integers(8, 40), st.integers(10, 80),
    st.integers(1, 3), st.integers(2, 12),
)  # fmt: skip


@given(small)
def test_two_and_six_flop_a_weight_and_token_are_what_pytorch_counts(shape):
    model, tokens = TrainableLlama(shape), random_tokens(shape)
    with FlopCounterMode(display=False) as forward:
        loss = model.loss(tokens)
    with FlopCounterMode(display=False) as backward:
        loss.backward()
    # On the CPU the counter knows matrix products and not the fused attention: what 2 N D counts.
    assert forward.get_total_flops() == training.forward_flop(shape.multiplied, shape.tokens)
    both = forward.get_total_flops() + backward.get_total_flops()
    assert both == training.training_flop(shape.multiplied, shape.tokens)


@given(st.integers(1, 10**12), st.sampled_from([2, 4]))
def test_the_states_of_adam_are_four_numbers_a_parameter(parameters, itemsize):
    states = training.adam_states(parameters, itemsize)
    assert sum(states) == 4 * itemsize * parameters
    assert states.moments == 2 * states.gradients == 2 * states.weights
    # Reading everything once and writing all but the gradients.
    assert training.adam_traffic(parameters, itemsize) == 2 * sum(states) - states.gradients


def test_float32_and_mixed_precision_take_sixteen_bytes_a_parameter_for_different_reasons():
    states = training.adam_states(7e9)
    assert sum(states) == capacity.zero_bytes(7e9) == 16 * 7e9
    assert states.moments == 8 * 7e9 != 12 * 7e9


def test_a_token_keeps_more_for_each_layer_channel_and_word():
    base = {"tokens": 3, "layers": 2, "hidden": 8, "heads": 2, "ffn": 16, "vocab": 10}
    one = training.kept_activations(**base)
    assert training.kept_activations(**base | {"tokens": 6}) == 2 * one
    assert training.kept_activations(**base, itemsize=2) == one / 2
    assert training.kept_activations(**base | {"vocab": 11}) - one == 3 * 4
    assert training.kept_activations(**base | {"layers": 3}) - one == 3 * 4 * (10 * 8 + 4 * 16 + 2 + 2)


def test_utilisation_is_one_at_the_peak():
    assert training.mfu(flop=2e12, seconds=2, peak=1e12) == 1
    assert training.mbu(bytes_needed=5e9, seconds=1, bandwidth=10e9) == 0.5


@pytest.mark.parametrize(
    "call",
    [
        lambda: training.forward_flop(0),
        lambda: training.adam_states(-1),
        lambda: training.adam_traffic(1, 0),
        lambda: training.kept_activations(0, 1, 1, 1, 1, 1),
        lambda: training.mfu(1, 0, 1),
        lambda: training.mbu(-1, 1, 1),
    ],
)
def test_what_makes_no_sense_is_refused(call):
    with pytest.raises(ValueError, match="must be"):
        call()


def test_one_fused_step_of_adam_needs_what_the_formula_counts():
    p = torch.nn.Parameter(torch.ones(100))
    p.grad = torch.ones(100)
    adam = torch.optim.AdamW([p], fused=True)
    adam.step()
    moments = [t for t in adam.state[p].values() if t.dim()]
    before = [t.clone() for t in (p.data, *moments, p.grad)]
    adam.step()
    written = [not torch.equal(a, b) for a, b in zip(before, (p.data, *moments, p.grad))]
    assert written == [True, True, True, False]
    arrays = len(written) + sum(written)
    assert arrays * 400 == training.adam_traffic(100)
