"""One pass of the network over a few new tokens, compiled as a single program that threads run together.

The same arithmetic as ``model.py``, layer by layer. There each operation is a call from Python, which costs more
than the small ones take; here threads are started once a pass, and meet at first and five times a layer, where one
needs what another wrote:

    rows of the embedding |
    norm, Q K V product, rotation, keys and values into the cache | attention | O product, added to x |
    norm, gate and up products, SwiGLU | down product, added to x |

Each thread computes the norms for itself, since waiting costs more. The weights may lie in any format for which
there is a ``Product``, and the cache may be contiguous or paged: this file knows only addresses.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import carray, from_dtype, types

from lessons.kernels.attention import cpu as attention_cpu
from lessons.kernels.rms_norm.cpu import rms_norm
from lessons.kernels.rotary.cpu import rotate
from lessons.kernels.swiglu.cpu import LANES, swiglu
from lessons.kernels.tools.addresses import copy, int32_pointer, pointer
from lessons.kernels.tools.jit import cfunc, njit
from lessons.kernels.tools.product import TILE
from lessons.kernels.tools.records import struct, void_pointer
from lessons.kernels.tools.team import DONE, call4, call7, meet, share

FLOAT = 4  # bytes
PART = 256  # tokens that a thread attends to at once, or half as many or half as many more

# Compiled code takes sizes and addresses in records, all of int64 but one number. These are the kinds of records.
# A layer: addresses of its weights.
LAYER = struct("attn_norm qkv o ffn_norm gate_up down")
# A product: its C functions. All products of a pass: those of a layer, and the output head.
PRODUCT = struct("prepare span")
PRODUCTS = struct("", qkv=PRODUCT, o=PRODUCT, gate_up=PRODUCT, down=PRODUCT, head=PRODUCT)
# The model: its sizes; three addresses that are the same for all layers; the C function that writes a row of the
# embedding, which is the output head too; and what a norm adds under its root.
MODEL = struct("hidden heads kv_heads ffn vocab output_norm head turns embed", eps=np.float64)
# Scratch: what all threads see, then what each has for itself.
SCRATCH = struct("x q parts stats gated logits flags normed prepared out attended weights")
# A sequence: where its keys and values lie, and which rows and blocks are its own.
SEQUENCE = struct("k v layer_bytes pool_tokens block_size length count first_row table table_end")
# A row: its token, its sequence, the token's place there and in the pool, and its row of the logits or -1.
ROW = struct("token sequence position slot logits_at")
# A pass: where all this lies, and how much of it there is. The block tables, int32, lie one after another.
PASS = struct(
    "threads model products scratch layers layer_count sequences sequence_count rows row_count tables table_length "
    "logit_rows"
)

word = types.int64
Product, Products, Model, Scratch = (from_dtype(kind) for kind in (PRODUCT, PRODUCTS, MODEL, SCRATCH))
Layers, Sequences, Rows = (from_dtype(kind)[::1] for kind in (LAYER, SEQUENCE, ROW))
Tables = types.int32[::1]


@njit(word(word), nogil=True)
def part_count(length):
    """Return into how many parts the tokens of a sequence are cut for attention.

    By its length only, not by the number of threads: the sums then come out the same on any machine. An even number,
    for most machines have an even number of cores. A part has more tokens than a pass has rows, so that each row
    sees some token of the last part.
    """
    return max(1, (length + PART) // (2 * PART) * 2)


def longest_part() -> int:
    """Return the most tokens in a part of any sequence: just before there are two parts more, and two are many."""
    return PART + PART // 2


@njit(types.void(word, word, word), nogil=True)
def add(source, target, count):
    """Add ``count`` float32 at one address to those at another."""
    x, y = carray(pointer(source), (count,)), carray(pointer(target), (count,))
    for i in range(count):
        y[i] += x[i]


@cache
def step(head_dim: int) -> Any:
    """Return the compiled pass as a C function ``run(me, argument)``: one call for each thread of a team.

    ``argument`` is the address of a ``PASS``. Its scratch is a record for each thread, and what they share has the
    same address in all.
    """
    attend_part = attention_cpu.partial(head_dim)
    head_bytes = head_dim * FLOAT

    @njit(types.void(Model, Scratch, Sequences, Rows, word, word, word), nogil=True)
    def store(m, scratch, sequences, rows, layer, first, last):
        """Rotate queries and keys; queries stay, keys and values go into their sequence's cache."""
        width = (m.heads + 2 * m.kv_heads) * head_dim
        for r in range(len(rows)):
            row = rows[r]
            s = sequences[row.sequence]
            turns = m.turns + row.position * head_bytes
            for tile in range(first, last):
                channel = tile * TILE
                head, inside = channel // head_dim, (channel % head_dim) * FLOAT
                source = scratch.out + (r * width + channel) * FLOAT
                place = s.layer_bytes * layer + row.slot * head_bytes + inside
                kv_bytes = s.pool_tokens * head_bytes
                if head < m.heads:
                    target = scratch.q + (r * m.heads * head_dim + channel) * FLOAT
                    rotate(source, turns + inside, target)
                elif head < m.heads + m.kv_heads:
                    kv_head = head - m.heads
                    rotate(source, turns + inside, s.k + kv_head * kv_bytes + place)
                else:
                    kv_head = head - m.heads - m.kv_heads
                    copy(source, s.v + kv_head * kv_bytes + place, TILE)

    @njit(types.void(word, word, Model, Scratch, Sequences, word, Tables, word), nogil=True)
    def attention(me, threads, m, scratch, sequences, n, tables, layer):
        """Attend in what falls to this thread: every so many part of a sequence's tokens in one K/V head."""
        turn_of = 0
        for number in range(len(sequences)):
            s = sequences[number]
            row = s.first_row * m.heads
            parts = part_count(s.length)
            for task in range(parts * m.kv_heads):
                if (turn_of + task) % threads != me:
                    continue
                part, head = task // m.kv_heads, task % m.kv_heads
                row_of_part = part * n * m.heads + row
                attend_part(
                    scratch.q + row * head_bytes,
                    s.k + layer * s.layer_bytes,
                    s.v + layer * s.layer_bytes,
                    scratch.parts + row_of_part * head_bytes,
                    scratch.stats + row_of_part * 2 * FLOAT,
                    scratch.attended,
                    tables[s.table : s.table_end],
                    s.count, m.heads, m.kv_heads, s.length, s.block_size, s.pool_tokens,
                    head, part * s.length // parts, (part + 1) * s.length // parts,
                )  # fmt: skip
            turn_of += parts * m.kv_heads

    @njit(types.void(Model, Scratch, Sequences, Rows), nogil=True)
    def merge(m, scratch, sequences, rows):
        """Add the parts of each row and head, each weighted by exp(its largest score - the largest of all)."""
        n, heads = len(rows), m.heads
        out = carray(pointer(scratch.normed), (n, heads, head_dim))
        for r in range(n):
            parts = part_count(sequences[rows[r].sequence].length)
            weights = carray(pointer(scratch.weights), (parts,))
            sums = carray(pointer(scratch.parts), (parts, n, heads, head_dim))
            stats = carray(pointer(scratch.stats), (parts, n, heads, 2))
            for head in range(heads):
                largest = stats[0, r, head, 0]
                for part in range(1, parts):
                    largest = max(largest, stats[part, r, head, 0])
                total = np.float32(0)
                for part in range(parts):
                    weights[part] = np.exp(stats[part, r, head, 0] - largest)
                    total += weights[part] * stats[part, r, head, 1]
                first = weights[0] / total
                for i in range(head_dim):
                    out[r, head, i] = first * sums[0, r, head, i]
                for part in range(1, parts):
                    weight = weights[part] / total
                    for i in range(head_dim):
                        out[r, head, i] += weight * sums[part, r, head, i]

    @njit(types.void(Product, Scratch, word, word, word, word, word, word, word), nogil=True)
    def product(functions, scratch, x, w, rows, inputs, first, last, outputs):
        """Write the outputs of the tiles from ``first`` on into this thread's own ``out``."""
        call4(functions.prepare, x, scratch.prepared, rows, inputs)
        call7(functions.span, w, scratch.prepared, scratch.out, first, last, inputs, outputs)

    @njit(types.void(Scratch, word, word, word, word), nogil=True)
    def add_to_x(scratch, rows, hidden, first, last):
        for r in range(rows):
            place = (r * hidden + first * TILE) * FLOAT
            add(scratch.out + place, scratch.x + place, (last - first) * TILE)

    arguments = (Layers, Products, Model, Scratch, Sequences, Rows, word, Tables)

    @njit(types.void(word, word, *arguments), nogil=True)
    def run_thread(me, threads, layers, products, m, mine, sequences, rows, logit_rows, tables):
        n, hidden, ffn, vocab = len(rows), m.hidden, m.ffn, m.vocab
        q_width = m.heads * head_dim
        qkv_width = q_width + 2 * m.kv_heads * head_dim
        flags, epoch = mine.flags, 0
        first, last = share(n, me, threads)
        for r in range(first, last):
            call4(m.embed, m.head, rows[r].token, mine.x + r * hidden * FLOAT, hidden)
        epoch = meet(flags, me, threads, epoch)
        for i in range(len(layers)):
            layer = layers[i]
            rms_norm(mine.x, layer.attn_norm, mine.normed, n, hidden, m.eps)
            first, last = share(qkv_width // TILE, me, threads)
            product(products.qkv, mine, mine.normed, layer.qkv, n, hidden, first, last, qkv_width)
            store(m, mine, sequences, rows, i, first, last)
            epoch = meet(flags, me, threads, epoch)

            attention(me, threads, m, mine, sequences, n, tables, i)
            epoch = meet(flags, me, threads, epoch)

            merge(m, mine, sequences, rows)
            first, last = share(hidden // TILE, me, threads)
            product(products.o, mine, mine.normed, layer.o, n, q_width, first, last, hidden)
            add_to_x(mine, n, hidden, first, last)
            epoch = meet(flags, me, threads, epoch)

            rms_norm(mine.x, layer.ffn_norm, mine.normed, n, hidden, m.eps)
            first, last = share(ffn // TILE, me, threads)
            gates = ffn // TILE  # the tiles of the gate come first, those of up after them
            product(products.gate_up, mine, mine.normed, layer.gate_up, n, hidden, first, last, 2 * ffn)
            call7(
                products.gate_up.span, layer.gate_up, mine.prepared, mine.out,
                gates + first, gates + last, hidden, 2 * ffn,
            )  # fmt: skip
            for r in range(n):
                for channel in range(first * TILE, last * TILE, LANES):
                    gate = mine.out + (2 * r * ffn + channel) * FLOAT
                    swiglu(gate, gate + ffn * FLOAT, mine.gated + (r * ffn + channel) * FLOAT)
            epoch = meet(flags, me, threads, epoch)

            first, last = share(hidden // TILE, me, threads)
            product(products.down, mine, mine.gated, layer.down, n, ffn, first, last, hidden)
            add_to_x(mine, n, hidden, first, last)
            epoch = meet(flags, me, threads, epoch)

        for r in range(n):
            at = rows[r].logits_at
            if at >= 0:
                x, normed = mine.x + r * hidden * FLOAT, mine.normed + at * hidden * FLOAT
                rms_norm(x, m.output_norm, normed, 1, hidden, m.eps)
        if logit_rows == 0:  # the middle of a prompt
            return
        first, last = share(vocab // TILE, me, threads)
        call4(products.head.prepare, mine.normed, mine.prepared, logit_rows, hidden)
        call7(products.head.span, m.head, mine.prepared, mine.logits, first, last, hidden, vocab)

    @cfunc(word(word, word))
    def run(me, argument):
        p = carray(void_pointer(argument), (1,), PASS)[0]
        run_thread(
            me,
            p.threads,
            carray(void_pointer(p.layers), (p.layer_count,), LAYER),
            carray(void_pointer(p.products), (1,), PRODUCTS)[0],
            carray(void_pointer(p.model), (1,), MODEL)[0],
            carray(void_pointer(p.scratch), (p.threads,), SCRATCH)[me],
            carray(void_pointer(p.sequences), (p.sequence_count,), SEQUENCE),
            carray(void_pointer(p.rows), (p.row_count,), ROW),
            p.logit_rows,
            carray(int32_pointer(p.tables), (p.table_length,)),
        )
        return DONE

    return run
