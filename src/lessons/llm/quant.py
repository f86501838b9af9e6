"""ggml's block formats: 32 weights share a scale, so that a weight costs 4.5, 5 or 8.5 bits.

===== ============================================= ===================
name  a block of 32 weights, in order               weight
===== ============================================= ===================
Q8_0  scale f16, 32 x int8                          scale * q
Q4_0  scale f16, 16 bytes of two nibbles            scale * (q - 8)
Q4_1  scale f16, min f16, 16 bytes of two nibbles   scale * q + min
===== ============================================= ===================

The low nibble of byte i is weight i and its high nibble weight i + 16.

Source:
    github.com/ggml-org/ggml: src/ggml-common.h (block_q4_0, block_q4_1, block_q8_0), src/ggml-quants.c
    (dequantize_row_*, quantize_row_*_ref).
"""

from __future__ import annotations

import numpy as np

from lessons.llm.gguf import GGUF

BLOCK = 32


def dequantize(data: np.ndarray, type: str) -> np.ndarray:
    """Turn stored bytes into float32 weights.

    Args:
        data: uint8 [nbytes], whole blocks.
        type: "F32", "F16", "Q8_0", "Q4_0" or "Q4_1".

    Returns:
        float32, flat.

    Raises:
        ValueError: for another type.
    """
    if type in ("F32", "F16"):
        return data.view("<f4" if type == "F32" else "<f2").astype(np.float32)
    if type == "Q8_0":
        blocks = data.reshape(-1, 2 + BLOCK)
        return (_scale(blocks, 0) * blocks[:, 2:].view(np.int8)).ravel()
    if type == "Q4_0":
        blocks = data.reshape(-1, 2 + BLOCK // 2)
        levels = _nibbles(blocks[:, 2:]) - np.float32(8)
        return (_scale(blocks, 0) * levels).ravel()
    if type == "Q4_1":
        blocks = data.reshape(-1, 4 + BLOCK // 2)
        return (_scale(blocks, 0) * _nibbles(blocks[:, 4:]) + _scale(blocks, 2)).ravel()
    raise ValueError(f"no block format {type!r}; known are F32, F16, Q8_0, Q4_0 and Q4_1")


def codes(data: np.ndarray, type: str) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Take stored blocks apart, as ``lessons.kernels.packed.pack`` wants them.

    Args:
        data: uint8 [nbytes], whole blocks.
        type: "Q8_0", "Q4_0" or "Q4_1".

    Returns:
        The codes [blocks, 32] (int8 for "Q8_0", else uint8), the scales float16 [blocks], and the minima float16
        [blocks] or None.

    Raises:
        ValueError: for another type.
    """
    if type == "Q8_0":
        blocks = data.reshape(-1, 2 + BLOCK)
        return blocks[:, 2:].view(np.int8), _half(blocks, 0)[:, 0], None
    if type not in ("Q4_0", "Q4_1"):
        raise ValueError(f"{type} has no blocks of codes; Q4_0, Q4_1 and Q8_0 have")
    start = 4 if type == "Q4_1" else 2
    blocks = data.reshape(-1, start + BLOCK // 2)
    nibbles = np.concatenate([blocks[:, start:] & 15, blocks[:, start:] >> 4], axis=1)
    return nibbles, _half(blocks, 0)[:, 0], _half(blocks, 2)[:, 0] if type == "Q4_1" else None


def quantize(weights: np.ndarray, type: str) -> np.ndarray:
    """Turn float32 weights into the bytes of a block format, as ggml's reference quantiser does.

    Args:
        weights: float32, any shape whose last dimension is a multiple of 32.
        type: "Q8_0" or "Q4_0".

    Returns:
        uint8 [nbytes].

    Raises:
        ValueError: for another type, or when the rows are not whole blocks.
    """
    if weights.shape[-1] % BLOCK:
        raise ValueError(f"rows of {weights.shape[-1]} weights are no whole blocks of {BLOCK}")
    x = np.ascontiguousarray(weights, np.float32).reshape(-1, BLOCK)
    if type == "Q8_0":
        scale = np.abs(x).max(axis=1, keepdims=True) / np.float32(127)
        scaled = x * _inverse(scale)
        # C's roundf goes away from zero at a half; np.round would go to the even number.
        q = (np.sign(scaled) * np.floor(np.abs(scaled) + np.float32(0.5))).astype(np.int8).view(np.uint8)
    elif type == "Q4_0":
        # The weight of largest magnitude, with its sign, becomes -8: the nibbles reach from -8 to 7.
        extreme = np.take_along_axis(x, np.abs(x).argmax(axis=1)[:, None], axis=1)
        scale = extreme / np.float32(-8)
        steps = np.minimum(15, x * _inverse(scale) + np.float32(8.5)).astype(np.uint8)
        q = steps[:, : BLOCK // 2] | steps[:, BLOCK // 2 :] << 4
    else:
        raise ValueError(f"cannot quantise to {type!r}; use Q8_0 or Q4_0")
    return np.concatenate([scale.astype("<f2").view(np.uint8), q], axis=1).ravel()


def round_trip(weights: np.ndarray, type: str) -> np.ndarray:
    """Return ``weights`` as they come back from ``type``: float32 of the same shape, with the format's error."""
    return dequantize(quantize(weights, type), type).reshape(weights.shape)


def read_tensor(file: GGUF, name: str) -> np.ndarray:
    """Return one tensor of an open GGUF file as float32 in its shape.

    Raises:
        GGUFError: when the file has no such tensor.
    """
    data = file.data(name)
    info = file.tensors[name]
    return dequantize(data, info.type.name).reshape(info.shape)


def _half(blocks: np.ndarray, at: int) -> np.ndarray:
    """Return the float16 that starts at byte ``at`` of each block, [blocks, 1]."""
    return np.ascontiguousarray(blocks[:, at : at + 2]).view("<f2")


def _scale(blocks: np.ndarray, at: int) -> np.ndarray:
    return _half(blocks, at).astype(np.float32)


def _nibbles(packed: np.ndarray) -> np.ndarray:
    """Return the 32 four-bit numbers of each block as float32 [blocks, 32]."""
    both = np.concatenate([packed & 15, packed >> 4], axis=1)
    return both.astype(np.float32)


def _inverse(scale: np.ndarray) -> np.ndarray:
    """Return 1 / scale, and 0 for a block of zeros."""
    return np.divide(np.float32(1), scale, out=np.zeros_like(scale), where=scale != 0)
