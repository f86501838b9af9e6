"""The numbers of a Llama model: reading them from a GGUF file, and packing them where they stay in 4 or 8 bits.

Q, K and V are kept as one matrix and the feed-forward block's gate and up as one, so that a layer is four products.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from lessons.errors import shown
from lessons.formulas.llama import multiplied
from lessons.kernels.packed import pack, side_by_side
from lessons.kernels.tools.buffers import Arena
from lessons.llm.config import ModelConfig
from lessons.llm.gguf import GGUF, GGUFError
from lessons.llm.linear import PackedMatrix, Weights
from lessons.llm.quant import BLOCK, codes, read_tensor

# The file's tensors and what their sizes are called: of each layer, then those that there are once.
LAYER_TENSORS = {
    "attn_norm": ("hidden",),
    "attn_q": ("heads * head_dim", "hidden"),
    "attn_k": ("kv_heads * head_dim", "hidden"),
    "attn_v": ("kv_heads * head_dim", "hidden"),
    "attn_output": ("hidden", "heads * head_dim"),
    "ffn_norm": ("hidden",),
    "ffn_gate": ("ffn", "hidden"),
    "ffn_up": ("ffn", "hidden"),
    "ffn_down": ("hidden", "ffn"),
}
OTHER_TENSORS = {"token_embd": ("vocab", "hidden"), "output_norm": ("hidden",)}


@dataclass(frozen=True)
class Layer:
    """The weights of one transformer block.

    Attributes:
        attn_norm, ffn_norm: float32 [hidden].
        qkv: [(heads + 2 kv_heads) head_dim, hidden].
        o: [hidden, heads head_dim].
        gate_up: [2 ffn, hidden], the gate's rows first.
        down: [hidden, ffn].
    """

    attn_norm: torch.Tensor
    qkv: Weights
    o: Weights
    ffn_norm: torch.Tensor
    gate_up: Weights
    down: Weights


@dataclass(frozen=True)
class LlamaWeights:
    """All that a Llama model is made of; nothing of it changes while it runs.

    Attributes:
        config: the model's shape.
        dtype: of the matrices that are tensors.
        embedding: [vocab, hidden]; it is also the output head (tied).
        layers: the blocks' weights.
        output_norm: float32 [hidden].
        turns: the rotation of each pair at each position, complex64 [context, 1, head_dim / 2].
    """

    config: ModelConfig
    dtype: torch.dtype
    embedding: Weights
    layers: tuple[Layer, ...]
    output_norm: torch.Tensor
    turns: torch.Tensor

    @property
    def device(self) -> torch.device:
        """Where they lie."""
        return self.output_norm.device


def read_weights(
    file: GGUF,
    *,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
    through: Callable[[np.ndarray], np.ndarray] | None = None,
    arithmetic: str | None = None,
) -> LlamaWeights:
    """Read a model's weights. Norms and rotations are float32 whatever the matrices are.

    Args:
        file: the open file.
        dtype: of the matrices: float32 or bfloat16.
        device: where they lie.
        through: applied to each matrix, float32 [n, k], before it is stored; for copies whose weights went
            through a coarser format.
        arithmetic: "float32" or, on the CPU, "int8": the matrices stay in the file's blocks and are multiplied so.
            None expands them to ``dtype``.

    Raises:
        LessonError: when the file is no Llama, its metadata and its tensors contradict each other, or matrices that
            shall stay packed cannot. Nothing has run by then.
    """
    config = ModelConfig.from_gguf(file.metadata)
    check(config, file)
    on_cpu = torch.device(device).type == "cpu"
    numbers = sum(multiplied(config)) + 64 * len(file.tensors)  # each matrix begins on a cache line
    arena = Arena(numbers * dtype.itemsize) if on_cpu and arithmetic is None else None

    def matrix(*names: str) -> Weights:
        if arithmetic is not None:
            return packed_matrix(file, names, arithmetic, device)
        parts = [read_tensor(file, f"{name}.weight") for name in names]
        parts = [through(part) if through else part for part in parts]
        whole = torch.from_numpy(np.concatenate(parts) if len(parts) > 1 else parts[0])
        if arena is None:
            return whole.to(device, dtype)
        bits = f"int{8 * dtype.itemsize}"  # NumPy has no bfloat16
        return torch.from_numpy(arena.take(tuple(whole.shape), bits)).view(dtype).copy_(whole)

    def vector(name: str) -> torch.Tensor:
        return torch.from_numpy(read_tensor(file, f"{name}.weight")).to(device)

    layers = tuple(
        Layer(
            attn_norm=vector(f"blk.{i}.attn_norm"),
            qkv=matrix(f"blk.{i}.attn_q", f"blk.{i}.attn_k", f"blk.{i}.attn_v"),
            o=matrix(f"blk.{i}.attn_output"),
            ffn_norm=vector(f"blk.{i}.ffn_norm"),
            gate_up=matrix(f"blk.{i}.ffn_gate", f"blk.{i}.ffn_up"),
            down=matrix(f"blk.{i}.ffn_down"),
        )
        for i in range(config.layers)
    )
    embedding = matrix("token_embd")  # the head, and so the last to be read in a step
    if arithmetic is not None and on_cpu:
        layers, embedding = in_order_of_use(layers, embedding)
    turns = rotary_turns(config).to(device)
    return LlamaWeights(config, dtype, embedding, layers, vector("output_norm"), turns)


def check(config: ModelConfig, file: GGUF) -> None:
    """Compare a model's shape with its file's tensors: compiled code goes by the shape, and reads what it says.

    Raises:
        GGUFError: for a tensor that is missing, has another shape or is not known, or another number of layers.
    """
    blocks = {name.split(".")[1] for name in file.tensors if name.startswith("blk.")}
    if len(blocks) != config.layers:
        raise GGUFError(
            f"llama.block_count is {config.layers} and the file has the tensors of {len(blocks)} layers; "
            "it contradicts itself: fetch it again"
        )
    sizes = {
        "hidden": config.hidden,
        "heads * head_dim": config.heads * config.head_dim,
        "kv_heads * head_dim": config.kv_heads * config.head_dim,
        "ffn": config.ffn,
        "vocab": config.vocab,
    }
    known = {f"{name}.weight": names for name, names in OTHER_TENSORS.items()}
    for i in range(config.layers):
        known |= {f"blk.{i}.{name}.weight": names for name, names in LAYER_TENSORS.items()}
    for tensor, names in known.items():
        if tensor not in file.tensors:
            raise GGUFError(f"the file has no tensor {tensor!r}; fetch it again")
        found, wanted = file.tensors[tensor].shape, tuple(sizes[name] for name in names)
        if found != wanted:
            raise GGUFError(
                f"the tensor {tensor!r} is {list(found)}, and by the metadata it has to be "
                f"[{', '.join(names)}] = {list(wanted)}; the file contradicts itself: fetch it again"
            )
    unknown = file.tensors.keys() - known.keys()
    if unknown:
        raise GGUFError(
            f"the file has a tensor {shown(min(unknown))}, which is not a part of this book's Llama (no biases, "
            "the embedding as output head); take another model"
        )


def in_order_of_use(layers: Sequence[Layer], embedding: Any) -> tuple[tuple[Layer, ...], PackedMatrix]:
    """Return a packed model's matrices in one piece of memory, as a token meets them."""
    names = ("qkv", "o", "gate_up", "down")
    matrices = [getattr(layer, name) for layer in layers for name in names] + [embedding]
    moved = side_by_side([matrix.packed for matrix in matrices])
    made = iter([replace(matrix, packed=packed) for matrix, packed in zip(matrices, moved)])
    return tuple(replace(layer, **{name: next(made) for name in names}) for layer in layers), next(made)


def packed_matrix(
    file: GGUF, names: Sequence[str], arithmetic: str, device: str | torch.device = "cpu"
) -> PackedMatrix:
    """Return matrices of the file on a device, one under the other, in the blocks they are stored in.

    Raises:
        GGUFError: when the file has no such tensor, or the matrices are stored in different formats, in one without
            blocks, or with sizes or scales that cannot be packed.
    """
    parts, types, columns = [], set(), 0
    try:
        for name in names:
            data, info = file.data(f"{name}.weight"), file.tensors[f"{name}.weight"]
            parts.append(codes(data, info.type.name))
            types.add(info.type.name)
            columns = info.shape[-1]
        if len(types) > 1:
            raise ValueError(f"they are stored as {', '.join(sorted(types))}, and one format is wanted")
        q, scales, minima = zip(*parts)
        packed = pack(
            np.concatenate(q).reshape(-1, columns),
            np.concatenate(scales).reshape(-1, columns // BLOCK),
            None if minima[0] is None else np.concatenate(minima).reshape(-1, columns // BLOCK),
            format=types.pop(),
        )
    except ValueError as error:
        raise GGUFError(f"{', '.join(names)} cannot stay packed: {error}; load float32 weights") from error
    return PackedMatrix(packed.to(device), arithmetic)


def rotary_turns(config: ModelConfig) -> torch.Tensor:
    """Return each pair's rotation at each position, complex64 [context, 1, head_dim / 2].

    Pair i at position p turns by the angle p / base^(2 i / head_dim); as a complex number, exp(i angle).
    """
    pairs = torch.arange(0, config.head_dim, 2, dtype=torch.float64) / config.head_dim
    angles = torch.outer(torch.arange(config.context, dtype=torch.float64), config.rope_base**-pairs)
    return torch.polar(torch.ones_like(angles), angles).to(torch.complex64)[:, None]
