"""Memory for kernels: where arrays begin, and that none lies on another."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.kernels.tools.buffers import LINE, PAGE, Arena, aligned

shapes = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=8)


@given(shapes, st.sampled_from(["float32", "int16", "uint8"]))
def test_arrays_of_an_arena_begin_on_lines_and_keep_their_values(shapes, dtype):
    size = np.dtype(dtype).itemsize
    arena = Arena(sum(-(-a * b * size // LINE) * LINE for a, b in shapes))
    arrays = [arena.take(shape, dtype) for shape in shapes]
    for number, array in enumerate(arrays):
        array[...] = number
    for number, (array, shape) in enumerate(zip(arrays, shapes)):
        assert array.shape == shape and array.ctypes.data % LINE == 0 and (array == number).all()


def test_an_arena_that_is_used_up_says_so():
    arena = Arena(128)
    arena.take((16,), "float32")
    with pytest.raises(ValueError, match="68 bytes are wanted and 64 are left"):
        arena.take((17,), "float32")


def test_a_buffer_begins_on_a_page():
    assert aligned((3, 5), "float32", fill=2.0).tolist() == [[2.0] * 5] * 3
    assert aligned(100).ctypes.data % PAGE == 0
