"""Build it: a meter that says of each phase how well it uses the machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Use(NamedTuple):
    """What a phase made of the machine.

    Attributes:
        rate: tokens per second: generated ones when decoding, and the prompt's or the batch's otherwise.
        mfu: needed FLOP over the seconds, over the peak.
        mbu: needed bytes over the seconds, over the bandwidth.
    """

    rate: float
    mfu: float
    mbu: float


class Meter:
    """Adds up what passes needed and how long they took, for each phase by itself.

    Args:
        weights: of the model, all of them multiplied with each token.
        weight_bytes: bytes of one weight, and of each number that the optimizer keeps.
        kv_bytes: bytes of the KV cache per token.
        peak: FLOP/s of the machine.
        bandwidth: B/s of its memory.
    """

    def __init__(
        self, weights: float, weight_bytes: float, kv_bytes: float, peak: float, bandwidth: float
    ) -> None:
        raise NotImplementedError("write Meter: exercises/inference_vs_training/meter.py")

    def decode(self, contexts: Sequence[int], seconds: float) -> None:
        """Count one step that generates one token per request.

        FLOP: 2 per weight and token; attention's are left out. Bytes: the weights once, for all requests together, and
        of each request the KV cache of all tokens that it sees.

        Args:
            contexts: tokens that each request of the batch sees.
            seconds: that the step took.
        """
        raise NotImplementedError

    def prefill(self, tokens: int, seconds: float) -> None:
        """Count the reading of one prompt: 2 FLOP per weight and token; the weights once, and the cache written."""
        raise NotImplementedError

    def train(self, tokens: int, seconds: float) -> None:
        """Count one training step over ``tokens`` tokens.

        FLOP: 6 per weight and token. Bytes: the weights once forward and once backward, and the seven numbers per
        weight that AdamW moves. No KV cache.
        """
        raise NotImplementedError

    def report(self) -> dict[str, Use]:
        """Return what was used, by phase ("decode", "prefill", "train"), for the phases that were counted."""
        raise NotImplementedError
