import numpy as np
import pytest

from lessons.experiments import quantization as x
from lessons.experiments.base import Outcome, Unavailable
from lessons.experiments.quantization.error import EMBEDDING, LAYERS, noise
from lessons.experiments.quantization.formats import FORMATS
from lessons.experiments.quantization.outliers import Product, smooth
from lessons.experiments.quantization.perplexity import PACKED, Perplexity
from lessons.experiments.quantization.steps import VARIANTS
from lessons.llm import quant
from lessons.llm.footprint import step_bytes
from lessons.passport import Passport
from lessons.units import Quantity

PEAKS = {
    "cpu.bandwidth.read.dram.1": Quantity(20e9, "B/s"),
    "cpu.flops.float32.1": Quantity(200e9, "FLOP/s"),
    "cpu.flops.int8.1": Quantity(800e9, "OP/s"),
    "cuda.bandwidth.read.dram": Quantity(3e12, "B/s"),
    "cuda.matmul.bfloat16": Quantity(800e12, "FLOP/s"),
}
PASSPORT = Passport({"cores": 2, "caches": []}, "made up", "2026-01-01", {}, PEAKS)
each_format = pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


# formats


@each_format
@pytest.mark.parametrize("block", [32, 128])
def test_normal_weights_have_the_noise_that_is_predicted(format, block):
    w = normal(4096, 128)
    assert noise(w, format.round_trip(w, block)) == pytest.approx(format.noise(block), rel=0.03)


@each_format
def test_each_weight_goes_to_its_nearest_level(format):
    w = normal(64, 32, seed=1)
    rounded = format.round_trip(w, 32)
    if format.scale == "range":
        low = w.min(axis=1, keepdims=True)
        unit = w.max(axis=1, keepdims=True) - low
    else:
        unit = np.abs(w).max(axis=1, keepdims=True)
        low = np.zeros_like(unit)
        if format.scale == "signed":
            unit = -np.take_along_axis(w, np.abs(w).argmax(axis=1)[:, None], axis=1)
    levels = low[..., None] + unit[..., None] * np.array(format.levels)
    least = np.abs(levels - w[..., None]).min(axis=2)
    np.testing.assert_allclose(np.abs(rounded - w), least, atol=1e-4)


@each_format
def test_blocks_of_zeros_stay_zero_and_a_grid_is_found_again(format):
    assert not format.round_trip(np.zeros((2, 64), np.float32), 32).any()
    once = format.round_trip(normal(16, 64), 32)
    np.testing.assert_allclose(format.round_trip(once, 32), once, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", ["Q4_0", "Q8_0"])
def test_blocks_of_32_are_those_of_the_file_format(name):
    w = normal(64, 256, seed=2)
    ours, theirs = FORMATS[name].round_trip(w, 32), quant.round_trip(w, name)
    # The file's scales are float16, and it rounds a half away from zero.
    assert noise(theirs, ours) < 1e-6 + 1e-3 * noise(w, theirs)


# error on real weights


def test_real_layers_meet_the_prediction_and_the_embedding_does_not():
    prediction, result = x.error.predict(PASSPORT), x.error.run()
    expected, found = prediction.data["noise"], result.data["noise"]
    for name in ("NF4", "Q4_0", "INT4", "E4M3"):
        assert found[LAYERS][name][0] == pytest.approx(expected[name][0], rel=0.15)
    assert found[EMBEDDING]["INT4"][2] > 2 * expected["INT4"][2]
    text = x.error.explain(prediction, result)
    assert "Q4_0 beats NF4 in blocks of 32, and loses in larger ones" in text
    assert "heavier tails" in text and "| none |" in text


@pytest.mark.parametrize(
    ("q4_0", "words"),
    [((1, 3, 3), "and loses"), ((1, 1, 1), "at every block size here"), ((3, 3, 3), "NF4 beats Q4_0")],
)
def test_the_winner_is_named(q4_0, words):
    found = {LAYERS: {"Q4_0": q4_0, "NF4": (2, 2, 2)}, EMBEDDING: {"Q4_0": (3,), "NF4": (2,)}}
    assert words in x.error._winner(found)


def test_light_tails_are_named_too():
    prediction = x.error.predict(PASSPORT)
    same = Outcome(prediction.quantity, {"noise": {EMBEDDING: prediction.data["noise"]}, "kurtosis": {}})
    assert "as good as normal" in x.error._tails(prediction, same)


# perplexity


def made_up(ratio, eight=(-0.01, 0.01), packed=(0.001, 0.02)):
    def nats(value, low, high):
        return Quantity(value, "nats", low, high, 100).to_json()

    added = {
        "Q8_0": nats(sum(eight) / 2, *eight),
        "Q4_0": nats(0.4, 0.38, 0.42),
        "INT3": nats(0.4 * ratio, 0.38 * ratio, 0.42 * ratio),
        PACKED: nats(sum(packed) / 2, *packed),
    }
    three, four = (Quantity.from_json(added[name]) for name in ("INT3", "Q4_0"))
    return Outcome(three.ratio(four), {"base": 30.0, "tokens": 100, "added": added})


@pytest.mark.parametrize(
    ("ratio", "words"), [(7, "in proportion to the noise"), (20, "more than"), (2, "less than")]
)
def test_perplexity_explains_each_case(ratio, words):
    assert words in x.perplexity.explain(x.perplexity.predict(PASSPORT), made_up(ratio))


def test_perplexity_says_what_eight_bits_do():
    text = x.perplexity._small(made_up(7))
    assert "cannot be told" in text and "adds 0.011 nats" in text
    text = x.perplexity._small(made_up(7, eight=(0.01, 0.02), packed=(-0.01, 0.01)))
    assert "more than chance" in text and "nothing that these tokens" in text


def test_a_small_run_finds_more_noise_worse():
    experiment = Perplexity()
    experiment.formats, experiment.texts, experiment.length = ("Q4_0", "INT3"), 2, 48
    result = experiment.run()
    added = {name: Quantity.from_json(q) for name, q in result.data["added"].items()}
    assert abs(added[PACKED].value) < added["Q4_0"].value < added["INT3"].low
    assert result.data["tokens"] == 2 * 47


# speed


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_bytes_of_a_pass_are_those_of_the_matrices(variant):
    from lessons.llm.load import load

    model = load(**VARIANTS[variant]).model.weights
    matrices = [model.embedding]
    for layer in model.layers:
        matrices += [layer.qkv, layer.o, layer.gate_up, layer.down]
    assert sum(m.nbytes for m in matrices) == step_bytes(variant)


def test_speed_predicts_the_ratio_of_bytes():
    assert x.speed.predict(PASSPORT).quantity.value == pytest.approx(538e6 / 96.4e6, rel=2e-3)


@pytest.mark.parametrize(
    ("plain", "whole", "words"),
    [
        (3e-3, 3e-3, ("help twice", "nothing left for it to save")),
        (5e-3, 3e-3, ("as memory gives them", "further factor of 1.67")),
        (10e-3, 12e-3, ("costs more here than reading", "slower here at one row")),
    ],
)
def test_speed_explains_each_case(plain, whole, words):
    prediction = x.speed.predict(PASSPORT)
    seconds = dict(zip(VARIANTS, (27e-3, 14e-3, plain, whole)))
    data = {"seconds": {name: Quantity(s, "s").to_json() for name, s in seconds.items()}}
    text = x.speed.explain(prediction, Outcome(Quantity(1, "1"), data))
    assert all(word in text for word in words) and "other work" not in text


def test_speed_on_a_busy_machine_compares_with_itself():
    seconds = dict(zip(VARIANTS, (60e-3, 30e-3, 11e-3, 10e-3)))
    data = {"seconds": {name: Quantity(s, "s").to_json() for name, s in seconds.items()}}
    text = x.speed.explain(x.speed.predict(PASSPORT), Outcome(Quantity(6, "1"), data))
    assert "as memory gives them" in text and "other work" in text


def test_rows_predicts_level_and_then_rising():
    ratios = x.rows.predict(PASSPORT).data["ratios"]
    # 269 MFLOP a row at 200 GFLOP/s, against 96.4 MB at 20 GB/s; whole numbers are four times as fast here.
    floats, whole = (ratios[name] for name in x.rows.variants)
    assert floats[:3] == [1] * 3 and whole[:14] == [1] * 14
    assert floats[-1] == pytest.approx(16 * 269.0e6 / 200e9 / (96.4e6 / 20e9), rel=2e-3)
    assert floats[-1] == pytest.approx(4 * whole[-1], rel=1e-9)


@pytest.mark.parametrize(
    ("plain", "whole", "words", "absent"),
    [
        ((1, 3, 9), (1, 1.1, 2), "by arithmetic at five", "does not yet decide"),
        ((1, 1.2, 3), (1, 1.1, 2), "does not yet decide", "later rise"),
    ],
)
def test_rows_explains_each_case(plain, whole, words, absent):
    data = {"seconds": {"packed, float32": plain, "packed, int8": whole}}
    text = x.rows.explain(x.rows.predict(PASSPORT), Outcome(Quantity(plain[1], "1"), data))
    assert words in text and absent not in text


# outliers


def product(change=lambda x: x):
    both = change(normal(256, 512, seed=5)), change(normal(256, 512, seed=6))
    return Product(normal(128, 512, seed=4), *both)


def channel(x):
    x = x.copy()
    x[:, 7] *= 60
    return x


def token(x):
    x = x.copy()
    x[::64] *= 60
    return x


def test_smoothing_changes_no_product():
    p = product(channel)
    s = smooth(p.calibration, p.w)
    np.testing.assert_allclose((p.x / s) @ (p.w * s).T, p.exact, rtol=1e-3, atol=1e-3)
    assert np.abs(p.calibration / s).max() < 0.2 * np.abs(p.calibration).max()


def test_normal_activations_have_the_predicted_error():
    errors = product().errors()
    expected = x.outliers.predict(PASSPORT).quantity.value
    assert errors["one scale, absmax"] == pytest.approx(expected, rel=0.15)


def test_a_channel_is_cured_by_smoothing_and_by_splitting():
    errors = product(channel).errors()
    assert errors["each token, SmoothQuant"] < 0.5 * errors["a scale for each token"]
    assert errors["one scale, SmoothQuant"] < 0.5 * errors["one scale, absmax"]
    assert errors["each token, 1 % of channels apart"] < 0.3 * errors["a scale for each token"]


def test_a_token_is_cured_by_a_scale_for_each_token():
    p = product(token)
    errors = p.errors()
    assert errors["a scale for each token"] < 0.02 < 0.3 < errors["one scale, absmax"]
    assert errors["one scale, SmoothQuant"] > 0.3
    assert p.largest_comes_first(64) and not product(channel).largest_comes_first(64)
    assert p.first_token_clipped(64) > 10 * product().first_token_clipped(64)


def outcome(first, clipped, smoothed, cut):
    errors = {
        "one scale, absmax": [0.1, 0.9],
        "one scale, 99.9 %": [clipped, clipped],
        "one scale, SmoothQuant": [0.1, smoothed],
    }
    data = {"errors": errors, "crest": [40.0, 300.0], "first": first, "cut": [cut, cut]}
    return Outcome(Quantity(0.5, "%"), data)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (
            outcome([False, True], 0.05, 0.85, 0.9),
            ("first token", "finer steps", "who pays", "does not save"),
        ),
        (outcome([False, False], 0.6, 0.1, 0.6), ("belongs to a channel", "makes the median", "at no cost")),
    ],
)
def test_outliers_explains_each_case(result, words):
    text = x.outliers.explain(x.outliers.predict(PASSPORT), result)
    assert all(word in text for word in words)
    assert ("who pays" in text) == (result.data["cut"][1] > 0.8)


# on the GPU


def test_the_gpu_prediction_is_two_for_two_reasons():
    assert x.cuda.predict(PASSPORT).data["ratios"] == pytest.approx({"16": 2, "4096": 2}, rel=0.01)


def test_without_a_device_it_says_so():
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(Unavailable, match="no CUDA device"):
        x.cuda.run()


@pytest.mark.parametrize(("ratios", "words"), [((1.9, 1.8), "two different"), ((1.9, 1.1), "below two")])
def test_the_gpu_result_is_explained(ratios, words):
    keys = ("16", "4096")
    data = {"ratios": dict(zip(keys, ratios)), "seconds": dict.fromkeys(keys, 1e-4)}
    assert words in x.cuda.explain(x.cuda.predict(PASSPORT), Outcome(Quantity(ratios[0], "1"), data))


EXAMPLES = []
