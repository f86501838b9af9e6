"""A writer of small GGUF files, for tests: the format's description turned round."""

import struct

import numpy as np

ALIGNMENT = 32


def string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def value(kind: int, x) -> bytes:
    """Encode a metadata value; an array is given as (element type, list)."""
    if kind == 8:
        return string(x)
    if kind == 9:
        element, items = x
        return struct.pack("<IQ", element, len(items)) + b"".join(value(element, item) for item in items)
    codes = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d"}
    return struct.pack("<" + codes[kind], x)


def write(metadata: dict, tensors: dict, version: int = 3, magic: bytes = b"GGUF") -> bytes:
    """Make a file.

    Args:
        metadata: key -> (type id, value).
        tensors: name -> (sizes as in the file, type id, bytes).
    """
    head = magic + struct.pack("<IQQ", version, len(tensors), len(metadata))
    for key, (kind, x) in metadata.items():
        head += string(key) + struct.pack("<I", kind) + value(kind, x)
    body = b""
    for name, (sizes, kind, data) in tensors.items():
        head += string(name) + struct.pack("<I", len(sizes)) + struct.pack(f"<{len(sizes)}Q", *sizes)
        head += struct.pack("<IQ", kind, len(body))
        body += data + bytes(-len(data) % ALIGNMENT)
    return head + bytes(-len(head) % ALIGNMENT) + body


def small() -> bytes:
    """A valid file with every metadata type and every tensor type that the reader knows."""
    metadata = {
        "general.architecture": (8, "llama"),
        "general.alignment": (4, ALIGNMENT),
        "a.u8": (0, 200),
        "a.i8": (1, -5),
        "a.u16": (2, 60_000),
        "a.i16": (3, -300),
        "a.i32": (5, -70_000),
        "a.f32": (6, 0.5),
        "a.bool": (7, 1),
        "a.u64": (10, 1 << 60),
        "a.i64": (11, -(1 << 60)),
        "a.f64": (12, 0.1),
        "a.texts": (9, (8, ["one", "", "drei ü"])),
        "a.bytes": (9, (0, list(range(64)))),
        "a.ints": (9, (5, [1, -2, 3])),
        "a.bools": (9, (7, [1, 0, 1])),
    }
    tensors = {
        "w.f32": ([4, 3], 0, struct.pack("<12f", *range(12))),
        "w.f16": ([8], 1, struct.pack("<8e", *range(8))),
        "w.q4_0": ([64, 2], 2, bytes(range(72))),
        "w.q4_1": ([32, 2, 2], 3, bytes(range(80))),
        "w.q8_0": ([32, 1, 1, 2], 8, bytes(range(68))),
    }
    return write(metadata, tensors)


TINY = {
    "block_count": 2,
    "context_length": 40,
    "embedding_length": 64,
    "feed_forward_length": 160,
    "attention.head_count": 6,
    "attention.head_count_kv": 2,
    "rope.dimension_count": 16,
}


# A byte-level vocabulary: control tokens, the printable bytes, a space, a line's end, and what the merges make.
TOKENS = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    *map(chr, range(33, 127)),
    "Ġ",
    "Ċ",
    "th",
    "he",
    "the",
    "Ġa",
]
MERGES = ["t h", "h e", "th e", "Ġ a"]


def llama_metadata(vocab: int = 176, **changes) -> dict:
    """Return the metadata of a tiny Llama; in the changes' names ``__`` stands for a dot, and None removes a key."""
    sizes = TINY | {name.replace("__", "."): x for name, x in changes.items()}
    tokens = [*TOKENS, *(f"t{i}" for i in range(len(TOKENS), vocab))][:vocab]
    return {
        "general.architecture": (8, "llama"),
        "llama.attention.layer_norm_rms_epsilon": (6, 1e-5),
        "llama.rope.freq_base": (6, 10000.0),
        "tokenizer.ggml.model": (8, "gpt2"),
        "tokenizer.ggml.pre": (8, "smollm"),
        "tokenizer.ggml.tokens": (9, (8, tokens)),
        "tokenizer.ggml.token_type": (9, (5, [3 if token.startswith("<|") else 1 for token in tokens])),
        "tokenizer.ggml.merges": (9, (8, MERGES)),
        "tokenizer.ggml.eos_token_id": (4, 2),
        **{f"llama.{name}": (4, x) for name, x in sizes.items() if x is not None},
    }


def llama_shapes() -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor of the tiny Llama, written out and not computed from its metadata."""
    layer = {
        "attn_norm": (64,),
        "attn_q": (96, 64),
        "attn_k": (32, 64),
        "attn_v": (32, 64),
        "attn_output": (64, 96),
        "ffn_norm": (64,),
        "ffn_gate": (160, 64),
        "ffn_up": (160, 64),
        "ffn_down": (64, 160),
    }
    layers = {f"blk.{i}.{name}.weight": shape for i in range(2) for name, shape in layer.items()}
    return {"token_embd.weight": (176, 64), "output_norm.weight": (64,), **layers}


def llama(metadata: dict | None = None, shapes: dict | None = None, types: dict | None = None) -> bytes:
    """Make the file of a tiny Llama with seeded weights; see ``llama_tensors``.

    Args:
        metadata: in place of ``llama_metadata()``.
    """
    return write(metadata or llama_metadata(), llama_tensors(shapes, types))


def llama_tensors(shapes: dict | None = None, types: dict | None = None) -> dict:
    """Make a tiny Llama's tensors as ``write`` takes them.

    Args:
        shapes: in place of ``llama_shapes()``.
        types: tensor name -> "Q8_0" or "Q4_0"; the key "*" stands for all other matrices. Norms, and matrices that
            are not named, are F32.
    """
    from lessons.llm.quant import quantize

    random, types, tensors = np.random.default_rng(0), types or {}, {}
    for name, shape in (shapes or llama_shapes()).items():
        weights = random.normal(size=shape).astype(np.float32) * (0.1 if len(shape) > 1 else 1)
        type = types.get(name, types.get("*") if len(shape) > 1 else None)
        data = weights if type is None else quantize(weights, type)
        kind = {None: 0, "Q4_0": 2, "Q8_0": 8}[type]
        tensors[name] = (list(reversed(shape)), kind, data.tobytes())
    return tensors
