"""Records by address: what compiled code takes of sizes and addresses, as a C program takes pointers to structs.

``numba.carray(void_pointer(address), (n,), kind)`` is an array of ``n`` records, and one of them is passed on as its
address; ``numba.from_dtype(kind)`` is its type in a signature. A compiled function sees no change in a layout that
another file of its room defines (see ``cache``), so the two belong in one file.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic


def struct(names: str, **others: Any) -> np.dtype:
    """Return a kind of record: int64 fields, named in one string, then ``others``, each with its dtype."""
    return np.dtype([*((name, np.int64) for name in names.split()), *others.items()], align=True)


def record(kind: np.dtype, **fields: Any) -> np.ndarray:
    """Return one record, as an array of ``kind`` [1].

    Raises:
        TypeError: when a field is missing, which compiled code would take for an address of 0, or is not in ``kind``.
    """
    names = kind.names or ()
    if fields.keys() != set(names):
        raise TypeError(f"a record of {', '.join(names)} cannot be made of {', '.join(fields)}")
    return np.array([tuple(fields[name] for name in names)], kind)


@intrinsic
def void_pointer(typing, address):
    """Turn an int64 address into a pointer, for ``numba.carray`` with a dtype."""

    def codegen(context, builder, signature, args):
        return builder.inttoptr(args[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), codegen
