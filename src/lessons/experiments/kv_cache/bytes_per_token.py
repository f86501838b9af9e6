"""Count the bytes of a token three ways."""

from __future__ import annotations

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Derivation, Operand
from lessons.llm.engines import config, engine
from lessons.measure.verdict import COUNTED
from lessons.passport import Passport
from lessons.units import Quantity, format_bytes

FLOAT = 4  # bytes


class BytesPerToken(Experiment):
    """Count the bytes of a token three ways: a formula, the model's matrices, the cache's storage."""

    id = "kv_cache.bytes"
    unit = "B"
    kind = "count"
    panels = None
    FINDINGS = (*COUNTED, "matrices-agree", "matrices-disagree")

    def predict(self, passport: Passport) -> Outcome:
        c = config()
        shape = "shape of SmolLM2-135M"
        by = Derivation(
            "2 * l * h * d * b",
            {
                "l": Operand("layers", Quantity(c.layers, "1"), shape),
                "h": Operand("K/V heads of a layer", Quantity(c.kv_heads, "1"), shape),
                "d": Operand("channels of a head", Quantity(c.head_dim, "1"), shape),
                "b": Operand("bytes of a float", Quantity(FLOAT, "B"), "chosen"),
            },
        )
        data = {"context": c.context, "group": c.heads // c.kv_heads}
        return Outcome(by.quantity(self.unit), data, by=by)

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
            "walked": f"{result.data['walked']:,} bytes",
            "formula": f"{prediction.quantity.value:,.0f} bytes",
            "counted": f"{result.quantity.value:,.0f} bytes",
            "context": f"{context:,}",
            "full": format_bytes(context * result.quantity.value),
            "group": prediction.data["group"],
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        matrices = result.data["walked"] == result.quantity.value
        return [self.verdict(prediction, result), f"matrices-{'agree' if matrices else 'disagree'}"]
