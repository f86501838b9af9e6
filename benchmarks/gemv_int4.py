"""One row times a Q4_0 matrix, ours against ONNX Runtime and ggml: int8 activations, one thread.

ONNX Runtime's ``MatMulNBits`` runs at accuracy level 4, its int8 arithmetic, which is more than twice as fast as its
default. ``ratio_ggml`` is against ggml's product, and ``ratio_read`` against a plain read of the same weights.
"""

from __future__ import annotations

import common
import ggml
import numpy as np
from gemv_int8 import COLUMNS, ROWS, against_read, check, matrix

from lessons.errors import LessonError
from lessons.kernels.packed import linear
from lessons.llm import quant
from lessons.measure import compare


def onnx_product(data: np.ndarray, x: np.ndarray):
    """Return a function that computes w x with MatMulNBits.

    Raises:
        LessonError: when onnx or onnxruntime is not installed.
    """
    try:
        import onnxruntime
        from onnx import TensorProto, helper, numpy_helper
    except ImportError:
        raise LessonError("onnx and onnxruntime are not installed; see benchmarks/README.md") from None
    codes, scales, _ = quant.codes(data, "Q4_0")
    pairs = codes.reshape(ROWS, COLUMNS // quant.BLOCK, quant.BLOCK // 2, 2)
    weights = (pairs[..., 0] | pairs[..., 1] << 4).astype(np.uint8)
    constants = [
        numpy_helper.from_array(weights, "w"),
        numpy_helper.from_array(scales.astype(np.float32), "scales"),
    ]
    node = helper.make_node(
        "MatMulNBits", ["x", "w", "scales"], ["y"], domain="com.microsoft",
        K=COLUMNS, N=ROWS, bits=4, block_size=quant.BLOCK, accuracy_level=4,
    )  # fmt: skip
    graph = helper.make_graph(
        [node],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, COLUMNS])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, ROWS])],
        constants,
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, {"x": x[None]})[0]


def measure_once() -> common.Record:
    """Compare the products."""
    data, packed, x = matrix("Q4_0")
    row = x[None]

    def ours() -> np.ndarray:
        return linear(row, packed, arithmetic="int8", threads=1)

    onnx, theirs = onnx_product(data, x), ggml.product(ggml.Q4_0, data, ROWS, COLUMNS, x)
    for name, run in (("ours", ours), ("ONNX Runtime", onnx), ("ggml", theirs)):
        check(name, run(), data, "Q4_0", x)
    over_ggml = compare(ours, theirs, rounds=24)
    return common.record(
        compare(ours, onnx, rounds=24),
        packed.nbytes,
        "B/s",
        1,
        ratio_ggml=over_ggml.ratio.value,
        ratio_read=against_read(ours, packed),
    )


if __name__ == "__main__":
    common.main(measure_once, bar=1.4, other_bars={"ratio_ggml": 1.5, "ratio_read": 0.8})
