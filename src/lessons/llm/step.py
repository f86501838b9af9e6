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
from numba import carray, types

from lessons.kernels.attention import cpu as attention_cpu
from lessons.kernels.rms_norm.cpu import rms_norm
from lessons.kernels.rotary.cpu import rotate
from lessons.kernels.swiglu.cpu import LANES, swiglu
from lessons.kernels.tools.addresses import copy, float64_pointer, int32_pointer, int64_pointer, pointer
from lessons.kernels.tools.jit import cfunc, njit
from lessons.kernels.tools.product import TILE
from lessons.kernels.tools.team import DONE, call4, call7, meet, share

FLOAT = 4  # bytes
PART = 256  # tokens that a thread attends to at once, or half as many or half as many more

# Compiled code takes arrays of int64, sizes and addresses alike. These are the names of their columns.
# A layer: addresses of its weights.
ATTN_NORM, QKV, O, FFN_NORM, GATE_UP, DOWN = range(6)
# A product: its C functions.
PREPARE, SPAN = range(2)
# The sizes: of the model, of the batch, and three addresses that are the same for all layers.
HIDDEN, HEADS, KV_HEADS, FFN, VOCAB, ROWS, SEQUENCES, LOGIT_ROWS = range(8)
OUTPUT_NORM, HEAD, TURNS = range(8, 11)
EMBED = 11  # the C function that writes a row of the embedding, which is the output head too
SIZES_LENGTH = 12
# Scratch: what all threads see, then what each has for itself.
X, Q, PARTS, STATS, GATED, LOGITS, FLAGS = range(7)
NORMED, PREPARED, OUT, ATTENDED, WEIGHTS = range(7, 12)
SCRATCH_LENGTH = 12
# A sequence: where its keys and values lie, and which rows and blocks are its own.
K, V, LAYER_BYTES, POOL_TOKENS, BLOCK_SIZE = range(5)
LENGTH, COUNT, FIRST_ROW, TABLE, TABLE_END = range(5, 10)
SEQUENCE_LENGTH = 10
# A row: its token, its sequence, the token's place there and in the pool, and its row of the logits or -1.
TOKEN, SEQUENCE, POSITION, SLOT, LOGITS_AT = range(5)
ROW_LENGTH = 5
# The argument of a pass: the number of threads, then an address and a length for each array.
THREADS, EPS, LAYERS, PRODUCTS, SIZES, SCRATCH, BATCH, TOKENS, TABLES = 0, *range(1, 17, 2)
ARGUMENTS = 17

word = types.int64
vector, table = types.int64[::1], types.int64[:, ::1]


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

    ``argument`` is the address of ``ARGUMENTS`` int64: the number of threads, then the address and the length of
    each array: eps, float64 [1]; layers [n, 6]; products [5, 2] for Q K V, O, gate and up, down and the output
    head; sizes; scratch [threads, 12], where what is shared has the same address in each row; sequences [n, 10];
    tokens [rows, 5]; and all block tables one after another, int32. What is not named is int64.
    """
    attend_part = attention_cpu.partial(head_dim)
    head_bytes = head_dim * FLOAT

    @njit(types.void(vector, vector, table, table, word, word, word), nogil=True)
    def store(sizes, scratch, sequences, rows, layer, first, last):
        """Rotate queries and keys; queries stay, keys and values go into their sequence's cache."""
        width = (sizes[HEADS] + 2 * sizes[KV_HEADS]) * head_dim
        for r in range(sizes[ROWS]):
            sequence = sequences[rows[r, SEQUENCE]]
            turns = sizes[TURNS] + rows[r, POSITION] * head_bytes
            for tile in range(first, last):
                channel = tile * TILE
                head, inside = channel // head_dim, (channel % head_dim) * FLOAT
                source = scratch[OUT] + (r * width + channel) * FLOAT
                place = sequence[LAYER_BYTES] * layer + rows[r, SLOT] * head_bytes + inside
                kv_bytes = sequence[POOL_TOKENS] * head_bytes
                if head < sizes[HEADS]:
                    target = scratch[Q] + (r * sizes[HEADS] * head_dim + channel) * FLOAT
                    rotate(source, turns + inside, target)
                elif head < sizes[HEADS] + sizes[KV_HEADS]:
                    kv_head = head - sizes[HEADS]
                    rotate(source, turns + inside, sequence[K] + kv_head * kv_bytes + place)
                else:
                    kv_head = head - sizes[HEADS] - sizes[KV_HEADS]
                    copy(source, sequence[V] + kv_head * kv_bytes + place, TILE)

    @njit(types.void(word, word, vector, vector, table, types.int32[::1], word), nogil=True)
    def attention(me, threads, sizes, scratch, sequences, tables, layer):
        """Attend in what falls to this thread: every so many part of a sequence's tokens in one K/V head."""
        heads, kv_heads = sizes[HEADS], sizes[KV_HEADS]
        turn_of = 0
        for number in range(sizes[SEQUENCES]):
            s = sequences[number]
            row = s[FIRST_ROW] * heads
            parts = part_count(s[LENGTH])
            for task in range(parts * kv_heads):
                if (turn_of + task) % threads != me:
                    continue
                part, head = task // kv_heads, task % kv_heads
                row_of_part = part * sizes[ROWS] * heads + row
                attend_part(
                    scratch[Q] + row * head_bytes,
                    s[K] + layer * s[LAYER_BYTES],
                    s[V] + layer * s[LAYER_BYTES],
                    scratch[PARTS] + row_of_part * head_bytes,
                    scratch[STATS] + row_of_part * 2 * FLOAT,
                    scratch[ATTENDED],
                    tables[s[TABLE] : s[TABLE_END]],
                    s[COUNT], heads, kv_heads, s[LENGTH], s[BLOCK_SIZE], s[POOL_TOKENS],
                    head, part * s[LENGTH] // parts, (part + 1) * s[LENGTH] // parts,
                )  # fmt: skip
            turn_of += parts * kv_heads

    @njit(types.void(vector, vector, table, table), nogil=True)
    def merge(sizes, scratch, sequences, rows):
        """Add the parts of each row and head, each weighted by exp(its largest score - the largest of all)."""
        n, heads = sizes[ROWS], sizes[HEADS]
        out = carray(pointer(scratch[NORMED]), (n, heads, head_dim))
        for r in range(n):
            parts = part_count(sequences[rows[r, SEQUENCE], LENGTH])
            weights = carray(pointer(scratch[WEIGHTS]), (parts,))
            sums = carray(pointer(scratch[PARTS]), (parts, n, heads, head_dim))
            stats = carray(pointer(scratch[STATS]), (parts, n, heads, 2))
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

    @njit(types.void(vector, vector, word, word, word, word, word, word, word), nogil=True)
    def product(functions, scratch, x, w, rows, inputs, first, last, outputs):
        """Write the outputs of the tiles from ``first`` on into this thread's own ``OUT``."""
        call4(functions[PREPARE], x, scratch[PREPARED], rows, inputs)
        call7(functions[SPAN], w, scratch[PREPARED], scratch[OUT], first, last, inputs, outputs)

    @njit(types.void(vector, word, word, word, word), nogil=True)
    def add_to_x(scratch, rows, hidden, first, last):
        for r in range(rows):
            place = (r * hidden + first * TILE) * FLOAT
            add(scratch[OUT] + place, scratch[X] + place, (last - first) * TILE)

    arrays = (table, table, vector, table, table, table, types.int32[::1])

    @njit(types.void(word, word, types.float64, *arrays), nogil=True)
    def run_thread(me, threads, eps, layers, products, sizes, scratch, sequences, rows, tables):
        n, hidden, ffn, vocab = sizes[ROWS], sizes[HIDDEN], sizes[FFN], sizes[VOCAB]
        q_width = sizes[HEADS] * head_dim
        qkv_width = q_width + 2 * sizes[KV_HEADS] * head_dim
        mine = scratch[me]
        flags, epoch = mine[FLAGS], 0
        first, last = share(n, me, threads)
        for r in range(first, last):
            call4(sizes[EMBED], sizes[HEAD], rows[r, TOKEN], mine[X] + r * hidden * FLOAT, hidden)
        epoch = meet(flags, me, threads, epoch)
        for i in range(len(layers)):
            layer = layers[i]
            rms_norm(mine[X], layer[ATTN_NORM], mine[NORMED], n, hidden, eps)
            first, last = share(qkv_width // TILE, me, threads)
            product(products[0], mine, mine[NORMED], layer[QKV], n, hidden, first, last, qkv_width)
            store(sizes, mine, sequences, rows, i, first, last)
            epoch = meet(flags, me, threads, epoch)

            attention(me, threads, sizes, mine, sequences, tables, i)
            epoch = meet(flags, me, threads, epoch)

            merge(sizes, mine, sequences, rows)
            first, last = share(hidden // TILE, me, threads)
            product(products[1], mine, mine[NORMED], layer[O], n, q_width, first, last, hidden)
            add_to_x(mine, n, hidden, first, last)
            epoch = meet(flags, me, threads, epoch)

            rms_norm(mine[X], layer[FFN_NORM], mine[NORMED], n, hidden, eps)
            first, last = share(ffn // TILE, me, threads)
            gates = ffn // TILE  # the tiles of the gate come first, those of up after them
            product(products[2], mine, mine[NORMED], layer[GATE_UP], n, hidden, first, last, 2 * ffn)
            call7(
                products[2, SPAN], layer[GATE_UP], mine[PREPARED], mine[OUT],
                gates + first, gates + last, hidden, 2 * ffn,
            )  # fmt: skip
            for r in range(n):
                for channel in range(first * TILE, last * TILE, LANES):
                    gate = mine[OUT] + (2 * r * ffn + channel) * FLOAT
                    swiglu(gate, gate + ffn * FLOAT, mine[GATED] + (r * ffn + channel) * FLOAT)
            epoch = meet(flags, me, threads, epoch)

            first, last = share(hidden // TILE, me, threads)
            product(products[3], mine, mine[GATED], layer[DOWN], n, ffn, first, last, hidden)
            add_to_x(mine, n, hidden, first, last)
            epoch = meet(flags, me, threads, epoch)

        for r in range(n):
            at = rows[r, LOGITS_AT]
            if at >= 0:
                x, normed = mine[X] + r * hidden * FLOAT, mine[NORMED] + at * hidden * FLOAT
                rms_norm(x, sizes[OUTPUT_NORM], normed, 1, hidden, eps)
        if sizes[LOGIT_ROWS] == 0:  # the middle of a prompt
            return
        first, last = share(vocab // TILE, me, threads)
        call4(products[4, PREPARE], mine[NORMED], mine[PREPARED], sizes[LOGIT_ROWS], hidden)
        call7(products[4, SPAN], sizes[HEAD], mine[PREPARED], mine[LOGITS], first, last, hidden, vocab)

    @cfunc(word(word, word))
    def run(me, argument):
        a = carray(int64_pointer(argument), (ARGUMENTS,))
        run_thread(
            me,
            a[THREADS],
            carray(float64_pointer(a[EPS]), (1,))[0],
            carray(int64_pointer(a[LAYERS]), (a[LAYERS + 1], DOWN + 1)),
            carray(int64_pointer(a[PRODUCTS]), (5, SPAN + 1)),
            carray(int64_pointer(a[SIZES]), (SIZES_LENGTH,)),
            carray(int64_pointer(a[SCRATCH]), (a[THREADS], SCRATCH_LENGTH)),
            carray(int64_pointer(a[BATCH]), (a[BATCH + 1], SEQUENCE_LENGTH)),
            carray(int64_pointer(a[TOKENS]), (a[TOKENS + 1], ROW_LENGTH)),
            carray(int32_pointer(a[TABLES]), (a[TABLES + 1],)),
        )
        return DONE

    return run
