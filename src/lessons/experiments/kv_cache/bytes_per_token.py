"""Count the bytes of a token three ways."""

from __future__ import annotations

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.formulas import kv_cache
from lessons.llm.engines import config, engine
from lessons.passport import Passport
from lessons.units import Quantity, format_bytes

FLOAT = 4  # bytes


class BytesPerToken(Experiment):
    """Count the bytes of a token three ways: a formula, the model's matrices, the cache's storage."""

    id = "kv_cache.bytes"
    title = "cache of one token"
    unit = "B"
    question = "How many bytes does the model of this book keep for each token, in 32-bit floats?"
    panels = None

    def predict(self, passport: Passport) -> Outcome:
        c = config()
        value = kv_cache.bytes_per_token(c.layers, c.kv_heads, c.head_dim, FLOAT)
        return Outcome(Quantity(value, "B"), {"context": c.context, "group": c.heads // c.kv_heads})

    def run(self, progress: Progress = SILENT) -> Outcome:
        llm = engine()
        # The rows of each fused matrix that are not queries make keys and values: one float a row and token.
        c = llm.config
        walked = sum(layer.qkv.shape[0] - c.heads * c.head_dim for layer in llm.model.weights.layers) * FLOAT
        stored = llm.new_cache(64)
        counted = sum(t.untyped_storage().nbytes() for t in (stored.k, stored.v)) / stored.capacity
        return Outcome(Quantity(counted, "B"), {"walked": walked})

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        per_token, context = result.quantity.value, prediction.data["context"]
        agree = result.data["walked"] == per_token == prediction.quantity.value
        text = (
            "The formula, the model's own matrices and the bytes of the cache's storage agree to the byte."
            if agree
            else f"They disagree: the matrices say {format_bytes(result.data['walked'])}. Something is kept that "
            "the formula does not know."
        )
        return text + (
            f" A full context of {context:,} tokens keeps **{format_bytes(per_token * context)}**. Each key and "
            f"value serves {prediction.data['group']} query heads; if every head had its own, the cache would be "
            f"{prediction.data['group']} times as large."
        )
