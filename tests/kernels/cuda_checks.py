"""The CUDA kernels against their plain references, on a device or in Numba's simulator. It needs no pytest.

    [NUMBA_ENABLE_CUDASIM=1] python cuda_checks.py [NAME ...]

The simulator must be chosen before Numba is imported, and a process cannot change its mind: hence a script.
"""

from __future__ import annotations

import sys
import traceback
from dataclasses import replace

import numpy as np
import torch

from lessons.kernels.attention import cuda as attention
from lessons.kernels.attention import reference as attention_reference
from lessons.kernels.chase import cuda as chase
from lessons.kernels.chase.reference import cycle
from lessons.kernels.copy import cuda as copy
from lessons.kernels.fma import cuda as fma
from lessons.kernels.fma import reference as fma_reference
from lessons.kernels.gemm import cuda as gemm
from lessons.kernels.gemm import reference as gemm_reference
from lessons.kernels.gemv import cuda as gemv
from lessons.kernels.gemv import reference as gemv_reference
from lessons.kernels.packed import Packed, expand, linear, pack
from lessons.kernels.packed import reference as packed_reference
from lessons.kernels.packed.formats import FORMATS
from lessons.kernels.shared import cuda as shared
from lessons.kernels.shared.reference import LOADS, end
from lessons.kernels.stream import cuda as stream
from lessons.kernels.stream import reference as stream_reference
from lessons.kernels.strided import cuda as strided
from lessons.kernels.strided import reference as strided_reference
from lessons.kernels.tools.device import SIMULATED
from lessons.kernels.transpose import CUDA as WAYS
from lessons.kernels.transpose import cuda as transpose
from lessons.llm.linear import PackedMatrix, lookup
from lessons.llm.linear import linear as matrix_linear


def _normal(*shape: int, device: str) -> torch.Tensor:
    draw = np.random.default_rng(sum(shape)).standard_normal(shape)
    return torch.from_numpy(draw.astype("float32")).to(device)


def check_stream(device: str) -> None:
    for kind in stream_reference.TRAFFIC:
        a, b, c = (_normal(999 + i, device=device).double()[:999].clone() for i in range(3))
        expected = a.cpu().numpy().copy()
        total = stream_reference.stream(kind, expected, b.cpu().numpy(), c.cpu().numpy(), 3.0)
        result = stream.stream(kind, a, b, c, 3.0, 2)
        if kind == "read":
            np.testing.assert_allclose(float(result), 2 * total, rtol=1e-12)
        else:
            np.testing.assert_allclose(a.cpu().numpy(), expected, rtol=1e-15)


def check_chase(device: str) -> None:
    links = cycle(37)
    place = 5
    for _ in range(48):
        place = links[place]
    there = torch.from_numpy(links).to(device)
    assert int(chase.chase(there, 48, 5)) == place
    assert int(chase.chase(there, 16, chase.chase(there, 32, 5))) == place


def check_fma(device: str) -> None:
    for dtype in ("float32", "float64"):
        lanes = fma.flop(dtype, 1) // fma.FLOP_PER_ROUND
        expected = fma_reference.total(4, int(lanes))
        np.testing.assert_allclose(float(fma.fma(dtype, 4)), expected, rtol=1e-6)


def check_gemv(device: str) -> None:
    # Sizes that divide by neither the warp nor the block, an odd width among them.
    for rows, outputs, inputs in ((1, 11, 70), (3, 8, 32), (8, 5, 33)):
        for dtype in (torch.float32, torch.bfloat16):
            x, w = _normal(rows, inputs, device=device), _normal(outputs, inputs, device=device).to(dtype)
            out = torch.empty(rows, outputs, device=device)
            gemv.linear(x, w, out)
            expected = gemv_reference(x.cpu().numpy(), w.float().cpu().numpy())
            np.testing.assert_allclose(out.cpu().numpy(), expected, atol=1e-4)


def check_gemm(device: str) -> None:
    # More than one block each way for either size of block, and edges inside a tile; one of a single thread's work.
    for m, n, k in ((70, 65, 19), (1, 1, 1)):
        a, b = _normal(m, k, device=device), _normal(k, n, device=device)
        expected = gemm_reference(a.cpu().numpy(), b.cpu().numpy())
        for way in gemm.KERNELS:
            out = torch.full((m, n), torch.nan, device=device)
            gemm.product(a, b, out, way)
            np.testing.assert_allclose(out.cpu().numpy(), expected, atol=1e-4)


def check_copy(device: str) -> None:
    # Less than a block, a whole block, and one that ends inside a thread's words.
    for length in (1, 1024, 1024 + 300):
        source = _normal(length, device=device).double()
        room = torch.full((length + 2,), 7.0, dtype=torch.float64, device=device)
        copy.copy(room[1:-1], source)
        assert torch.equal(room[1:-1], source) and room[0] == room[-1] == 7


def check_attention(device: str) -> None:
    for m, heads, kv_heads, length in ((1, 4, 2, 1), (1, 4, 2, 100), (2, 2, 1, 65), (3, 2, 2, 3)):
        q = _normal(m, heads, 16, device=device)
        k, v = (
            4 * _normal(kv_heads, 112 + 16 * i, 16, device=device)[:, :112].contiguous() for i in range(2)
        )
        arrays = [t.cpu().numpy() for t in (q, k, v)]
        expected = attention_reference.decode(*arrays, length)
        out = attention.decode(q, k, v, length)
        np.testing.assert_allclose(out.cpu().numpy(), expected, atol=2e-5)

        table = np.random.default_rng(length).permutation(7).astype("int32")
        k_pool, v_pool = (t.view(kv_heads, 7, 16, 16) for t in (k, v))
        expected = attention_reference.paged_decode(
            arrays[0], k_pool.cpu().numpy(), v_pool.cpu().numpy(), table, length
        )
        out = attention.paged_decode(q, k_pool, v_pool, table, length)
        np.testing.assert_allclose(out.cpu().numpy(), expected, atol=2e-5)


def _packed(format: str, tiles: int, blocks: int) -> Packed:
    """Codes over the whole range, and scales of both signs from denormal float16 to 1."""
    random, kind = np.random.default_rng(tiles + blocks), FORMATS[format]
    codes = random.integers(*((0, 16) if kind.bits == 4 else (-128, 128)), (16 * tiles, 32 * blocks))
    scales = random.standard_normal((16 * tiles, blocks)) * 10.0 ** random.integers(-7, 1, (1, blocks))
    minima = random.standard_normal(scales.shape) if kind.minimum else None
    return pack(codes, scales, minima, format=format)


def _on(device: str, packed: Packed) -> Packed:
    """Return weights for the CUDA kernels. In the simulator those take tensors of the CPU."""
    return replace(packed, data=torch.from_numpy(packed.data)) if device == "cpu" else packed.to(device)


def check_packed(device: str) -> None:
    # One tile and several, fewer blocks than warps and more, odd numbers of both; in the simulator, whose one
    # processor 33 tiles keep busy, also a single warp a tile.
    for rows, tiles, blocks in ((1, 1, 1), (2, 3, 5), (5, 1, 11), (16, 1, 3), (1, 33, 2)):
        for format in FORMATS:
            packed, x = _packed(format, tiles, blocks), _normal(rows, 32 * blocks, device=device)
            weights = packed_reference.dequantize(packed)
            out = linear(x, _on(device, packed)).cpu().numpy()
            # Each product and each sum is rounded by 2^-24 of what has been added up so far.
            sizes = np.abs(x.cpu().numpy()).astype("float64") @ np.abs(weights).T
            bound = 2.0**-24 * (32 * blocks + 16) * sizes
            assert (np.abs(out - packed_reference.linear(x.cpu().numpy(), packed)) <= bound).all()
            if rows == 2:
                np.testing.assert_array_equal(expand(_on(device, packed)).cpu(), weights)
                np.testing.assert_array_equal(expand(_on(device, packed), 1, 2).cpu(), weights[16:32])


def check_packed_matrix(device: str) -> None:
    packed = _packed("Q4_1", 3, 2)
    weights = torch.from_numpy(packed_reference.dequantize(packed))
    matrix = PackedMatrix(_on(device, packed))
    for rows in (3, 17):  # the kernel, and torch's product with the expanded weights
        x = _normal(rows, 64, device=device)
        expected = x.cpu().double() @ weights.double().T
        torch.testing.assert_close(matrix_linear(x, matrix).cpu().double(), expected, atol=1e-3, rtol=1e-4)
    tokens = torch.tensor([17, 0, 47, 17])
    assert torch.equal(lookup(matrix, tokens.to(device)).cpu(), weights[tokens])
    np.testing.assert_array_equal(matrix.packed.to("cpu").data, packed.data)


def check_shared(device: str) -> None:
    for stride in (1, 32, 33):
        ends = shared.walk(stride, 3, 1, 64).cpu().numpy()
        expected = [end(i % 32, stride, 3 * LOADS) for i in range(64)]
        np.testing.assert_array_equal(ends, expected * (len(ends) // 64))


def check_strided(device: str) -> None:
    # Fewer elements than threads, and more than four for each of the simulator's, with some left over.
    for length, stride in ((700, 3), (5003, 1), (9001, 2)):
        x = torch.from_numpy(np.random.default_rng(stride).integers(-9, 9, length).astype("float32"))
        total = strided.strided(x.to(device), stride)
        assert float(total) == strided_reference.strided(x.numpy(), stride)


def check_transpose(device: str) -> None:
    for shape in ((32, 32), (33, 70), (1, 40)):
        x = _normal(*shape, device=device)
        for way in WAYS:
            out = torch.full(shape[::-1], 7.0, device=device)
            transpose.transpose(way, x, out)
            assert torch.equal(out, x.T)


CHECKS = [
    check_stream,
    check_chase,
    check_fma,
    check_gemv,
    check_gemm,
    check_copy,
    check_attention,
    check_packed,
    check_packed_matrix,
    check_shared,
    check_strided,
    check_transpose,
]


def main(names: list[str]) -> int:
    """Make the checks of these names, or all; say which went well; return how many did not."""
    if SIMULATED:
        # Each simulated thread is a thread of the system, and the one that polls them should not keep the interpreter
        # long. Two blocks show all that eight do.
        sys.setswitchinterval(5e-4)
        fma.BLOCKS_PER_PROCESSOR = stream.BLOCKS_PER_PROCESSOR = strided.BLOCKS_PER_PROCESSOR = 2
    failed = 0
    for check in CHECKS:
        if names and check.__name__ not in names:
            continue
        try:
            check("cpu" if SIMULATED else "cuda")
            print(check.__name__, flush=True)
        except Exception:  # the others have their say too
            traceback.print_exc()
            failed += 1
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
