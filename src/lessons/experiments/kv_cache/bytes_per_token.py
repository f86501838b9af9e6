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
    unit = "B"
    panels = None
    FINDINGS = ("agree", "disagree")

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

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        context = prediction.data["context"]
        return {
            "walked": format_bytes(result.data["walked"]),
            "counted": format_bytes(result.quantity.value),
            "context": f"{context:,}",
            "full": format_bytes(context * result.quantity.value),
            "group": prediction.data["group"],
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        agree = result.data["walked"] == result.quantity.value == prediction.quantity.value
        return ["agree" if agree else "disagree"]
