import json
from dataclasses import replace

import pytest
import torch

from lessons import figures
from lessons.errors import LessonError
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
    "cpu.product.row_end": Quantity(20e-9, "s"),
    "cuda.bandwidth.read.dram": Quantity(3e12, "B/s"),
    "cuda.bandwidth.copy.dram": Quantity(3e12, "B/s"),
    "cuda.matmul.bfloat16": Quantity(600e12, "FLOP/s"),
}
PASSPORT = Passport(
    {"cores": 1, "caches": [], "nodes": [], "gpus": []}, "made up", "2026-01-01", {}, PEAKS, {}
)
# A loop that was compiled without wide vectors, beside a library that has them.
NARROW = replace(PASSPORT, peaks=PEAKS | {"cpu.flops.float32.1": Quantity(60e9, "FLOP/s")})
NO_ENDS = replace(PASSPORT, peaks=PEAKS | {"cpu.product.row_end": Quantity(1e-9, "s", 0.0, 2e-9, 15)})


def near(value, unit="s", by=0.02):
    return Quantity(value, unit, (1 - by) * value, (1 + by) * value, 5)


def slowed(experiment, ratio=None, flop=1.0, **factors):
    """Return a result of a step in which each named part takes ``factor`` times its predicted time."""
    prediction = experiment.predict(PASSPORT)
    seconds = {part: near(s * factors.get(part, 1)) for part, s in prediction.data["seconds"].items()}
    whole = sum(seconds[part].value for part in ("forward", "backward", "optimizer"))
    counted = {name: flop * value for name, value in prediction.data["flop"].items()}
    found = ratio or near(whole / seconds["inference"].value, "1")
    ends = {"training step": near(whole), "inference": seconds["inference"]}
    return Outcome(found, {"seconds": seconds, "flop": counted}, ends=ends)


def phased(decode=(1, 1, 1, 1), prefill=(1, 1, 1), sure=0.02, passport=PASSPORT):
    """A result of the phases, in multiples of the predicted time of each pass."""
    prediction = x.phases.predict(passport)
    data = {
        phase: {
            **prediction.data[phase],
            "seconds": [near(s * f, by=sure) for s, f in zip(prediction.data[phase]["seconds"], factors)],
        }
        for phase, factors in (("decode", decode), ("prefill", prefill))
    }
    one, long = data["decode"]["seconds"][0], data["prefill"]["seconds"][-1]
    ends = {"a decoded token": one, "a prompt token": long.scaled(1 / 512)}
    return Outcome(one.ratio(long).scaled(512), data, ends=ends)


def kept(**factors):
    """A result of ``memory``: what the formulas say, parts in multiples of it."""
    prediction = x.memory.predict(PASSPORT)
    parts = {k: factors.get(k, 1) * v for k, v in prediction.data["parts"].items() if k != "KV cache"}
    return Outcome(Quantity(sum(parts.values()), "B"), {"parts": parts})


def steps(experiment):
    """Results of a training step, and what they show."""
    parts = ("inference", "forward", "backward", "optimizer")
    unsure = Quantity(experiment.predict(PASSPORT).quantity.value, "1", 2.0, 5.0, 3)
    return [
        (slowed(experiment), ["counts-matrices", "as-foreseen"]),
        (slowed(experiment, flop=1.05), ["counts-attention", "as-foreseen"]),
        (slowed(experiment, flop=0.9), ["counts-less", "as-foreseen"]),
        (slowed(experiment, inference=0.5), ["counts-matrices", "more-than-foreseen"]),
        (slowed(experiment, **dict.fromkeys(parts, 2)), ["counts-matrices", "errors-cancel"]),
        (slowed(experiment, inference=2), ["counts-matrices", "less-than-foreseen"]),
        (slowed(experiment, optimizer=99), ["counts-matrices", "more-than-foreseen", "optimizer-over"]),
        (slowed(experiment, backward=2), ["counts-matrices", "more-than-foreseen", "training-over"]),
        (slowed(experiment, ratio=unsure), ["counts-matrices", "cant-tell"]),
        (slowed(experiment, **dict.fromkeys(parts, 1.25)), ["counts-matrices", "cant-tell", "end-unsure"]),
    ]


FOUR = (1, 1, 1, 1)
PHASES = [
    (phased(), ["same-rate", "as-foreseen"]),
    (phased(FOUR, (1, 1, 2)), ["same-rate", "less-than-foreseen", "prefill-slow"]),
    (phased((2, 1, 1, 1)), ["same-rate", "more-than-foreseen", "decode-slow"]),
    (phased((1, 1, 1, 3)), ["users-slower", "as-foreseen"]),
    (phased((1, 1, 4, 4)), ["users-slower", "kernel-changes", "as-foreseen"]),
    (phased(FOUR, (1, 3, 1)), ["users-faster", "as-foreseen"]),
    (phased((2, 1, 1, 1), (1, 1, 2)), ["same-rate", "errors-cancel", "prefill-slow", "decode-slow"]),
    (phased((0.5, 1, 1, 1)), ["same-rate", "less-than-foreseen", "under-bound"]),
    (phased(sure=0.4), ["rate-cant-tell", "cant-tell"]),
]
EXAMPLES = [
    *[
        (x.phases, PASSPORT, result, ["row-ends", "other-way-round", *findings])
        for result, findings in PHASES
    ],
    (
        x.phases,
        NARROW,
        phased(passport=NARROW),
        ["row-ends", "over-peak", "other-way-round", "same-rate", "as-foreseen"],
    ),
    (
        x.phases,
        NO_ENDS,
        phased(passport=NO_ENDS),
        ["no-row-ends", "other-way-round", "same-rate", "as-foreseen"],
    ),
    (x.step, NARROW, slowed(x.step), ["counts-matrices", "over-peak", "as-foreseen"]),
    *[(e, PASSPORT, result, findings) for e in (x.step, x.cuda) for result, findings in steps(e)],
    (x.memory, PASSPORT, kept(), ["equal"]),
    (x.memory, PASSPORT, kept(activations=1.0001), ["unequal", "more-kept"]),
    (x.memory, PASSPORT, kept(moments=0.9), ["unequal", "less-kept"]),
]


def test_one_writer_pays_for_the_ends_of_rows_and_the_textbook_leaves_them_out():
    prediction = x.phases.predict(PASSPORT)
    one = prediction.data["decode"]["bytes"][0] / 20e9
    rows = 30 * (960 + 576 + 3072 + 576) + 49152
    assert prediction.quantity.value / prediction.textbook.value == pytest.approx(1 + rows * 20e-9 / one)
    # 134.5 million floats and 65 tokens of 46,080 bytes at 20 GB/s; 106.2 million weights and attention, 2 FLOP each.
    written, read = (q.value for q in prediction.ends.values())
    assert written == pytest.approx((4 * 134.48e6 + 65 * 46080) / 20e9 + rows * 20e-9, rel=1e-3)
    assert read == pytest.approx(work("prefill", 512).flop / 512 / 100e9)
    assert prediction.quantity.value == pytest.approx(written / read)


def test_a_prompt_of_few_tokens_waits_for_the_weights_too():
    prediction = Phases((4,), (1, 4)).predict(PASSPORT)
    assert prediction.ends["a prompt token"].value == pytest.approx(work("prefill", 4).bytes / 4 / 20e9)
    assert prediction.quantity.value == pytest.approx(
        prediction.ends["a decoded token"].value / prediction.ends["a prompt token"].value
    )


def test_the_first_who_writes_is_one_user():
    with pytest.raises(LessonError, match="begin with that"):
        Phases((4, 8), (4, 8))


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


def test_training_keeps_sixteen_bytes_a_weight_and_activations_by_the_token():
    prediction = x.memory.predict(PASSPORT)
    parts = prediction.data["parts"]
    # A token: 6 layers of 10 x 512 + 4 x 1,408 + 8 + 2 numbers, and 3 x 512 + 1 + 8,192 at the end.
    activations = 512 * 4 * (6 * (5120 + 5632 + 10) + 1536 + 1 + 8192)
    assert parts["activations"] == activations
    assert prediction.quantity.value == 16 * prediction.data["parameters"] + activations


def test_memory_is_counted_to_the_byte():
    for shape in (TINY, TrainingShape(3, 32, 2, 48, 100, 1, 9)):
        experiment = type(x.memory)(shape)
        prediction, result = experiment.predict(PASSPORT), experiment.run()
        for part, counted in result.data["parts"].items():
            assert counted == prediction.data["parts"][part], part
        assert experiment.findings(prediction, result) == ["equal"]


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


def test_a_step_is_three_forward_passes_and_the_optimizer():
    prediction = x.step.predict(PASSPORT)
    parts = prediction.data["seconds"]
    assert parts["backward"] == pytest.approx(2 * parts["forward"]) == pytest.approx(2 * parts["inference"])
    # 27.7 million weights, seven passes of four bytes, at 20 GB/s of a copy that moves three halves of that.
    assert parts["optimizer"] == pytest.approx(27.656e6 * 28 / 30e9, rel=1e-3)
    # 23.5 million of them are multiplied with 512 tokens, 2 FLOP each, at 100 GFLOP/s.
    inference = 2 * 23.462e6 * 512 / 100e9
    step = 3 * inference + 27.656e6 * 28 / 30e9
    assert prediction.quantity.value == pytest.approx(step / inference, rel=1e-3)
    assert [q.value for q in prediction.ends.values()] == pytest.approx([step, inference], rel=1e-3)
    large = x.cuda.predict(PASSPORT)
    assert 3 < large.quantity.value < 3.5
    if not torch.cuda.is_available():
        with pytest.raises(Unavailable):
            x.cuda.check(PASSPORT)


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
