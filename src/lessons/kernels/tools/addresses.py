"""Arrays by address: what compiled code passes along instead of array objects."""

from __future__ import annotations

from numba import carray, types
from numba.extending import intrinsic

from lessons.kernels.tools.jit import njit


def _pointer_to(kind: types.Type):
    @intrinsic
    def turn(typing, address):
        """Turn an int64 address into a pointer, for ``numba.carray``."""

        def codegen(context, builder, signature, args):
            return builder.inttoptr(args[0], context.get_value_type(types.CPointer(kind)))

        return types.CPointer(kind)(types.int64), codegen

    return turn


pointer = _pointer_to(types.float32)
int64_pointer = _pointer_to(types.int64)
int32_pointer = _pointer_to(types.int32)


@njit(types.void(types.int64, types.int64, types.int64), nogil=True)
def copy(source, target, count):
    """Copy ``count`` float32 from address to address."""
    x, y = carray(pointer(source), (count,)), carray(pointer(target), (count,))
    for i in range(count):
        y[i] = x[i]
