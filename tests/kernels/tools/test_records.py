"""Records that compiled code reads by address are those that Python wrote."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import carray, from_dtype, types

from lessons.kernels.tools.jit import njit
from lessons.kernels.tools.records import record, struct, void_pointer

PAIR = struct("first second")
MIXED = struct("before", pair=PAIR, share=np.float64, after=np.int64)
word = types.int64


@njit(word(from_dtype(PAIR)), nogil=True)
def difference(pair):
    return pair.second - pair.first


@njit(types.UniTuple(types.float64, 4)(word, word, word), nogil=True)
def read(address, count, at):
    m = carray(void_pointer(address), (count,), MIXED)[at]
    return m.before, difference(m.pair), m.share, m.after


small = st.integers(-1000, 1000)


@given(st.lists(st.tuples(small, small, small, st.floats(-1, 1), small), min_size=1, max_size=4))
def test_compiled_code_reads_each_field_of_each_record(rows):
    written = [record(MIXED, after=e, before=a, share=d, pair=(b, c)) for a, b, c, d, e in rows]
    memory = np.concatenate(written)
    for at, (a, b, c, d, e) in enumerate(rows):
        assert read(memory.ctypes.data, len(memory), at) == (a, c - b, d, e)


def test_a_struct_lies_as_in_c():
    mixed = struct("word", byte=np.int8, real=np.float64)
    assert [mixed.fields[name][1] for name in ("word", "byte", "real")] == [0, 8, 16]
    assert mixed.itemsize == 24 and from_dtype(mixed).aligned


@pytest.mark.parametrize(
    "fields", [{"first": 1}, {"first": 1, "second": 2, "third": 3}, {"first": 1, "scond": 2}]
)
def test_a_record_has_all_its_fields_and_no_other(fields):
    with pytest.raises(TypeError, match="a record of first, second cannot be made of first"):
        record(PAIR, **fields)
