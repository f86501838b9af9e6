"""The compiled pass with what it needs around it: scratch memory, and tables of addresses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from threading import Lock
from typing import NamedTuple

import numpy as np
import torch

from lessons.kernels.attention.cpu import scratch_floats
from lessons.kernels.tools import team
from lessons.kernels.tools.buffers import aligned
from lessons.kernels.tools.product import TILE
from lessons.kernels.tools.records import record
from lessons.llm import step
from lessons.llm.cache import KVCache, Layout
from lessons.llm.linear import address, fast_for_many, kind, max_rows, product, row
from lessons.llm.weights import LlamaWeights


class CompiledPass:
    """``Llama.forward_batch`` on the CPU as one program, see ``step``: for a few rows, or for many, a few at a time.

    Args:
        weights: the model's, used where they lie.

    Attributes:
        max_rows: the most tokens in a pass.
        takes_many: whether more tokens than that are run in several passes. Reading packed weights again for every
            16 rows costs less than what whole numbers save: a library has products of floats only.
    """

    def __init__(self, weights: LlamaWeights) -> None:
        c, first = weights.config, weights.layers[0]
        self.config, self._weights = c, weights  # kept, for compiled code knows only their addresses
        self._matrices = (first.qkv, first.o, first.gate_up, first.down, weights.embedding)
        self.max_rows = min(max_rows(w) for w in self._matrices)
        self.takes_many = all(fast_for_many(w) for w in self._matrices)
        self._run = step.step(c.head_dim)
        self._layers = np.concatenate(
            [record(step.LAYER, **{name: address(w) for name, w in vars(x).items()}) for x in weights.layers]
        )
        self._model = record(
            step.MODEL,
            hidden=c.hidden,
            heads=c.heads,
            kv_heads=c.kv_heads,
            ffn=c.ffn,
            vocab=c.vocab,
            eps=c.norm_eps,
            output_norm=address(weights.output_norm),
            head=address(weights.embedding),
            turns=address(weights.turns),
            embed=row(weights.embedding).address,
        )
        self._products = lru_cache(self._find_products)
        self._scratch: dict[int, Scratch] = {}
        self._lock = Lock()

    @staticmethod
    def takes(weights: LlamaWeights) -> bool:
        """Tell whether a model is on the CPU, its widths are whole tiles, and its layers are stored alike."""
        c = weights.config
        kinds = {(kind(x.qkv), kind(x.o), kind(x.gate_up), kind(x.down)) for x in weights.layers}
        whole = not any(width % TILE for width in (c.hidden, c.ffn, c.head_dim, c.vocab))
        return weights.device.type == "cpu" and whole and len(kinds) == 1

    def __call__(
        self, tokens: Sequence[int], caches: Sequence[KVCache], counts: Sequence[int], wanted: Sequence[int]
    ) -> torch.Tensor | None:
        """Run new tokens for which the caches have already been extended.

        Args:
            tokens: the rows', sequence after sequence, each below the vocabulary's size.
            caches: one a sequence.
            counts: new tokens of each.
            wanted: rows whose logits are returned.

        Returns:
            float32 [wanted, vocab], or None when it does not take so many rows or a cache has no known layout.
        """
        layouts = [layout for cache in caches if (layout := cache.layout()) is not None]
        if (len(tokens) > self.max_rows and not self.takes_many) or len(layouts) < len(caches):
            return None
        before = [cache.length - count for cache, count in zip(caches, counts)]
        logits = torch.empty(len(wanted), self.config.vocab)
        with self._lock:  # the scratch is one, however many Python threads call
            for part in parts(before, counts, wanted, self.max_rows):
                chosen = [layouts[number] for number in part.sequences]
                self._run_part(
                    describe(tokens[part.first : part.last], chosen, part.lengths, part.counts, part.wanted),
                    logits[part.logits : part.logits + len(part.wanted)],
                )
        return logits

    def _run_part(self, batch: tuple[np.ndarray, np.ndarray, np.ndarray], logits: torch.Tensor) -> None:
        """Run no more than ``max_rows`` rows and write their logits."""
        sequences, rows, tables = batch
        threads = team.size()
        if threads not in self._scratch:
            self._scratch[threads] = Scratch(self, threads)
        scratch = self._scratch[threads]
        scratch.table["logits"] = logits.data_ptr()
        products = self._products(len(rows), max(1, len(logits)))
        argument = record(
            step.PASS,
            threads=threads,
            model=self._model.ctypes.data,
            products=products.ctypes.data,
            scratch=scratch.table.ctypes.data,
            layers=self._layers.ctypes.data,
            layer_count=len(self._layers),
            sequences=sequences.ctypes.data,
            sequence_count=len(sequences),
            rows=rows.ctypes.data,
            row_count=len(rows),
            tables=tables.ctypes.data,
            table_length=len(tables),
            logit_rows=len(logits),
        )
        team.run(self._run, scratch.flags, argument.ctypes.data)

    def _find_products(self, rows: int, wanted: int) -> np.ndarray:
        """Return the addresses of the C functions for so many rows; they are compiled at first use."""
        chosen = [product(w, count) for w, count in zip(self._matrices, (rows, rows, rows, rows, wanted))]
        return np.array([tuple((p.prepare.address, p.span.address) for p in chosen)], step.PRODUCTS)

    def prepared_bytes(self) -> int:
        """Return the room for the input of any product, in the form that its kernel wants."""
        c = self.config
        inputs = (c.hidden, c.heads * c.head_dim, c.hidden, c.ffn, c.hidden)
        return max(product(w, self.max_rows).prepared_bytes(k) for w, k in zip(self._matrices, inputs))


class Scratch:
    """The memory between the operations of a pass, for a team of threads.

    Attributes:
        flags: of the team.
        table: ``step.SCRATCH`` [threads].
    """

    def __init__(self, owner: CompiledPass, threads: int) -> None:
        c, n = owner.config, owner.max_rows
        attention, qkv = c.heads * c.head_dim, (c.heads + 2 * c.kv_heads) * c.head_dim
        self.flags = team.new_flags(threads)
        parts = step.part_count(c.context)
        attended = scratch_floats(c.head_dim, n * c.heads // c.kv_heads, step.longest_part())
        shared = {
            "x": aligned((n, c.hidden), "f4"),
            "q": aligned((n, attention), "f4"),
            "parts": aligned((parts, n, attention), "f4", fill=None),
            "stats": aligned((parts, n, c.heads, 2), "f4", fill=None),
            "gated": aligned((n, c.ffn), "f4"),
            "flags": self.flags,
        }
        self.table = np.zeros(threads, step.SCRATCH)
        self._memory = [shared]  # kept alive for as long as the addresses are
        for me in range(threads):
            own = {
                "normed": aligned((n, max(c.hidden, attention)), "f4"),
                "prepared": aligned(owner.prepared_bytes(), "u1"),
                "out": aligned((n, max(2 * c.ffn, qkv)), "f4"),
                "attended": aligned(attended, "f4"),
                "weights": aligned(parts, "f4"),
            }
            self._memory.append(own)
            for name, array in {**shared, **own}.items():
                self.table[name][me] = array.ctypes.data


class Part(NamedTuple):
    """What one pass takes of a batch.

    Attributes:
        first, last: its rows, ``last`` not included.
        sequences: the numbers of the sequences they belong to.
        lengths: tokens of each once the pass has run.
        counts: new tokens of each.
        wanted: rows whose logits are wanted, counted from ``first``.
        logits: where those go in the batch's logits.
    """

    first: int
    last: int
    sequences: tuple[int, ...]
    lengths: tuple[int, ...]
    counts: tuple[int, ...]
    wanted: tuple[int, ...]
    logits: int


def parts(before: Sequence[int], counts: Sequence[int], wanted: Sequence[int], most: int) -> Iterator[Part]:
    """Cut a batch into passes of at most ``most`` rows, in order, so that each sees the tokens before it.

    Args:
        before: tokens of each sequence that are already in its cache.
        counts: new tokens of each.
        wanted: rows whose logits are wanted, in ascending order.
        most: rows in a pass.
    """
    total = sum(counts)
    if total <= most:  # a token, and most batches
        lengths = tuple(old + new for old, new in zip(before, counts))
        yield Part(0, total, tuple(range(len(counts))), lengths, tuple(counts), tuple(wanted), 0)
        return
    rows = [(number, place) for number, count in enumerate(counts) for place in range(count)]
    for first in range(0, len(rows), most):
        taken = rows[first : first + most]
        last_place = dict(taken)  # of each sequence in this pass
        sizes = Counter(number for number, _ in taken)
        yield Part(
            first,
            first + len(taken),
            tuple(last_place),
            tuple(before[number] + place + 1 for number, place in last_place.items()),
            tuple(sizes.values()),
            tuple(row - first for row in wanted if first <= row < first + len(taken)),
            sum(row < first for row in wanted),
        )


def describe(
    tokens: Sequence[int],
    layouts: Sequence[Layout],
    lengths: Sequence[int],
    counts: Sequence[int],
    wanted: Sequence[int],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the tables of a batch for ``step``: its sequences, its rows, and all block tables.

    Args:
        tokens: one a row.
        layouts: where each sequence's keys and values lie.
        lengths: tokens of each sequence, the new ones included.
        counts: new tokens of each.
        wanted: rows whose logits are wanted.

    Returns:
        ``step.SEQUENCE`` [sequences], ``step.ROW`` [rows] and int32 [blocks].
    """
    sequences: list[tuple[int, ...]] = []
    rows: list[tuple[int, ...]] = []
    blocks = 0
    for number, (at, length, count) in enumerate(zip(layouts, lengths, counts)):
        places = address(at.k), address(at.v), at.k.stride(0) * step.FLOAT, at.pool_tokens, at.block_size
        sequences.append((*places, length, count, len(rows), blocks, blocks + len(at.table)))
        blocks += len(at.table)
        for position in range(length - count, length):
            block, inside = divmod(position, at.block_size)
            rows.append(
                (tokens[len(rows)], number, position, int(at.table[block]) * at.block_size + inside, -1)
            )
    row_table = np.array(rows, step.ROW)
    row_table["logits_at"][list(wanted)] = range(len(wanted))
    tables = [at.table for at in layouts]
    return (
        np.array(sequences, step.SEQUENCE),
        row_table,
        np.concatenate(tables) if len(tables) > 1 else tables[0],
    )
