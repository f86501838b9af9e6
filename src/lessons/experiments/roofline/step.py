"""One step of a Llama model, operation by operation: what each should cost, and a clock around each."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from time import perf_counter
from typing import Any

from lessons.datasheets import Model
from lessons.formulas.llama import layer_matrices, multiplied
from lessons.formulas.roofline import Work, attention, gemm
from lessons.kernels.tools.buffers import Arena
from lessons.measure import median_interval
from lessons.measure.conditions import one_thread
from lessons.units import Quantity

FLOAT = 4  # bytes: the step runs in float32
WHOLE = "step"
ONCE = {"head"}  # everything else is done in each layer


def works(shape: Model, rows: int, context: int) -> dict[str, Work]:
    """Return the work of each operation of a step, for one call of it.

    Args:
        shape: the model.
        rows: tokens in the step: 1 when decoding, the prompt's length when prefilling.
        context: tokens attended to.

    The exponential of the activation counts as one FLOP, and the softmax is left out, as is usual.
    """
    m = layer_matrices(shape)
    return {
        "norm": Work(4 * rows * shape.hidden, 2 * rows * shape.hidden * FLOAT),
        "q, k, v": gemm(rows, *m["qkv"], FLOAT),
        "attention": attention(rows, context, shape.heads, shape.kv_heads, shape.head_dim, FLOAT),
        "output": gemm(rows, *m["o"], FLOAT),
        "gate, up": gemm(rows, *m["gate_up"], FLOAT),
        "activation": Work(5 * rows * shape.ffn, 3 * rows * shape.ffn * FLOAT),
        "down": gemm(rows, *m["down"], FLOAT),
        "head": gemm(1, shape.vocab, shape.hidden, FLOAT),
    }


def calls(shape: Model) -> dict[str, int]:
    """Return how often a step makes each operation. A layer has two norms, and one norm precedes the head."""
    names = works(shape, 1, 1)
    counts = {name: 1 if name in ONCE else shape.layers for name in names}
    return counts | {"norm": 2 * shape.layers + 1}


def weights(shape: Model) -> dict[str, Any]:
    """Return matrices of the model's shape, one set a layer, so that a step streams them as the real one does.

    Their values do not matter for speed: all are one small number.
    """
    sizes = dict(zip(("q, k, v", "output", "gate, up", "down"), layer_matrices(shape).values()))
    filled = _filled(FLOAT * sum(multiplied(shape)))
    layers: dict[str, Any] = {name: [] for name in sizes}
    for _ in range(shape.layers):  # in the order in which a step reads them
        for name, size in sizes.items():
            layers[name].append(filled(size))
    return layers | {"head": filled((shape.vocab, shape.hidden))}


def _filled(size: int) -> Callable[[tuple[int, ...]], Any]:
    """Return what makes tensors of one small number, side by side in ``size`` bytes: large pages hold them."""
    import torch

    arena = Arena(size)

    def tensor(shape: tuple[int, ...]) -> Any:
        return torch.from_numpy(arena.take(shape)).fill_(1e-2)

    return tensor


@one_thread()
def step(
    shape: Model, matrices: dict[str, Any], rows: int, context: int, times: int = 7
) -> dict[str, Quantity]:
    """Run the step on one thread; return the seconds of one call of each operation, and of the step, its ``WHOLE``.

    Args:
        shape, rows, context: as for ``works``.
        matrices: from ``weights``.
        times: steps; the first also compiles and is left out.
    """
    import torch

    cache = (shape.kv_heads, context, shape.head_dim)
    filled = _filled(2 * shape.layers * FLOAT * math.prod(cache))
    with torch.inference_mode():
        caches = [[filled(cache) for _ in "kv"] for _ in range(shape.layers)]
        runs = [_once(shape, matrices, caches, rows) for _ in range(times + 1)][1:]
    seconds = {
        name: median_interval([run[name] / n for run in runs], "s") for name, n in calls(shape).items()
    }
    return seconds | {WHOLE: median_interval([sum(run.values()) for run in runs], "s")}


def _once(shape: Model, matrices: dict[str, Any], caches: list[list[Any]], rows: int) -> dict[str, float]:
    import torch
    from torch.nn.functional import rms_norm, silu

    spent: dict[str, float] = defaultdict(float)

    def clock(name: str, fn: Callable, *args: Any) -> Any:
        start = perf_counter()
        result = fn(*args)
        spent[name] += perf_counter() - start
        return result

    def norm(x: Any) -> Any:
        return rms_norm(x, (shape.hidden,))

    x = torch.full((rows, shape.hidden), 0.5)
    for layer, (k, v) in enumerate(caches):
        n = clock("norm", norm, x)
        qkv = clock("q, k, v", _linear, n, matrices["q, k, v"][layer])
        q = qkv[:, : shape.heads * shape.head_dim].reshape(rows, shape.heads, shape.head_dim)
        mixed = clock("attention", _attend, q, k, v)
        x = x + clock("output", _linear, mixed.reshape(rows, -1), matrices["output"][layer])
        n = clock("norm", norm, x)
        gate, up = clock("gate, up", _linear, n, matrices["gate, up"][layer]).split(shape.ffn, dim=1)
        acted = clock("activation", lambda gate, up: silu(gate) * up, gate, up)
        x = x + clock("down", _linear, acted, matrices["down"][layer])
    n = clock("norm", norm, x)
    clock("head", _linear, n[-1:].contiguous(), matrices["head"])
    return spent


def _linear(x: Any, w: Any) -> Any:
    from lessons.kernels.gemv import MAX_ROWS, linear

    return linear(x, w, threads=1) if len(x) <= MAX_ROWS else x @ w.T


def _attend(q: Any, k: Any, v: Any) -> Any:
    """Attend with all rows to all keys: our kernel for few rows, the library's for many.

    There the query heads of one K/V head become rows of one product, which is what shared heads are good for.
    """
    from lessons.kernels.attention import decode
    from lessons.kernels.gemv import MAX_ROWS

    if len(q) <= MAX_ROWS:
        return decode(q, k, v, k.shape[1])
    from torch.nn.functional import scaled_dot_product_attention

    rows, heads, dim = q.shape
    grouped = q.transpose(0, 1).reshape(1, len(k), heads // len(k) * rows, dim)
    out = scaled_dot_product_attention(grouped, k[None], v[None])
    return out.reshape(heads, rows, dim).transpose(0, 1)
