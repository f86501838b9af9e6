"""How well the same file foresees the same text in our int8 arithmetic and in llama.cpp: quality, not speed.

``ratio`` is llama.cpp's perplexity over ours. ``of_float32`` is the perplexity with the same weights and float32
arithmetic, over ours. The errors are those of the logits of every token, against float32, with the true text as
input on all sides; ``ratio_error`` is llama.cpp's mean error over ours. Nothing is random or timed: the guard is 1.
"""

from __future__ import annotations

import common
import llamacpp
import numpy as np
import torch

from lessons.llm.load import load
from lessons.llm.perplexity import Score, windows

WINDOWS, LENGTH = 16, 128


def measure_once() -> common.Record:
    """Let the three read the same pages."""
    exact, ours = load("float32"), load("packed", activations="int8")
    texts = windows(exact.tokenizer, WINDOWS, LENGTH)
    peer = llamacpp.load(1, logits_all=True)
    want = [logits(exact, text) for text in texts]
    sides = {"ours": [logits(ours, text) for text in texts], "peer": [their_logits(peer, t) for t in texts]}
    float32 = perplexity(want, texts)
    values = {side: perplexity(found, texts) for side, found in sides.items()}
    errors = {side: [(x - y).abs() for x, y in zip(found, want)] for side, found in sides.items()}
    mean = {side: float(torch.cat(found).mean()) for side, found in errors.items()}
    ratio = values["peer"] / values["ours"]
    return {
        "ratio": ratio,
        "low": ratio,
        "high": ratio,
        **values,
        "unit": "1",
        "threads": 1,
        "guard": 1.0,
        "float32": float32,
        "of_float32": float32 / values["ours"],
        "mean_error": mean,
        "largest_error": {side: float(torch.cat(found).max()) for side, found in errors.items()},
        "ratio_error": mean["peer"] / mean["ours"],
    }


@torch.inference_mode()
def logits(llm, text: torch.Tensor) -> torch.Tensor:
    """Return the logits of every token but the last, read 16 tokens at a time."""
    cache = llm.new_cache(len(text))
    return torch.cat([llm.model.forward(piece, cache) for piece in text[:-1].split(16)])


def their_logits(model, text: torch.Tensor) -> torch.Tensor:
    model.reset()
    model.eval(text[:-1].tolist())
    return torch.from_numpy(np.array(model.scores[: len(text) - 1]))


def perplexity(found: list[torch.Tensor], texts: list[torch.Tensor]) -> float:
    surprise = [torch.nn.functional.cross_entropy(x, t[1:], reduction="none") for x, t in zip(found, texts)]
    return Score(torch.cat(surprise)).perplexity


if __name__ == "__main__":
    common.main(measure_once, bar=1.0, other_bars={"of_float32": 0.99, "ratio_error": 1.0})
