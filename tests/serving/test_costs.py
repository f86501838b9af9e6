"""Step costs against sums worked out by hand, and fits against what made the steps."""

import random

import pytest

from lessons.datasheets import accelerator, model
from lessons.errors import LessonError
from lessons.llm.config import ModelConfig
from lessons.passport import Passport
from lessons.serving.costs import Fitted, Roofline, Step, Work, work
from lessons.serving.request import Request
from lessons.serving.scheduler import Batch
from lessons.units import Quantity


def test_work_counts_what_attention_reads_and_multiplies():
    decoding, prompt = Request(0, 0.0, 10, 5), Request(1, 0.0, 8, 1)
    decoding.computed, prompt.computed = 10, 4
    got = work(Batch([(decoding, 1), (prompt, 3)], swapped=7))
    # Tokens 5, 6 and 7 of the prompt see as many; together they read 7.
    assert got == Work(tokens=4, sequences=2, context=11 + 7, pairs=11 + 5 + 6 + 7, swapped=7)


def test_a_card_is_bound_by_its_bandwidth_first_and_by_its_peak_later():
    card, llama = accelerator("h100_sxm"), model("llama-3-8b")
    cost = Roofline.from_datasheet(card, llama)
    alone = cost(Work(1, 1, 0, 0))
    assert alone == pytest.approx(2 * llama.parameters / card.bandwidth)
    assert cost(Work(290, 290, 0, 0)) == alone  # below the ridge of 295 a token more costs nothing
    assert cost(Work(4000, 1, 0, 0)) == pytest.approx(2 * llama.parameters * 4000 / card.bf16)
    # 32 layers x 8 heads x 128 channels x (key and value) x 2 bytes
    assert cost(Work(1, 1, 1000, 0)) - alone == pytest.approx(1000 * 131072 / card.bandwidth)
    slow = Roofline.from_datasheet(card, llama, of_bandwidth=0.5, overhead=1e-3, swap_bandwidth=50e9)
    assert slow(Work(1, 1, 0, 0, swapped=1000)) == pytest.approx(2 * alone + 1e-3 + 1000 * 131072 / 50e9)


def test_a_card_without_a_rate_is_refused():
    with pytest.raises(LessonError, match="no closed form"):
        Roofline.from_datasheet(accelerator("h100_sxm"), next(m for m in models() if m.experts > 1))


def models():
    from lessons.datasheets import table

    return table("models").values()


def test_a_passport_bounds_this_computer():
    peaks = {
        "cpu.bandwidth.read.dram.1": Quantity(1e10, "B/s"),
        "cpu.flops.float32.1": Quantity(1e11, "FLOP/s"),
    }
    passport = Passport("", {"cores": 2}, "", {}, peaks)
    config = ModelConfig(2, 64, 4, 2, 16, 64, 100, 512, 1e4, 1e-5)
    cost = Roofline.from_passport(passport, config, parameters=1e6, weight_bytes=4e6)
    assert cost(Work(1, 1, 0, 0)) == pytest.approx(4e6 / 1e10)
    assert cost.kv_bytes == 2 * 2 * 2 * 16 * 4 and cost.flop_per_pair == 4 * 2 * 4 * 16
    assert cost(Work(1000, 1, 0, 0)) == pytest.approx(2e6 * 1000 / 1e11)
    # With a fourth of the parameters in the output head, a prompt multiplies those once.
    prompt = Roofline.from_passport(passport, config, parameters=1e6, weight_bytes=4e6, head=2.5e5)
    assert prompt.flop(Work(1000, 1, 0, 0)) == 1.5e6 * 1000 + 5e5
    assert prompt.flop(Work(8, 8, 0, 0)) == cost.flop(Work(8, 8, 0, 0))


def steps(rates, low, high, noise=0.0, count=60):
    draw = random.Random(2)
    for _ in range(count):
        w = Work(draw.randint(low, high), draw.randint(1, 8), draw.randint(0, 900), draw.randint(0, 9000))
        exact = sum(rate * x for rate, x in zip(rates, (1, *w[:4])))
        yield Step(w, exact * draw.uniform(1 - noise, 1 + noise))


FEW, MANY = (5e-3, 1e-3, 2e-4, 3e-6, 0.0), (80e-3, 2e-3, 0.0, 0.0, 1e-7)


def test_a_fit_finds_the_rates_that_made_the_steps():
    made = [*steps(FEW, 1, 16), *steps(MANY, 17, 200)]
    random.Random(0).shuffle(made)
    fit = Fitted.to(made, few=16)
    for got, want in zip(fit.rates, (FEW, MANY)):
        assert got == pytest.approx(want, rel=1e-6, abs=1e-12)


def test_a_fit_to_noise_has_no_negative_rate_and_foresees_other_steps():
    fit = Fitted.to(steps(FEW, 1, 16, noise=0.2, count=600), few=16)
    assert min(fit.rates[0]) >= 0 and fit.rates[0] == fit.rates[1]
    for step in steps(FEW, 1, 8):
        assert fit(step.work) == pytest.approx(step.seconds, rel=0.15)
    others = list(steps(FEW, 1, 8))
    assert sum(fit(s.work) for s in others) == pytest.approx(sum(s.seconds for s in others), rel=0.03)


def test_nothing_is_fitted_to_one_step():
    with pytest.raises(LessonError, match="fewer than 2"):
        Fitted.to([Step(Work(1, 1, 1, 1), 1.0)], few=16)
