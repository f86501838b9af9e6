import json

import pytest
import torch

from lessons import figures
from lessons.experiments import inference_vs_training as x
from lessons.experiments.base import Outcome, Unavailable
from lessons.experiments.inference_vs_training import cards
from lessons.experiments.inference_vs_training.phases import Phases, work
from lessons.experiments.inference_vs_training.step import StepOnDevice
from lessons.formulas.roofline import gemm
from lessons.formulas.training import TrainingShape
from lessons.llm.trainable import TrainableLlama, random_tokens
from lessons.passport import Passport
from lessons.units import Quantity

TINY = TrainingShape(layers=2, hidden=64, heads=4, ffn=176, vocab=256, batch=2, sequence=16)
PEAKS = {
    "cpu.bandwidth.read.dram.1": Quantity(20e9, "B/s"),
    "cpu.bandwidth.copy.dram.1": Quantity(20e9, "B/s"),
    "cpu.flops.float32.1": Quantity(200e9, "FLOP/s"),
    "cpu.matmul.float32.1": Quantity(100e9, "FLOP/s"),
    "cuda.bandwidth.read.dram": Quantity(3e12, "B/s"),
    "cuda.bandwidth.copy.dram": Quantity(3e12, "B/s"),
    "cuda.matmul.bfloat16": Quantity(600e12, "FLOP/s"),
}
PASSPORT = Passport({"cores": 1, "caches": [], "nodes": []}, "made up", "2026-01-01", {}, PEAKS, {})


def slowed(experiment, **factors):
    """Return a prediction, and a result in which each named part takes ``factor`` times its predicted time."""
    prediction = experiment.predict(PASSPORT)
    seconds = {part: s * factors.get(part, 1) for part, s in prediction.data["seconds"].items()}
    ratio = sum(seconds[part] for part in ("forward", "backward", "optimizer")) / seconds["inference"]
    return prediction, Outcome(Quantity(ratio, "1"), {"seconds": seconds, "flop": prediction.data["flop"]})


def phased(decode=(1, 1, 1, 1), prefill=(1, 1, 1)):
    """The same for the phases, a factor for each pass."""
    prediction = x.phases.predict(PASSPORT)
    times = {
        phase: [s * f for s, f in zip(prediction.data[phase]["seconds"], factors)]
        for phase, factors in (("decode", decode), ("prefill", prefill))
    }
    ratio = 512 / times["prefill"][-1] * times["decode"][0]
    data = {phase: {**prediction.data[phase], "seconds": seconds} for phase, seconds in times.items()}
    return prediction, Outcome(Quantity(ratio, "1"), data)


def test_a_pass_needs_the_weights_and_the_cache_of_the_real_model():
    one = work("decode", 1)
    # 134.5 million weights less the norms, and 65 tokens of 46,080 bytes.
    weights = 134_515_008 - 61 * 576
    assert one.bytes == 4 * weights + 65 * 46080
    scores = 30 * 65 * 4 * 9 * 64
    assert one.flop == 2 * weights + scores
    # A prompt asks for the logits of its last token alone.
    prompt = work("prefill", 512)
    assert prompt.flop == pytest.approx(
        512 * 2 * (weights - 49152 * 576) + 2 * 49152 * 576 + 512 * 513 // 2 * 30 * 4 * 9 * 64
    )
    assert prompt.intensity > 100 > 1 > one.intensity
    assert gemm(1, 576, 576, 4).intensity == pytest.approx(one.intensity, rel=0.05)


@pytest.mark.parametrize(
    ("decode", "prefill", "words"),
    [
        ((1, 1, 1, 1), (1, 1, 1), "foresaw the factor"),
        ((1, 1, 1, 1), (1, 1, 2), "smaller than foreseen: reading took 2.00 times"),
        ((2, 1, 1, 1), (1, 1, 1), "larger than foreseen: writing took 2.00 times"),
        ((1, 1, 1, 1), (1, 1, 1), "share one reading of the weights"),
        ((1, 1, 1, 3), (1, 1, 1), "each user's own cache"),
        ((1, 1, 4, 4), (1, 1, 1), "changes its kernel"),
    ],
)
def test_the_phases_explain_what_came_out(decode, prefill, words):
    assert words in x.phases.explain(*phased(decode, prefill))


def test_the_phases_blame_neither_when_neither_did_it():
    prediction, result = phased()
    elsewhere = Outcome(Quantity(2 * result.quantity.value, "1"), result.data)
    assert "Measure the passport again" in x.phases.explain(prediction, elsewhere)
    assert "changes its kernel" not in x.phases.explain(prediction, result)


def test_memory_is_counted_to_the_byte():
    for shape in (TINY, TrainingShape(3, 32, 2, 48, 100, 1, 9)):
        experiment = type(x.memory)(shape)
        prediction, result = experiment.predict(PASSPORT), experiment.run()
        for part, counted in result.data["parts"].items():
            assert counted == prediction.data["parts"][part], part
        assert "agrees with its formula" in experiment.explain(prediction, result)


def test_memory_says_which_part_is_off():
    prediction = x.memory.predict(PASSPORT)
    parts = dict(prediction.data["parts"])
    parts.pop("KV cache")
    result = Outcome(prediction.quantity, {"parts": parts | {"activations": 1.1 * parts["activations"]}})
    assert "The count of activations is 10 % above" in x.memory.explain(prediction, result)


def test_the_network_learns_and_looks_only_back():
    torch.manual_seed(0)
    model, tokens = TrainableLlama(TINY), random_tokens(TINY)
    adam = torch.optim.AdamW(model.parameters(), lr=1e-2, fused=True)
    losses = []
    for _ in range(8):
        adam.zero_grad()
        loss = model.loss(tokens)
        loss.backward()
        adam.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    changed = tokens.clone()
    changed[:, 10:] = 0
    before, after = model(tokens), model(changed)
    assert torch.allclose(before[:, :10], after[:, :10], atol=1e-5)
    assert not torch.allclose(before[:, 10:], after[:, 10:], atol=1e-2)


@pytest.mark.parametrize(
    ("factors", "words"),
    [
        ({}, "The ratio came out as predicted. "),
        (dict.fromkeys(("inference", "forward", "backward", "optimizer"), 2), "The times did not"),
        ({"inference": 2}, "cheaper against inference"),
        ({"optimizer": 9}, "more passes over memory than one"),
        ({"backward": 2}, "most of it in the backward, which took 2.00 times"),
    ],
)
def test_the_step_explains_what_came_out(factors, words):
    text = x.step.explain(*slowed(x.step, **factors))
    assert words in text and "are exact for the matrices" in text


def test_the_step_says_when_the_counter_sees_attention():
    prediction, result = slowed(x.step)
    flop = {name: 1.05 * value for name, value in result.data["flop"].items()}
    text = x.step.explain(prediction, Outcome(result.quantity, result.data | {"flop": flop}))
    assert "it sees attention too" in text


def test_a_step_is_three_forward_passes_and_the_optimizer():
    prediction = x.step.predict(PASSPORT)
    parts = prediction.data["seconds"]
    assert parts["backward"] == pytest.approx(2 * parts["forward"]) == pytest.approx(2 * parts["inference"])
    # 27.7 million weights, seven passes of four bytes, at 20 GB/s of a copy that moves three halves of that.
    assert parts["optimizer"] == pytest.approx(27.656e6 * 28 / 30e9, rel=1e-3)
    large = x.cuda.predict(PASSPORT)
    assert 3 < large.quantity.value < 3.5
    if not torch.cuda.is_available():
        with pytest.raises(Unavailable):
            x.cuda.run()


def test_the_experiments_run_draw_and_explain_on_little_memory():
    # Small sizes: this shows that all parts fit together, not how fast they are.
    for experiment in (Phases((4, 9), (1, 9)), type(x.memory)(TINY), type(x.step)(TINY)):
        prediction, result = experiment.predict(PASSPORT), experiment.run()
        result = Outcome.from_json(json.loads(json.dumps(result.to_json())))
        assert result.quantity.value > 0 and result.quantity.unit == experiment.unit
        figure, _ = figures.new(experiment.panels)
        experiment.draw(prediction, result, figure)
        assert figures.render(figure, experiment.alt(prediction, result)).png
        assert experiment.explain(prediction, result)


def test_the_gpu_s_network_trains_in_bfloat16():
    # The network and the precision of the CUDA experiment, small and on the CPU.
    model = TrainableLlama(TINY).to(getattr(torch, StepOnDevice.dtype))
    model.loss(random_tokens(TINY)).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_offers_are_the_cheapest_and_in_order():
    found = cards.offers()
    assert len({offer.card.key for offer in found}) == len(found)
    values = [offer.bytes_per_dollar for offer in found]
    assert values == sorted(values, reverse=True)
    h100 = next(offer for offer in found if offer.card.key == "h100_sxm")
    assert h100.price.dollars_per_hour == 3.99 and h100.price.gpus == 1
    assert h100.bytes_per_dollar == pytest.approx(3.35e12 * 3600 / 3.99)
    assert h100.flop_per_dollar == pytest.approx(989.4e12 * 3600 / 3.99, rel=1e-3)
    assert h100.cards_for(141e9) == 2 and h100.cards_for(72e9) == 1
    assert cards.picture().png


EXAMPLES = []
