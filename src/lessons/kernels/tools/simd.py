"""Explicit vectors for Numba: loads, stores and multiply-adds on raw addresses, as portable LLVM IR.

Numba compiles loops over scalars and leaves the vectors to LLVM, which is good but not always enough: it never
makes non-temporal stores, and it keeps too few sums in flight. These helpers write the vectors down. They use
LLVM's own vector types, which every target can lower, so the same source runs on AVX-512, AVX2, SSE2 and Neon;
only the width is chosen by target.

Addresses are int64. Each helper takes an ``llvmlite`` builder and returns an LLVM value.
"""

from __future__ import annotations

from functools import cache

from llvmlite import ir
from numba.core import cgutils

i8, i16, i32, i64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
f16, f32, f64 = ir.HalfType(), ir.FloatType(), ir.DoubleType()
CACHE_LINE = 64  # bytes


@cache
def target_features() -> frozenset[str]:
    """Return the features Numba compiles for, such as "avx2". Not the host's: NUMBA_CPU_NAME may name less."""
    from numba.core.registry import cpu_target

    features = cpu_target.target_context.codegen().magic_tuple()[2]
    return frozenset(f[1:] for f in features.split(",") if f.startswith("+"))


@cache
def vector_bytes() -> int:
    """Return the widest vector of the target in bytes: 64 with AVX-512, 32 with AVX, else 16."""
    features = target_features()
    if "avx512f" in features:
        return 64
    return 32 if "avx" in features else 16


@cache
def has_fma() -> bool:
    """Tell whether the target multiplies and adds in one instruction."""
    return "fma" in target_features() or is_arm()


def is_amd() -> bool:
    """Tell whether Numba compiles for an AMD processor."""
    from numba.core.registry import cpu_target

    return cpu_target.target_context.codegen().magic_tuple()[1].startswith(("znver", "bdver", "btver"))


def is_x86() -> bool:
    """Tell whether Numba compiles for a processor of the x86 family, whose instructions LLVM knows by name."""
    from numba.core.registry import cpu_target

    triple = cpu_target.target_context.codegen().magic_tuple()[0]
    return triple.partition("-")[0] in {"x86_64", "amd64", "i386", "i486", "i586", "i686"}


def is_arm() -> bool:
    """Tell whether this is a 64-bit Arm processor, whose Neon has 32 registers and multiply-adds always."""
    import platform

    return platform.machine().lower() in {"arm64", "aarch64"}


def vector(element: ir.Type, count: int) -> ir.VectorType:
    return ir.VectorType(element, count)


def constant(kind: ir.VectorType, value: float) -> ir.Constant:
    return ir.Constant(kind, [value] * kind.count)


def load(builder, address, kind, align: int):
    """Load a value of type ``kind`` from an int64 address that is a multiple of ``align``."""
    value = builder.load(builder.inttoptr(address, kind.as_pointer()))
    value.align = align
    return value


def store(builder, value, address, align: int):
    """Store a vector to an int64 address that is a multiple of ``align``."""
    instruction = builder.store(value, builder.inttoptr(address, value.type.as_pointer()))
    instruction.align = align
    return instruction


def store_nontemporal(builder, value, address):
    """Store a vector past the caches. The address must be a multiple of the vector's size.

    A normal store first reads its cache line into the cache (write-allocate). This one writes the whole line to
    memory and never reads it. Such stores are weakly ordered: a fence must follow before others may read.
    """
    size = value.type.count * _element_bytes(value.type.element)
    instruction = store(builder, value, address, size)
    instruction.set_metadata("nontemporal", builder.module.add_metadata([i32(1)]))
    return instruction


def fence(builder):
    """Order non-temporal stores before all that follows. LLVM's own fence, so that every target has it."""
    builder.fence("seq_cst")


def prefetch(builder, address, level: int = 2):
    """Ask for the cache line at ``address``. A hint: it never faults, even past the end of an array.

    Args:
        builder, address: where to build it, and the address.
        level: the cache it comes into. The first has room for few lines on their way, and asking for one more makes
            the loads themselves wait.
    """
    pointer = i8.as_pointer()
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(ir.VoidType(), [pointer, i32, i32, i32]), "llvm.prefetch.p0"
    )
    builder.call(function, [builder.inttoptr(address, pointer), i32(0), i32(4 - level), i32(1)])


def multiply_add(builder, a, b, c):
    """Return a * b + c, fused where the target can. ``llvm.fma`` without the instruction would call libm."""
    suffix = f"v{a.type.count}f{8 * _element_bytes(a.type.element)}"
    name = f"llvm.fma.{suffix}" if has_fma() else f"llvm.fmuladd.{suffix}"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(a.type, [a.type] * 3), name)
    return builder.call(function, [a, b, c])


def call(builder, name: str, returns: ir.Type, *args):
    """Call an intrinsic of LLVM that the target must have, such as "llvm.x86.avx2.pmadd.wd"."""
    kind = ir.FunctionType(returns, [arg.type for arg in args])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)


def splat(builder, value, count: int):
    """Return a vector whose ``count`` lanes all hold ``value``."""
    kind = vector(value.type, count)
    undefined = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(undefined, value, i32(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(vector(i32, count), [0] * count))


def reduce_add(builder, value):
    """Return the sum of a float vector's lanes, in any order."""
    element = value.type.element
    name = f"llvm.vector.reduce.fadd.v{value.type.count}f{8 * _element_bytes(element)}"
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(element, [element, value.type]), name
    )
    return builder.call(function, [ir.Constant(element, 0.0), value], fastmath=("reassoc",))


def offset(builder, address, count: int):
    """Return ``address + count`` for a constant number of bytes."""
    return builder.add(address, i64(count)) if count else address


def _element_bytes(element) -> int:
    return {f32: 4, f64: 8}.get(element) or element.width // 8
