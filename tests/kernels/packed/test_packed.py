import ctypes

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lessons.kernels.packed import cpu, expand, float32, int8, linear, lookup, pack, reference
from lessons.kernels.packed.formats import FORMATS
from lessons.kernels.tools.buffers import aligned

ARITHMETICS = {"float32": float32, "int8": int8}
ROUNDING = 2.0**-24  # of a float32 result, relative
ISAS = [(arithmetic, isa) for arithmetic, module in ARITHMETICS.items() for isa in module.ISAS]


def model_weights(format, rows, columns, seed=0):
    """Normal weights in one of the formats: the least and the largest of a block get the outermost codes."""
    random = np.random.default_rng(seed)
    w = random.standard_normal((rows, columns // 32, 32))
    if format == "Q4_1":
        minima = w.min(axis=2)
        scales = (w.max(axis=2) - minima) / 15
        codes = np.rint((w - minima[..., None]) / scales[..., None])
        return pack(codes.reshape(rows, columns).clip(0, 15), scales, minima, format=format)
    scales = np.abs(w).max(axis=2) / {"Q4_0": 8, "NF4": 1, "Q8_0": 127}[format]
    values = w / scales[..., None]
    if format == "NF4":
        codes = np.abs(values[..., None] - np.array(FORMATS["NF4"].book)).argmin(axis=-1)
    else:
        codes = (np.rint(values) + 8).clip(0, 15) if format == "Q4_0" else np.rint(values)
    return pack(codes.reshape(rows, columns), scales, format=format)


def activations(rows, columns, seed=1):
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)


def terms(x, packed):
    """Sum of the magnitudes that make each output: what its rounding errors are relative to."""
    codes, scales, minima = reference.parts(packed)
    kind = FORMATS[packed.format]
    values = np.array(kind.book)[codes] if kind.book else codes - kind.centre
    added = np.abs(minima + kind.centre * scales * kind.minimum)
    magnitudes = np.abs(scales[..., None] * values) + added[..., None]
    return np.abs(x) @ magnitudes.reshape(packed.rows, packed.columns).T.astype(np.float64)


def rounding_bound(x, packed):
    """A bound of a float32 sum's error: each number passes through a block's sum, then through one of blocks."""
    return ROUNDING * (32 + packed.columns // 32 + 4) * terms(x, packed)


def int8_rounding_bound(x, packed):
    """The same for the int8 arithmetic, whose sums within a block are exact. Its codes count from 0."""
    codes, scales, minima = (np.abs(part) for part in reference.parts(packed))
    magnitudes = (scales[..., None] * np.maximum(codes, 128) + minima[..., None]).reshape(packed.rows, -1)
    return ROUNDING * (packed.columns // 32 + 8) * (np.abs(x) @ magnitudes.T.astype(np.float64))


def run(x, packed, arithmetic, isa=None):
    """The product by one instruction set."""
    rows, columns = x.shape
    prepared = aligned(ARITHMETICS[arithmetic].prepared_bytes(rows, columns), "uint8")
    prepare = float32.prepare if arithmetic == "float32" else int8.prepare(packed.format)
    prepare(x.ctypes.data, prepared.ctypes.data, rows, columns)
    y = np.empty((rows, packed.rows), np.float32)
    span = cpu.span(packed.format, rows, arithmetic, isa)
    span(packed.address, prepared.ctypes.data, y.ctypes.data, 0, packed.rows // 16, columns, packed.rows)
    return y


def check(y, x, packed, arithmetic):
    if arithmetic == "float32":
        assert (np.abs(y - reference.linear(x, packed)) <= rounding_bound(x, packed)).all()
    else:
        assert (np.abs(y - reference.linear_int8(x, packed)) <= int8_rounding_bound(x, packed)).all()


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("rows", range(1, 17))
def test_every_number_of_rows(rows, arithmetic):
    x, packed = activations(rows, 96), model_weights("Q4_1", 48, 96)
    check(linear(x, packed, arithmetic=arithmetic), x, packed, arithmetic)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("arithmetic, isa", ISAS, ids=lambda value: getattr(value, "name", value))
def test_every_format_on_every_instruction_set_of_this_machine(format, arithmetic, isa):
    if not isa.available():
        pytest.skip(f"the target has no {isa.name}")
    x, packed = activations(3, 160), model_weights(format, 32, 160)
    check(run(x, packed, arithmetic, isa.name), x, packed, arithmetic)


@given(
    format=st.sampled_from(sorted(FORMATS)),
    arithmetic=st.sampled_from(sorted(ARITHMETICS)),
    rows=st.sampled_from([1, 2]),
    tiles=st.integers(1, 3),
    blocks=st.integers(1, 6),
    seed=st.integers(0, 1000),
)
def test_every_shape(format, arithmetic, rows, tiles, blocks, seed):
    x, packed = activations(rows, 32 * blocks, seed), model_weights(format, 16 * tiles, 32 * blocks, seed)
    check(linear(x, packed, arithmetic=arithmetic, threads=1), x, packed, arithmetic)


@pytest.mark.parametrize("format", FORMATS)
def test_float32_is_as_accurate_as_a_library_with_the_dequantised_weights(format):
    x, packed = activations(2, 4096), model_weights(format, 64, 4096)
    exact = reference.linear(x, packed)
    ours = np.square(linear(x, packed) - exact).mean()
    librarys = np.square(x @ reference.dequantize(packed).T - exact).mean()
    assert ours <= 2 * librarys


@pytest.mark.parametrize("format", FORMATS)
def test_int8_errs_by_half_a_step_of_each_activation_at_most(format):
    x, packed = activations(2, 512), model_weights(format, 32, 512)
    _, steps = reference.quantize(x)
    w = np.abs(reference.dequantize(packed))
    bound = np.repeat(steps, 32, axis=1) / 2 @ w.T
    if format == "NF4":  # and by half a step of the code book
        _, scales, _ = reference.parts(packed)
        bound += (np.abs(x) + np.repeat(steps, 32, axis=1)) @ np.repeat(scales, 32, axis=1).T / 2 / 127
    error = np.abs(linear(x, packed, arithmetic="int8") - reference.linear(x, packed))
    assert (error <= bound + int8_rounding_bound(x, packed)).all()
    assert error.max() > rounding_bound(x, packed).max()  # it is the quantised product, not another float32


def test_the_exact_sum_in_the_minimums_term_would_nearly_double_the_error():
    x, packed = activations(4, 1024), model_weights("Q4_1", 64, 1024)
    exact = reference.linear(x, packed)
    q, steps = reference.quantize(x)
    difference = x.reshape(q.shape).sum(axis=2) - steps * q.sum(axis=2)
    with_exact_sum = reference.linear_int8(x, packed) + difference @ reference.parts(packed)[2].T
    ours = np.square(linear(x, packed, arithmetic="int8") - exact).mean()
    assert np.square(with_exact_sum - exact).mean() > 2 * ours


@pytest.mark.parametrize("format", FORMATS)
def test_a_lookup_gives_the_rows_that_were_asked_for(format):
    packed = model_weights(format, 48, 96)
    wanted, weights = np.array([47, 0, 17, 17]), reference.dequantize(packed)
    np.testing.assert_array_equal(lookup(packed, wanted), weights[wanted])
    np.testing.assert_array_equal(lookup(packed, torch.from_numpy(wanted)[::2]), weights[wanted[::2]])
    assert lookup(packed, wanted[:0]).shape == (0, 96)
    for wrong in (-1, 48):
        with pytest.raises(ValueError, match="there are rows 0 to 47"):
            lookup(packed, np.array([0, wrong]))


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_threads_share_the_tiles_and_change_no_bit(arithmetic):
    x, packed = activations(2, 1024), model_weights("Q8_0", 16 * 21, 1024)
    assert packed.nbytes > cpu.PARALLEL_BYTES
    one, three = (linear(x, packed, arithmetic=arithmetic, threads=threads) for threads in (1, 3))
    np.testing.assert_array_equal(one, three)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_spoils_its_row_and_no_other(arithmetic, value):
    x, packed = activations(3, 96), model_weights("Q4_1", 16, 96)
    clean = linear(x, packed, arithmetic=arithmetic)
    x[1, 40] = value
    y = linear(x, packed, arithmetic=arithmetic)
    assert not np.isfinite(y[1]).any()
    np.testing.assert_array_equal(y[[0, 2]], clean[[0, 2]])


@pytest.mark.parametrize("size", [0.0, 1e-40, 1e-30, 1e20])
def test_int8_takes_activations_of_any_size(size):
    x, packed = np.float32(size) * activations(2, 64), model_weights("Q4_1", 16, 64)
    y = linear(x, packed, arithmetic="int8")
    assert np.isfinite(y).all()
    np.testing.assert_allclose(y, reference.linear(x, packed), atol=0.5 * size + 1e-34)


def test_tensors_and_outputs_are_taken():
    x, packed = activations(2, 64), model_weights("NF4", 32, 64)
    expected = linear(x, packed)
    y = linear(torch.from_numpy(x), packed)
    assert isinstance(y, torch.Tensor) and (y.numpy() == expected).all()
    out = torch.zeros(2, 32)
    assert linear(torch.from_numpy(x), packed, out=out) is out and (out.numpy() == expected).all()


def call(function, *args):
    ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * len(args))(function.address)(*args)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_the_c_functions_write_the_outputs_of_their_tiles_only(arithmetic):
    x, packed = activations(2, 64), model_weights("Q4_1", 64, 64)
    product = cpu.product("Q4_1", 2, arithmetic)
    prepared, y = aligned(product.prepared_bytes(64), "uint8"), np.full((2, 100), -1.0, np.float32)
    call(product.prepare, x.ctypes.data, prepared.ctypes.data, 2, 64)
    call(product.span, packed.address, prepared.ctypes.data, y.ctypes.data, 1, 3, 64, 100)
    np.testing.assert_array_equal(y[:, 16:48], linear(x, packed, arithmetic=arithmetic)[:, 16:48])
    assert (y[:, :16] == -1).all() and (y[:, 48:] == -1).all()


@pytest.mark.parametrize(
    "x, options, message",
    [
        (np.zeros((17, 32), "f4"), {}, r"x is \[17, 32\]; linear takes 1 to 16 rows.*expand"),
        (np.zeros((0, 32), "f4"), {}, "1 to 16 rows"),
        (np.zeros((1, 64), "f4"), {}, "x has 64 columns and the weights have 32"),
        (np.zeros((1, 32)), {}, "x must be contiguous float32, got float64"),
        (np.zeros((32, 2), "f4").T, {}, "x must be contiguous float32"),
        (torch.zeros(1, 32, dtype=torch.bfloat16), {}, "got torch.bfloat16"),
        (
            torch.zeros(1, 32, device="meta"),
            {},
            "x must be on the device of the weights, cpu, got device meta",
        ),
        (np.zeros((1, 32), "f4"), {"arithmetic": "int4"}, 'no arithmetic \'int4\'; use "float32" or "int8"'),
        (np.zeros((1, 32), "f4"), {"out": np.zeros((1, 8), "f4")}, r"out is \[1, 8\]; it must be \[1, 16\]"),
    ],
)
def test_what_cannot_be_multiplied_is_refused_in_one_sentence(x, options, message):
    with pytest.raises(ValueError, match=message):
        linear(x, model_weights("Q4_1", 16, 32), **options)


def test_weights_on_another_device_are_multiplied_there_or_not_at_all():
    packed = model_weights("Q4_1", 16, 32)
    assert packed.to("cpu") is packed and packed.device == "cpu"
    elsewhere = packed.to("meta")
    assert elsewhere.device == "meta" and elsewhere.nbytes == packed.nbytes
    with pytest.raises(ValueError, match="x must be on the device of the weights, meta, got device cpu"):
        linear(torch.zeros(1, 32), elsewhere)
    with pytest.raises(
        ValueError, match="no arithmetic 'int8' for weights on the device meta; use \"float32\""
    ):
        linear(torch.zeros(1, 32, device="meta"), elsewhere, arithmetic="int8")
    with pytest.raises(ValueError, match="out must be on the device of the weights, meta, got device cpu"):
        expand(elsewhere, out=np.empty((16, 32), np.float32))
