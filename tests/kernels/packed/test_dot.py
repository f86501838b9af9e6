"""The instruction for products of bytes, in a form that every LLVM reads, whatever this processor has."""

import llvmlite.binding
import pytest
from llvmlite import ir

from lessons.kernels.packed.dot import VNNI, add_products
from lessons.kernels.tools import simd


@pytest.mark.parametrize("isa", VNNI, ids=lambda isa: isa.name)
def test_old_and_new_llvm_read_the_instruction(isa):
    total, data = simd.vector(simd.i32, isa.lanes), simd.vector(simd.i8, 4 * isa.lanes)
    module = ir.Module()
    function = ir.Function(module, ir.FunctionType(total, [total, data, data]), "f")
    builder = ir.IRBuilder(function.append_basic_block())
    builder.ret(add_products(builder, *function.args, isa, nibbles=False))
    llvmlite.binding.parse_assembly(str(module)).verify()  # this LLVM
    assert f'{VNNI[isa]}"({total} %".1", {total} %".2", {total} %".3")' in str(module)  # those up to 21
