"""How long a step takes: a closed form from bandwidth and peak, or a line through measured steps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from lessons.datasheets import Accelerator, Model
from lessons.errors import LessonError
from lessons.formulas.kv_cache import bytes_per_token
from lessons.formulas.llama import Shape, causal_pairs, pair_flop
from lessons.serving.scheduler import Batch

if TYPE_CHECKING:
    import numpy as np

    from lessons.passport import Passport


class Work(NamedTuple):
    """What a step has to do.

    Attributes:
        tokens: rows of the linear layers.
        sequences: rows of the output head.
        context: tokens whose keys and values are read.
        pairs: pairs of a token and one it attends to.
        swapped: tokens whose keys and values are copied out or in.
    """

    tokens: int
    sequences: int
    context: int
    pairs: int
    swapped: int = 0


def work(batch: Batch) -> Work:
    """Return the work of a step that has not run yet."""
    tokens = context = pairs = 0
    for request, n in batch.rows:
        before = request.computed
        tokens += n
        context += before + n
        pairs += causal_pairs(n, before)
    return Work(tokens, len(batch.rows), context, pairs, batch.swapped)


class StepCost(Protocol):
    """Anything that says how many seconds a step takes."""

    def __call__(self, work: Work) -> float: ...


@dataclass(frozen=True)
class Roofline:
    """max(bytes / bandwidth, FLOP / peak) + overhead: the weights once a step, each cache once a sequence.

    Attributes:
        weight_bytes: bytes of weights read in a step.
        kv_bytes: bytes of cache a token.
        flop_per_token: arithmetic of all matrices for one token, about 2 x parameters; without the output head where
            ``flop_per_sequence`` has it.
        flop_per_pair: arithmetic of attention for a token and one it attends to: 4 x layers x heads x head_dim.
        bandwidth: B/s.
        peak: FLOP/s.
        overhead: seconds a step that no byte and no FLOP explains.
        swap_bandwidth: B/s to where preempted caches are kept.
        flop_per_sequence: arithmetic of the output head, which an engine may run for a sequence's last token alone.

    Source:
        williams2009roofline; for a batch austin2025scalingbook, chapter on inference.
    """

    weight_bytes: float
    kv_bytes: float
    flop_per_token: float
    flop_per_pair: float
    bandwidth: float
    peak: float
    overhead: float = 0.0
    swap_bandwidth: float = math.inf
    flop_per_sequence: float = 0.0

    def __call__(self, work: Work) -> float:
        swap = self.kv_bytes * work.swapped / self.swap_bandwidth
        bound = max(self.moved(work) / self.bandwidth, self.flop(work) / self.peak)
        return bound + swap + self.overhead

    def flop(self, work: Work) -> float:
        """Return the arithmetic of a step: its matrices, and its attention."""
        matrices = self.flop_per_token * work.tokens + self.flop_per_sequence * work.sequences
        return matrices + self.flop_per_pair * work.pairs

    def moved(self, work: Work) -> float:
        """Return the bytes that a step reads: the weights, and the caches."""
        return self.weight_bytes + self.kv_bytes * work.context

    @classmethod
    def from_datasheet(
        cls,
        accelerator: Accelerator,
        model: Model,
        *,
        itemsize: float = 2,
        of_bandwidth: float = 1.0,
        of_peak: float = 1.0,
        overhead: float = 0.0,
        swap_bandwidth: float = math.inf,
    ) -> Roofline:
        """Return the cost on a card, in 16 bits, from published figures.

        Args:
            accelerator, model: entries of ``lessons.datasheets``; the model must be dense.
            itemsize: bytes of a weight and of a cached number.
            of_bandwidth, of_peak: the shares of the published rates that software reaches; 1 is the bound.
            overhead, swap_bandwidth: see the class.

        Raises:
            LessonError: for a card without a published dense bf16 rate, or a model with several experts.
        """
        if accelerator.bf16 is None or model.experts > 1:
            raise LessonError(
                f"{accelerator.name} with {model.name} has no closed form here; choose a card with a dense bf16 "
                "rate and a model with one expert a layer"
            )
        return cls(
            weight_bytes=itemsize * model.parameters,
            kv_bytes=bytes_per_token(model.layers, model.kv_heads, model.head_dim, itemsize),
            flop_per_token=2 * model.parameters,
            flop_per_pair=pair_flop(model),
            bandwidth=of_bandwidth * accelerator.bandwidth,
            peak=of_peak * accelerator.bf16,
            overhead=overhead,
            swap_bandwidth=swap_bandwidth,
        )

    @classmethod
    def from_passport(
        cls,
        passport: Passport,
        shape: Shape,
        parameters: float,
        weight_bytes: float,
        *,
        dtype: str = "float32",
        threads: int | None = 1,
        overhead: float = 0.0,
        peak: float | None = None,
        head: float = 0.0,
    ) -> Roofline:
        """Return the cost on this computer's CPU, from its measured peaks: a bound, as no kernel reaches both.

        Args:
            passport: of this computer.
            shape: the model's; its cache is float32.
            parameters: numbers in the matrices, the output head included.
            weight_bytes: bytes they take.
            dtype: of the arithmetic: "float32", or "int8" for packed weights with quantised activations.
            threads: how many compute; None for all.
            overhead: see the class.
            peak: FLOP/s of the product that computes, where that is known; the peak in registers where None.
            head: those of the parameters that are multiplied with a sequence's last token alone.
        """
        return cls(
            weight_bytes=weight_bytes,
            kv_bytes=bytes_per_token(shape.layers, shape.kv_heads, shape.head_dim, 4),
            flop_per_token=2 * (parameters - head),
            flop_per_sequence=2 * head,
            flop_per_pair=pair_flop(shape),
            bandwidth=passport.bandwidth("read", "dram", threads=threads).value,
            peak=passport.flops(dtype, threads=threads).value if peak is None else peak,
            overhead=overhead,
        )


class Step(NamedTuple):
    """A step that has run: its work and its seconds."""

    work: Work
    seconds: float


@dataclass(frozen=True)
class Fitted:
    """A step's time as a sum: a constant, and a rate each for tokens, sequences, context and pairs.

    A program for a few rows and one for many are two programs, so there are two sums. Swaps are in neither.

    Attributes:
        few: tokens up to which a step belongs to the first.
        rates: for few rows and for many: seconds of the step, a token, a sequence, a token of context, a pair.
    """

    few: int
    rates: tuple[tuple[float, ...], tuple[float, ...]]

    def __call__(self, work: Work) -> float:
        rates = self.rates[work.tokens > self.few]
        return sum(rate * x for rate, x in zip(rates, (1, *work[:4])))

    @classmethod
    def to(cls, steps: Iterable[Step], few: int) -> Fitted:
        """Fit measured steps: least squares of the relative error, and no rate below 0.

        Args:
            steps: at least two of either kind, or none of it; a kind without any takes the other's rates.
            few: see the class.

        Raises:
            LessonError: when there are fewer than two steps.
        """
        kinds: tuple[list[Step], list[Step]] = [], []
        for step in steps:
            kinds[step.work.tokens > few].append(step)
        if max(map(len, kinds)) < 2:
            raise LessonError("a cost cannot be fitted to fewer than 2 steps; measure more of them")
        first, second = (_rates(kind) if len(kind) > 1 else None for kind in kinds)
        return cls(few, (first or second or (), second or first or ()))


def _rates(steps: Sequence[Step]) -> tuple[float, ...]:
    import numpy as np

    x = np.array([(1, *step.work[:4]) for step in steps], float)
    seconds = np.array([step.seconds for step in steps])
    # Errors are relative to the fit itself, found in two rounds: relative to the measured seconds, a step that was
    # fast by chance would weigh more than one that was slow by chance, and the fit would be too fast.
    scale = seconds
    for _ in range(2):
        rates = _not_negative(x / scale[:, None], seconds / scale)
        scale = x @ rates
    return tuple(float(rate) for rate in rates)


def _not_negative(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the least-squares solution of x r = y, leaving out what would be negative, the worst first."""
    import numpy as np

    used = list(range(x.shape[1]))
    while True:
        fit = np.linalg.lstsq(x[:, used], y, rcond=None)[0]
        if (fit >= 0).all() or len(used) == 1:
            break
        del used[int(np.argmin(fit * x[:, used].mean(axis=0)))]
    rates = np.zeros(x.shape[1])
    rates[used] = fit
    return rates
