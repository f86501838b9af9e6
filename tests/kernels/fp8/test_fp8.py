"""Every code against torch, and every rounding against the definition and torch."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lessons.kernels import fp8
from lessons.kernels.fp8 import reference

TORCH = {"E4M3": torch.float8_e4m3fn, "E5M2": torch.float8_e5m2}
FORMATS = {"E4M3": fp8.E4M3, "E5M2": fp8.E5M2}
each = pytest.mark.parametrize("format", TORCH)


def torch_values(codes, format):
    return torch.from_numpy(codes).view(TORCH[format]).float().numpy()


@each
def test_all_256_codes_are_those_of_torch(format):
    codes = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(fp8.decode(codes, format), torch_values(codes, format))


@each
def test_every_finite_code_encodes_to_itself(format):
    codes = np.arange(256, dtype=np.uint8)
    values = fp8.decode(codes, format)
    finite = np.isfinite(values)
    np.testing.assert_array_equal(fp8.encode(values[finite], format), codes[finite])


@each
def test_halfway_between_two_codes_the_even_one_is_taken(format):
    kind = FORMATS[format]
    steps = fp8.decode(np.arange(kind.largest_code + 1, dtype=np.uint8), format)
    halves = ((steps[:-1].astype(np.float64) + steps[1:]) / 2).astype(np.float32)
    assert not (fp8.encode(halves, format) % 2).any()
    up, down = np.nextafter(halves, np.float32(np.inf)), np.nextafter(halves, np.float32(-np.inf))
    np.testing.assert_array_equal(fp8.encode(up, format), np.arange(1, len(steps)))
    np.testing.assert_array_equal(fp8.encode(down, format), np.arange(len(steps) - 1))


@each
@pytest.mark.parametrize("saturate", [True, False])
@given(x=st.floats(width=32) | st.floats(-600, 600, width=32) | st.floats(-7e4, 7e4, width=32))
def test_rounding_is_the_references(format, saturate, x):
    got = int(fp8.encode(np.array([x], np.float32), format, saturate=saturate)[0])
    expected = reference.encode(x, FORMATS[format], saturate)
    assert (got == expected) or np.isnan([FORMATS[format].value(c) for c in (got, expected)]).all()


@each
def test_within_the_range_it_is_torchs_cast(format):
    """Beyond it torch's E4M3 has changed from one version to the next: NaN once, the largest number now."""
    rng = np.random.default_rng(1)
    x = (rng.standard_normal(100_000) * np.exp2(rng.uniform(-20, 18, 100_000))).astype(np.float32)
    x = x[np.abs(x) <= FORMATS[format].largest]
    ours = fp8.decode(fp8.encode(x, format, saturate=False), format)
    np.testing.assert_array_equal(ours, torch.from_numpy(x).to(TORCH[format]).float().numpy())


def test_too_large_numbers():
    x = np.array([448, 464, 464.1, 1e9, np.inf, -np.inf], np.float32)
    assert fp8.round_trip(x).tolist() == [448, 448, 448, 448, 448, -448]
    plain = fp8.decode(fp8.encode(x, saturate=False))
    assert plain[:2].tolist() == [448, 448] and np.isnan(plain[2:]).all()
    wide = fp8.decode(fp8.encode(np.array([61439, 61440], np.float32), "E5M2", saturate=False), "E5M2")
    assert wide.tolist() == [57344, np.inf]


@each
def test_levels_are_the_finite_numbers(format):
    codes = np.arange(256, dtype=np.uint8)
    values = fp8.decode(codes, format)
    assert list(FORMATS[format].levels()) == sorted({float(v) for v in values if np.isfinite(v)})


def test_shape_is_kept_and_bad_input_is_refused():
    x = np.ones((3, 4), np.float32)[:, ::2]
    assert fp8.round_trip(x).shape == (3, 2)
    with pytest.raises(ValueError, match="E4M3 or E5M2"):
        fp8.encode(x, "E3M4")
    with pytest.raises(ValueError, match="float64"):
        fp8.encode(x.astype(np.float64))
    with pytest.raises(ValueError, match="int32"):
        fp8.decode(np.zeros(3, np.int32))
