"""The reader reads what is there, and refuses what is not."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import gguf_writer
import numpy as np
import pytest

from lessons.llm.gguf import GGUF, HEADER, GGUFError


def test_reads_every_metadata_type(open_bytes):
    metadata = open_bytes(gguf_writer.small()).metadata
    plain = {key: x for key, x in metadata.items() if not isinstance(x, np.ndarray)}
    assert plain == {
        "general.architecture": "llama",
        "general.alignment": 32,
        "a.u8": 200,
        "a.i8": -5,
        "a.u16": 60_000,
        "a.i16": -300,
        "a.i32": -70_000,
        "a.f32": 0.5,
        "a.bool": True,
        "a.u64": 1 << 60,
        "a.i64": -(1 << 60),
        "a.f64": 0.1,
        "a.texts": ["one", "", "drei ü"],
    }
    assert metadata["a.bytes"].tolist() == list(range(64))
    assert metadata["a.ints"].tolist() == [1, -2, 3]
    assert metadata["a.bools"].tolist() == [True, False, True]


def test_tensors_are_views_on_the_file(open_bytes):
    file = open_bytes(gguf_writer.small())
    assert file.tensors["w.f32"].shape == (3, 4)
    assert file.data("w.f32").view("<f4").tolist() == list(range(12))
    assert bytes(file.data("w.q4_0")) == bytes(range(72))
    assert not file.data("w.q8_0").flags.owndata and not file.data("w.q8_0").flags.writeable


def test_version_2_reads_the_same(open_bytes):
    one = gguf_writer.write({"k": (8, "v")}, {"t": ([2], 0, bytes(8))}, version=2)
    assert open_bytes(one).metadata == {"k": "v"}


def test_the_real_file(model_path):
    file = GGUF.open(model_path)
    assert file.metadata["llama.block_count"] == 30
    assert len(file.metadata["tokenizer.ggml.tokens"]) == 49_152
    assert file.tensors["token_embd.weight"].shape == (49_152, 576)
    assert len(file.tensors) == 2 + 9 * 30
    last = file.tensors["output_norm.weight"]
    assert last.offset + last.nbytes == model_path.stat().st_size


F32 = ([2], 0, bytes(8))
BROKEN = {
    "no magic": (gguf_writer.write({}, {}, magic=b"GGML"), "not a GGUF file"),
    "version 1": (gguf_writer.write({}, {}, version=1), "version 1"),
    "big-endian": (gguf_writer.write({}, {}, version=3 << 24), "version"),
    "empty file": (b"", "shorter"),
    "header cut short": (gguf_writer.small()[:20], "shorter"),
    "metadata cut short": (gguf_writer.small()[:100], "cut short"),
    "tensors cut short": (gguf_writer.small()[:-40], "cut short"),
    "array in an array": (gguf_writer.write({"k": (9, (9, [(0, [1])]))}, {}), "type id 9"),
    "unknown value type": (gguf_writer.write({"k": (0, 1)}, {}).replace(b"k\0", b"k\x63", 1), "type id 99"),
    "a bool of 2": (gguf_writer.write({"k": (7, 2)}, {}), "bool of value 2"),
    "not UTF-8": (gguf_writer.write({"k": (8, "abcd")}, {}).replace(b"abcd", b"ab\xff\xff"), "UTF-8"),
    "alignment 24": (gguf_writer.write({"general.alignment": (4, 24)}, {}), "power of two"),
    "alignment text": (gguf_writer.write({"general.alignment": (8, "32")}, {}), "power of two"),
    "tensor type 99": (gguf_writer.write({}, {"t": ([2], 99, bytes(8))}), "type id 99"),
    "no dimension": (gguf_writer.write({}, {"t": ([], 0, bytes(8))}), "0 dimensions"),
    "five dimensions": (gguf_writer.write({}, {"t": ([1] * 5, 0, bytes(8))}), "5 dimensions"),
    "a size of zero": (gguf_writer.write({}, {"t": ([0, 2], 0, b"")}), "none 0"),
    "half a block": (gguf_writer.write({}, {"t": ([33], 8, bytes(64))}), "multiple of 32"),
    "sizes that overflow": (gguf_writer.write({}, {"t": ([1 << 32] * 3, 0, bytes(8))}), "cut short"),
    "more strings than any vocabulary has": (
        gguf_writer.write({"k": (9, (8, ["a"])), "l": (9, (8, []))}, {})
        .replace(struct.pack("<I", 8) + struct.pack("<Q", 0), struct.pack("<IQ", 8, 1 << 20)),
        "'l' claims 1048576 strings, and with it the file 1048577; the limit is 1048576",
    ),
    "more keys than any file has": (HEADER.pack(b"GGUF", 3, 0, (1 << 16) + 1), "claims 65537 metadata entries"),
    "more tensors than any file has": (HEADER.pack(b"GGUF", 3, (1 << 64) - 1, 0), f"claims {(1 << 64) - 1} tensors"),
    "overlap": (gguf_writer.write({}, {"s": ([16], 0, bytes(32)), "t": F32}), "overlaps"),
}  # fmt: skip


@pytest.mark.parametrize("raw, message", BROKEN.values(), ids=BROKEN.keys())
def test_refuses_with_one_sentence(open_bytes, raw, message):
    with pytest.raises(GGUFError, match=message) as caught:
        open_bytes(raw)
    assert "\n" not in str(caught.value)


def test_refuses_a_key_or_a_name_that_stands_twice(open_bytes):
    keys = gguf_writer.write({"ka": (0, 1), "kb": (0, 1)}, {}).replace(b"kb", b"ka")
    with pytest.raises(GGUFError, match="key 'ka' is empty or stands there twice"):
        open_bytes(keys)
    names = gguf_writer.write({}, {"ta": F32, "tb": F32}).replace(b"tb", b"ta")
    with pytest.raises(GGUFError, match="name 'ta' is empty or stands there twice"):
        open_bytes(names)


LONG = "x" * 900_000
ECHOING = {
    "twice": gguf_writer.write({LONG: (0, 1), LONG[:-1] + "y": (0, 1)}, {}).replace(b"xy", b"xx"),
    "its value": gguf_writer.write({LONG: (7, 2)}, {}),
    "its array": gguf_writer.write({LONG: (9, (9, []))}, {}),
    "its type": gguf_writer.write({LONG: (0, 1)}, {})[:-40],
    "two tensors": gguf_writer.write({}, {LONG: F32, LONG[:-1] + "y": F32}).replace(b"xy", b"xx"),
    "its sizes": gguf_writer.write({}, {LONG: ([0], 0, bytes(8))}),
    "its place": gguf_writer.write({}, {LONG: ([1 << 40], 0, bytes(8))}),
    "alignment": gguf_writer.write({"general.alignment": (8, LONG)}, {}),
}


@pytest.mark.parametrize("raw", ECHOING.values(), ids=ECHOING.keys())
def test_a_name_of_a_megabyte_is_not_echoed(open_bytes, raw):
    with pytest.raises(GGUFError, match=r"xxx|cut short") as caught:
        open_bytes(raw)
    assert len(str(caught.value)) < 500


def test_strings_are_counted_and_not_read_first(open_bytes):
    """Eight arrays of a million empty strings took 19 seconds to open."""
    million = struct.pack("<IIQ", 9, 8, 1 << 20) + bytes(8 << 20)
    raw = HEADER.pack(b"GGUF", 3, 0, 8) + b"".join(gguf_writer.string(f"k{i}") + million for i in range(8))
    with pytest.raises(GGUFError, match="'k1' claims 1048576 strings, and with it the file 2097152"):
        open_bytes(raw)


def test_refuses_an_offset_off_the_alignment(open_bytes):
    raw = bytearray(gguf_writer.write({}, {"t": F32}))
    place = raw.index(b"t\x01\0\0\0") + 1 + 4 + 8 + 4
    raw[place : place + 8] = struct.pack("<Q", 4)
    with pytest.raises(GGUFError, match="no multiple of the alignment"):
        open_bytes(bytes(raw))


def test_a_missing_file_and_a_missing_tensor(open_bytes, tmp_path):
    with pytest.raises(GGUFError, match="cannot be opened"):
        GGUF.open(tmp_path / "none.gguf")
    with pytest.raises(GGUFError, match="no tensor 'x'"):
        open_bytes(gguf_writer.small()).data("x")


@pytest.mark.slow
def test_ten_thousand_damaged_files(tmp_path, model_path):
    """Each ends in a clear error or loads, in 2 seconds and in the file's size plus 64 MB."""
    script = Path(__file__).with_name("mutate.py")
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), str(model_path)], capture_output=True, text=True, env=env
    )
    assert done.returncode == 0, done.stderr[-2000:]
    seen = json.loads(done.stdout)
    assert seen["loads"] + seen["error"] == 10_000
    assert seen["error"] > 2_000 and seen["loads"] > 200, (
        "the damage must be neither total nor without effect"
    )
    assert seen["shortest_message"] > 30
    assert seen["slowest"] < 2
    assert seen["peak_small"] < seen["small_bytes"] + 64e6
    assert seen["grown_real"] < seen["real_bytes"] + 64e6
