"""The distribution that sampling draws from, and the draws."""

import pytest
import torch
from scipy.stats import chisquare

from lessons.errors import LessonError
from lessons.llm.sampling import Chance, SamplingParams, likeliest, probabilities, sample

LOGITS = torch.tensor([1.0, 3.0, 2.0, 0.0, -1.0])


def test_greedy_takes_the_likeliest():
    assert sample(LOGITS, SamplingParams(), Chance()) == 1
    assert probabilities(LOGITS, SamplingParams()).tolist() == [0, 1, 0, 0, 0]


def test_temperature_divides_the_logits():
    got = probabilities(LOGITS, SamplingParams(temperature=0.5))
    torch.testing.assert_close(got, (LOGITS / 0.5).softmax(-1))


def test_top_k_keeps_the_shape_of_what_stays():
    got = probabilities(LOGITS, SamplingParams(temperature=1.0, top_k=2))
    torch.testing.assert_close(got[[1, 2]], LOGITS[[1, 2]].softmax(-1))
    assert got[[0, 3, 4]].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "top_p, kept", [(0.1, [1]), (0.63, [1]), (0.7, [1, 2]), (0.9, [1, 2, 0]), (1.0, [0, 1, 2, 3, 4])]
)
def test_top_p_keeps_the_fewest_that_reach_it(top_p, kept):
    got = probabilities(LOGITS, SamplingParams(temperature=1.0, top_p=top_p))
    assert set(got.nonzero().ravel().tolist()) == set(kept)
    assert got.sum() == pytest.approx(1)


def test_rows_are_independent():
    params = SamplingParams(temperature=0.8, top_k=3, top_p=0.9)
    rows = torch.randn(4, 50, generator=torch.Generator().manual_seed(0))
    together = probabilities(rows, params)
    torch.testing.assert_close(together, torch.stack([probabilities(row, params) for row in rows]))


def test_draws_follow_the_distribution():
    params = SamplingParams(temperature=1.3)
    chance = Chance.seeded(7)
    n = 20_000
    counts = torch.bincount(torch.tensor([sample(LOGITS, params, chance) for _ in range(n)]), minlength=5)
    assert (
        chisquare(counts.numpy(), n * probabilities(LOGITS, params).double().numpy(), sum_check=False).pvalue
        > 1e-3
    )
    # The test has teeth: against the distribution at another temperature the same draws fail.
    other = n * probabilities(LOGITS, SamplingParams(temperature=1.2)).double().numpy()
    assert chisquare(counts.numpy(), other, sum_check=False).pvalue < 1e-6


def test_a_seed_fixes_the_draws_and_no_seed_does_not():
    def draws(seed):
        chance = Chance.seeded(seed)
        return [chance.draw(torch.ones(1000)) for _ in range(8)] + [chance.happens(0.5) for _ in range(8)]

    assert draws(3) == draws(3) != draws(4)
    assert draws(None) != draws(None)
    with pytest.raises(LessonError, match=r"seed is 1000.*; it must be a whole number from -"):
        draws(10**30)


@pytest.mark.parametrize(
    "values",
    [
        {"temperature": -1},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"temperature": 1.1e9},
        {"temperature": True},
        {"top_k": -1},
        {"top_k": 1.5},
        {"top_p": 0},
        {"top_p": 1.5},
    ],
    ids=str,
)
def test_refuses_what_is_out_of_range(values):
    name = next(iter(values))
    with pytest.raises(LessonError, match=f"{name} is .*must be"):
        SamplingParams(**values)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_no_numbers_are_refused(bad, temperature):
    """A damaged file gives them. Any token would be as good as another, and a GPU's draw would end all its work."""
    logits = LOGITS.clone()
    logits[3] = bad
    with pytest.raises(LessonError, match="logits are not finite numbers"):
        sample(logits, SamplingParams(temperature=temperature), Chance.seeded(0))


def test_tokens_that_may_not_come_are_no_mistake():
    masked = torch.tensor([[-torch.inf, 2.0, -torch.inf], [5.0, 5.0, -torch.inf]])
    assert likeliest(masked) == [1, 0]
    assert sample(masked[0], SamplingParams(temperature=1.0), Chance.seeded(0)) == 1


@pytest.mark.parametrize("cold", [{"temperature": 1e-40}, {"temperature": 1.0, "top_p": 1e-30}])
def test_what_leaves_one_token_is_greedy(cold):
    assert SamplingParams(**cold).greedy
    assert probabilities(LOGITS, SamplingParams(**cold)).tolist() == [0, 1, 0, 0, 0]
    least = SamplingParams(temperature=1e-5, top_p=1e-5)
    assert not least.greedy and sample(LOGITS, least, Chance.seeded(0)) == 1
