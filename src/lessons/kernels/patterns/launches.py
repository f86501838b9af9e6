"""Every pattern by its name, for the access log. Names that begin with "tile" read shared memory."""

from __future__ import annotations

import numpy as np

from lessons.kernels.patterns import global_memory as g
from lessons.kernels.patterns import shared_memory as s
from lessons.kernels.tools.access_log import Launch

# Each lane in a sector of its own, in no order: eight floats fill a sector.
SCATTERED = 8 * np.random.default_rng(14).permutation(128)[:32] + np.arange(32) % 8
SHUFFLED = np.random.default_rng(14).permutation(32)

GLOBAL = {
    **{f"stride {step}": Launch(g.strided, (32 * step,), args=(step, 0)) for step in (1, 2, 3, 8, 32)},
    "broadcast": Launch(g.strided, (1,), args=(0, 0)),
    "shifted 1": Launch(g.strided, (33,), args=(1, 1)),
    "shifted 8": Launch(g.strided, (40,), args=(1, 8)),
    "backwards": Launch(g.backwards, (32,)),
    "shuffled": Launch(g.gather, (32,), args=(SHUFFLED.astype("int32"),)),
    "scattered": Launch(g.gather, (1024,), args=(SCATTERED.astype("int32"),)),
    "column": Launch(g.column, (32, 64)),
    "int8": Launch(g.strided, (32,), "int8", (1, 0)),
    "float16": Launch(g.strided, (32,), "float16", (1, 0)),
    "float64": Launch(g.strided, (32,), "float64", (1, 0)),
    "struct fields": Launch(g.struct_fields, (32, 4)),
    "array fields": Launch(g.array_fields, (4, 32)),
    "vectors 1": Launch(g.vectors, (32, 4), args=(1,)),
    "vectors 2": Launch(g.vectors, (64, 4), args=(2,)),
    "vector column": Launch(g.vector_column, (32, 16, 4), args=(1,)),
    "vector pairs": Launch(g.vector_column, (16, 16, 4), args=(2,)),
}
TILE = (32, 32)
SHARED = {
    **{f"tile stride {step}": Launch(s.strided, (1024,), args=(step,)) for step in (1, 2, 3, 16)},
    "tile broadcast": Launch(s.strided, (1024,), args=(0,)),
    "tile two words": Launch(s.two_words, (64,)),
    **{f"tile column {pitch}": Launch(s.column(pitch), TILE) for pitch in (32, 33)},
    "tile column swizzled": Launch(s.swizzled_column, TILE),
    "tile pairs": Launch(s.vector_rows(2), (32, 2)),
    **{f"tile pair column {pitch}": Launch(s.vector_column(pitch, 2), TILE) for pitch in (32, 34)},
    "tile fours": Launch(s.vector_rows(4), (32, 4)),
    **{f"tile four column {pitch}": Launch(s.vector_column(pitch, 4), TILE) for pitch in (32, 36, 40)},
    "tile four column swizzled": Launch(s.swizzled_vector_column, TILE),
    **{f"tile four 8 x 4 {pitch}": Launch(s.vector_column(pitch, 4, 8), (8, 32)) for pitch in (32, 36)},
    "tile four words 33": Launch(s.four_words, TILE),
}
LAUNCHES = {**GLOBAL, **SHARED}
