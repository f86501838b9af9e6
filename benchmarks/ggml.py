"""ggml's matrix product on one thread, through the library that llama-cpp-python brings."""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lessons.errors import LessonError

F32, Q4_0, Q8_0 = 0, 2, 8  # ggml_type
pointer, size_t, int64 = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64


class InitParams(ctypes.Structure):
    """ggml_init_params."""

    _fields_ = (("mem_size", size_t), ("mem_buffer", pointer), ("no_alloc", ctypes.c_bool))


def product(type: int, data: np.ndarray, rows: int, columns: int, x: np.ndarray) -> Callable[[], np.ndarray]:
    """Return a function that computes w x with ggml_mul_mat; its result is float32 [rows].

    Args:
        type: ``Q4_0`` or ``Q8_0``.
        data: uint8, the blocks of w [rows, columns].
        rows, columns: of w.
        x: float32 [columns].

    Raises:
        LessonError: when llama-cpp-python is not installed.
    """
    spec = importlib.util.find_spec("llama_cpp")
    if spec is None or spec.origin is None:
        raise LessonError("llama-cpp-python is not installed; see benchmarks/README.md")
    folder = Path(spec.origin).parent / "lib"
    base, cpu = (ctypes.CDLL(str(folder / f"lib{name}.so")) for name in ("ggml-base", "ggml-cpu"))
    for function, result, *arguments in (
        (base.ggml_init, pointer, InitParams),
        (base.ggml_new_tensor_2d, pointer, pointer, ctypes.c_int, int64, int64),
        (base.ggml_new_tensor_1d, pointer, pointer, ctypes.c_int, int64),
        (base.ggml_get_data, pointer, pointer),
        (base.ggml_mul_mat, pointer, pointer, pointer, pointer),
        (base.ggml_new_graph, pointer, pointer),
        (base.ggml_build_forward_expand, None, pointer, pointer),
        (cpu.ggml_graph_compute_with_ctx, ctypes.c_int, pointer, pointer, ctypes.c_int),
        (cpu.ggml_cpu_init, None),
    ):
        function.restype, function.argtypes = result, arguments
    cpu.ggml_cpu_init()
    context = base.ggml_init(InitParams(data.nbytes + (64 << 20), None, False))
    w = base.ggml_new_tensor_2d(context, type, columns, rows)
    a = base.ggml_new_tensor_1d(context, F32, columns)
    ctypes.memmove(base.ggml_get_data(w), data.ctypes.data, data.nbytes)
    ctypes.memmove(base.ggml_get_data(a), x.ctypes.data, x.nbytes)
    y = base.ggml_mul_mat(context, w, a)
    graph = base.ggml_new_graph(context)
    base.ggml_build_forward_expand(graph, y)
    result = np.ctypeslib.as_array(
        ctypes.cast(base.ggml_get_data(y), ctypes.POINTER(ctypes.c_float)), (rows,)
    )

    def run() -> np.ndarray:
        cpu.ggml_graph_compute_with_ctx(context, graph, 1)
        return result

    return run
