"""What training keeps in memory that inference does not: counted on the tensors themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lessons.experiments.base import SILENT, Outcome, Progress
from lessons.experiments.derivation import Derivation, Operand
from lessons.experiments.inference_vs_training.trained import TINY, Trained
from lessons.formulas import kv_cache, training
from lessons.measure.conditions import one_thread
from lessons.measure.verdict import COUNTED
from lessons.passport import Passport
from lessons.units import Quantity, format_bytes

if TYPE_CHECKING:
    import torch

    from lessons.llm.trainable import TrainableLlama

PARTS = ("weights", "KV cache", "gradients", "moments", "activations")
FLOAT = 4  # bytes


class Memory(Trained):
    """Weights, gradients, Adam's moments and kept activations of one step, against weights and KV cache."""

    id = "inference_vs_training.memory"
    unit = "B"
    kind = "count"
    SMALL = {"shape": TINY}
    FINDINGS = (*COUNTED, "more-kept", "less-kept")

    def predict(self, passport: Passport) -> Outcome:
        s = self.shape
        parameters = s.multiplied + s.vocab * s.hidden + (2 * s.layers + 1) * s.hidden
        states = training.adam_states(parameters, FLOAT)
        kept = training.kept_activations(s.tokens, s.layers, s.hidden, s.heads, s.ffn, s.vocab, FLOAT)
        cache = s.tokens * kv_cache.bytes_per_token(s.layers, s.heads, s.hidden // s.heads, FLOAT)
        parts = dict(zip(PARTS, (states.weights, cache, states.gradients, states.moments, kept)))
        by = Derivation(
            "N * s + D * a",
            {
                "N": Operand("weights", Quantity(parameters, "1"), "shape of the network"),
                "s": Operand("weight, gradient and two moments", Quantity(4 * FLOAT, "B"), "counted"),
                "D": Operand("tokens of a step", Quantity(s.tokens, "1"), "chosen"),
                "a": Operand("activations of a token", Quantity(kept / s.tokens, "B"), "closed form"),
            },
        )
        data = {"parts": parts, "tokens": s.tokens, "parameters": parameters}
        return Outcome(by.quantity(self.unit), data, by=by)

    @one_thread()
    def run(self, progress: Progress = SILENT) -> Outcome:
        import torch

        from lessons.llm.trainable import TrainableLlama, random_tokens

        progress("one step")
        model, tokens = TrainableLlama(self.shape), random_tokens(self.shape)
        adam = torch.optim.AdamW(model.parameters(), fused=True)
        loss, kept = forward_and_kept(model, tokens)
        loss.backward()
        adam.step()
        weights = list(model.parameters())
        parts = {
            "weights": storage_bytes(weights),
            "gradients": storage_bytes(p.grad for p in weights if p.grad is not None),
            # Beside its two moments Adam keeps one step counter a tensor, which is no array.
            "moments": storage_bytes(t for state in adam.state.values() for t in state.values() if t.dim()),
            "activations": kept,
        }
        return Outcome(Quantity(sum(parts.values()), "B"), {"parts": parts})

    def draw(self, prediction: Outcome, result: Outcome, figure: Any) -> None:
        from lessons import figures

        (ax,) = figure.axes
        expected, counted = prediction.data["parts"], result.data["parts"]
        rows = {
            "inference,\npredicted": {name: expected[name] for name in PARTS[:2]},
            "training,\npredicted": {name: expected[name] for name in PARTS if name != "KV cache"},
            "training,\ncounted": counted,
        }
        begins = [0.0] * len(rows)
        for name, colour in zip(PARTS, figures.COLOURS):
            widths = [parts.get(name, 0) for parts in rows.values()]
            look: dict[str, Any] = {"lying": True, "colour": colour}
            figures.bars(ax, [0, 1], widths[:2], "", predicted=True, start=begins[:2], **look)
            figures.bars(ax, [2], widths[2:], name, start=begins[2:], **look)
            begins = [begin + width for begin, width in zip(begins, widths)]
        ax.set_yticks(range(len(rows)), list(rows))
        ax.invert_yaxis()
        ax.grid(axis="y", visible=False)
        figures.rate_axis(ax.xaxis, "B")
        ax.set_xlabel("memory (hatched: predicted)")
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        expected, counted = prediction.data["parts"], result.data["parts"]
        inference = expected["weights"] + expected["KV cache"]
        tokens, parameters = prediction.data["tokens"], prediction.data["parameters"]
        states = sum(counted[name] for name in ("weights", "gradients", "moments"))
        off = _off(prediction, result)
        worst = max(off, key=lambda name: abs(off[name]))
        return {
            "a_parameter": f"{states / parameters:.3g}",
            "a_token": format_bytes(counted["activations"] / tokens),
            "over_cache": f"{counted['activations'] / expected['KV cache']:.0f}",
            "even_at": f"{states / counted['activations'] * tokens:,.0f}",
            "inference": format_bytes(inference),
            "times": f"{result.quantity.value / inference:.1f}",
            "worst": worst,
            "off": f"{100 * abs(off[worst]):.3g} %",
            "parts": ", ".join(f"{name} {format_bytes(counted[name])}" for name in PARTS if name in counted),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        worst = max(_off(prediction, result).values(), key=abs)
        kept = ["more-kept"] * (worst > 0) + ["less-kept"] * (worst < 0)
        return [self.verdict(prediction, result), *kept]


def _off(prediction: Outcome, result: Outcome) -> dict[str, float]:
    """Return for each part that was counted how far it is from its formula, as a share."""
    expected, counted = prediction.data["parts"], result.data["parts"]
    return {name: counted[name] / expected[name] - 1 for name in counted}


def forward_and_kept(model: TrainableLlama, tokens: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Return the loss, and the bytes of floating-point tensors that autograd keeps for the backward pass.

    A storage that two operations keep is counted once. Weights and the rotary table are not counted: they are there
    in any case.
    """
    from torch.autograd.graph import saved_tensors_hooks

    there = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}
    kept: dict[int, int] = {}

    def keep(t: torch.Tensor) -> torch.Tensor:
        # The graph holds each kept tensor until the backward pass, so that no address is used twice.
        storage = t.untyped_storage()
        if t.is_floating_point() and t.dim() and storage.data_ptr() not in there:
            kept[storage.data_ptr()] = storage.nbytes()
        return t

    with saved_tensors_hooks(keep, lambda t: t):
        loss = model.loss(tokens)
    return loss, sum(kept.values())


def storage_bytes(tensors: Iterable[torch.Tensor]) -> int:
    """Return the bytes of the storages behind ``tensors``, each storage once."""
    return sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}.values())
