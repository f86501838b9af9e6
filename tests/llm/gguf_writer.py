"""A writer of small GGUF files, for tests: the format's description turned round."""

import struct

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
