"""How a warp may read global memory: each kernel makes one read per lane, or one per field."""

from __future__ import annotations

from numba import cuda


@cuda.jit
def strided(x, out, step, first):
    """Lane i reads element first + i * step."""
    i = cuda.threadIdx.x
    out[i] = x[first + i * step]


@cuda.jit
def backwards(x, out):
    """The last lane reads the first element."""
    i = cuda.threadIdx.x
    out[i] = x[31 - i]


@cuda.jit
def gather(x, out, table):
    """Lane i reads the element that a table names."""
    i = cuda.threadIdx.x
    out[i] = x[table[i]]


@cuda.jit
def column(x, out):
    """Lane i reads the first element of row i."""
    i = cuda.threadIdx.x
    out[i] = x[i, 0]


@cuda.jit
def struct_fields(x, out):
    """Array of structs: lane i reads the four fields of struct i, one after another."""
    i = cuda.threadIdx.x
    out[i] = x[i, 0] + x[i, 1] + x[i, 2] + x[i, 3]


@cuda.jit
def array_fields(x, out):
    """Struct of arrays: lane i reads element i of each of four arrays."""
    i = cuda.threadIdx.x
    out[i] = x[0, i] + x[1, i] + x[2, i] + x[3, i]


@cuda.jit
def vectors(x, out, step):
    """Lane i reads the four floats of row i * step at once: 128 bits."""
    i = cuda.threadIdx.x
    row = x[i * step]
    out[i] = row[0] + row[1] + row[2] + row[3]


@cuda.jit
def vector_column(x, out, lanes):
    """``lanes`` neighbouring lanes read neighbouring vectors of four floats, the next ones those of the next row."""
    i = cuda.threadIdx.x
    row = x[i // lanes, i % lanes]
    out[i] = row[0] + row[1] + row[2] + row[3]
