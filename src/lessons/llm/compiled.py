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
        self._eps = np.array([c.norm_eps])
        self._layers = np.array(
            [
                [address(w) for w in (x.attn_norm, x.qkv, x.o, x.ffn_norm, x.gate_up, x.down)]
                for x in weights.layers
            ]
        )
        self._sizes = np.zeros(step.SIZES_LENGTH, np.int64)
        for at, size in (
            (step.HIDDEN, c.hidden),
            (step.HEADS, c.heads),
            (step.KV_HEADS, c.kv_heads),
            (step.FFN, c.ffn),
            (step.VOCAB, c.vocab),
            (step.OUTPUT_NORM, address(weights.output_norm)),
            (step.HEAD, address(weights.embedding)),
            (step.TURNS, address(weights.turns)),
            (step.EMBED, row(weights.embedding).address),
        ):
            self._sizes[at] = size
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
        scratch.table[:, step.LOGITS] = logits.data_ptr()
        self._sizes[step.ROWS], self._sizes[step.SEQUENCES] = len(rows), len(sequences)
        self._sizes[step.LOGIT_ROWS] = len(logits)
        arguments = np.zeros(step.ARGUMENTS, np.int64)
        arguments[step.THREADS] = threads
        for at, array in (
            (step.EPS, self._eps),
            (step.LAYERS, self._layers),
            (step.PRODUCTS, self._products(len(rows), max(1, len(logits)))),
            (step.SIZES, self._sizes),
            (step.SCRATCH, scratch.table),
            (step.BATCH, sequences),
            (step.TOKENS, rows),
            (step.TABLES, tables),
        ):
            arguments[at : at + 2] = array.ctypes.data, len(array)
        team.run(self._run, scratch.flags, arguments.ctypes.data)

    def _find_products(self, rows: int, wanted: int) -> np.ndarray:
        """Return the addresses of the C functions for so many rows; they are compiled at first use."""
        chosen = [product(w, count) for w, count in zip(self._matrices, (rows, rows, rows, rows, wanted))]
        return np.array([[p.prepare.address, p.span.address] for p in chosen])

    def prepared_bytes(self) -> int:
        """Return the room for the input of any product, in the form that its kernel wants."""
        c = self.config
        inputs = (c.hidden, c.heads * c.head_dim, c.hidden, c.ffn, c.hidden)
        return max(product(w, self.max_rows).prepared_bytes(k) for w, k in zip(self._matrices, inputs))


class Scratch:
    """The memory between the operations of a pass, for a team of threads.

    Attributes:
        flags: of the team.
        table: int64 [threads, 12], the addresses that ``step`` wants.
    """

    def __init__(self, owner: CompiledPass, threads: int) -> None:
        c, n = owner.config, owner.max_rows
        attention, qkv = c.heads * c.head_dim, (c.heads + 2 * c.kv_heads) * c.head_dim
        self.flags = team.new_flags(threads)
        parts = step.part_count(c.context)
        attended = scratch_floats(c.head_dim, n * c.heads // c.kv_heads, step.longest_part())
        shared = {
            step.X: aligned((n, c.hidden), "f4"),
            step.Q: aligned((n, attention), "f4"),
            step.PARTS: aligned((parts, n, attention), "f4", fill=None),
            step.STATS: aligned((parts, n, c.heads, 2), "f4", fill=None),
            step.GATED: aligned((n, c.ffn), "f4"),
            step.FLAGS: self.flags,
        }
        self.table = np.zeros((threads, step.SCRATCH_LENGTH), np.int64)
        self._memory = [shared]  # kept alive for as long as the addresses are
        for me in range(threads):
            own = {
                step.NORMED: aligned((n, max(c.hidden, attention)), "f4"),
                step.PREPARED: aligned(owner.prepared_bytes(), "u1"),
                step.OUT: aligned((n, max(2 * c.ffn, qkv)), "f4"),
                step.ATTENDED: aligned(attended, "f4"),
                step.WEIGHTS: aligned(parts, "f4"),
            }
            self._memory.append(own)
            for at, array in {**shared, **own}.items():
                self.table[me, at] = array.ctypes.data


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
        int64 [sequences, 10], int64 [rows, 5] and int32 [blocks].
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
    row_table = np.array(rows)
    row_table[list(wanted), step.LOGITS_AT] = range(len(wanted))
    tables = [at.table for at in layouts]
    return np.array(sequences), row_table, np.concatenate(tables) if len(tables) > 1 else tables[0]
