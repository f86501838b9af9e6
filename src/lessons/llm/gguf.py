"""A reader for GGUF, the file format of llama.cpp: header, metadata, tensor table, then the tensors' bytes.

A file from elsewhere may be cut short, damaged, or made to do harm. So the file is memory-mapped and only
looked at; every length, count and offset is compared with what is really there before it is used; and a count
that promises more than the file can hold is refused before anything of that size is made.

Layout (little-endian)::

    "GGUF" | version u32 | tensor count u64 | metadata count u64
    metadata:  key string | type u32 | value              (a string is length u64, then UTF-8)
    tensors:   name string | dims u32 | dim u64 ... | type u32 | offset u64
    padding to general.alignment, then the tensors, each at its offset from here

Source:
    github.com/ggml-org/ggml, docs/gguf.md (versions 2 and 3).
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lessons.errors import LessonError, shown

MAGIC = b"GGUF"
VERSIONS = (2, 3)  # 3 differs only in that it also allows big-endian files, which are not read here
HEADER = struct.Struct("<4sIQQ")
U32, U64 = struct.Struct("<I"), struct.Struct("<Q")
DEFAULT_ALIGNMENT = 32
MAX_DIMS = 4

# Limits of this reader, far above any real model's, that keep a damaged count from filling the memory.
MAX_STRING = 1 << 20  # bytes; the longest real ones are chat templates of some 10 kB
MAX_STRINGS = 1 << 20  # in all arrays together; the largest vocabularies and their merges have some 650,000
MAX_ENTRIES = 1 << 16  # keys, and tensors; real files have dozens, and some thousands

# Metadata value types: id -> NumPy type of a number. Strings and arrays are handled on their own.
NUMBERS = {
    0: "<u1",
    1: "<i1",
    2: "<u2",
    3: "<i2",
    4: "<u4",
    5: "<i4",
    6: "<f4",
    10: "<u8",
    11: "<i8",
    12: "<f8",
}
BOOL, STRING, ARRAY = 7, 8, 9


class GGUFError(LessonError):
    """The file is not a GGUF file that can be read; the sentence says where and why."""


@dataclass(frozen=True)
class TensorType:
    """How a tensor's numbers are stored: ``block`` numbers in ``bytes`` bytes."""

    name: str
    block: int
    bytes: int


TENSOR_TYPES = {
    0: TensorType("F32", 1, 4),
    1: TensorType("F16", 1, 2),
    2: TensorType("Q4_0", 32, 18),
    3: TensorType("Q4_1", 32, 20),
    8: TensorType("Q8_0", 32, 34),
}


@dataclass(frozen=True)
class TensorInfo:
    """Where one tensor lies.

    Attributes:
        name: such as "blk.0.attn_q.weight".
        shape: slowest dimension first, as in NumPy; the file has them the other way round.
        type: its storage type.
        offset: bytes from the start of the file.
        nbytes: bytes it takes there.
    """

    name: str
    shape: tuple[int, ...]
    type: TensorType
    offset: int
    nbytes: int


class _Cursor:
    """Walks through the mapped file and refuses every step past its end."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.at = 0
        self.strings = 0  # in arrays so far

    def need(self, size: int, what: str) -> int:
        """Return the place of the next ``size`` bytes and step over them."""
        start, left = self.at, len(self.data) - self.at
        if size > left:
            raise GGUFError(
                f"{what} at byte {start} needs {size} bytes and the file has {left} left; it is cut short"
            )
        self.at += size
        return start

    def u32(self, what: str) -> int:
        return U32.unpack_from(self.data, self.need(4, what))[0]

    def u64(self, what: str) -> int:
        return U64.unpack_from(self.data, self.need(8, what))[0]

    def string(self, what: str) -> str:
        start, length = self.at, self.u64(what)
        if length > MAX_STRING:
            raise GGUFError(f"{what} at byte {start} claims {length} bytes; the limit is {MAX_STRING}")
        begin = self.need(length, what)
        try:
            return self.data[begin : self.at].decode()
        except UnicodeDecodeError as error:
            raise GGUFError(f"{what} at byte {start} is not UTF-8 text") from error

    def value(self, kind: int, key: str) -> Any:
        """Read one metadata value. A number array comes back as a view on the file, not a copy."""
        what = f"the value of {shown(key)}"
        if kind == STRING:
            return self.string(what)
        if kind == ARRAY:
            return self.array(key)
        if kind == BOOL:
            byte = self.data[self.need(1, what)]
            if byte > 1:
                raise GGUFError(f"{what} is a bool of value {byte}; only 0 and 1 are allowed")
            return bool(byte)
        return self.numbers(kind, 1, what)[0].item()

    def array(self, key: str) -> Any:
        what = f"the array {shown(key)}"
        kind, count = self.u32(what), self.u64(what)
        if kind == STRING:
            self.strings += count
            if self.strings > MAX_STRINGS:
                raise GGUFError(
                    f"{what} claims {count} strings, and with it the file {self.strings}; the limit is {MAX_STRINGS}"
                )
            what = f"a string of {what}"
            return [self.string(what) for _ in range(count)]
        if kind == BOOL:
            return self.numbers(0, count, what).astype(bool)
        return self.numbers(kind, count, what)

    def numbers(self, kind: int, count: int, what: str) -> np.ndarray:
        if kind not in NUMBERS:
            raise GGUFError(f"{what} has type id {kind}, which is not a type that GGUF can have here")
        dtype = np.dtype(NUMBERS[kind])
        start = self.need(count * dtype.itemsize, what)
        return np.frombuffer(self.data, dtype, count, start)


class GGUF:
    """An open GGUF file.

    Attributes:
        metadata: key -> value: numbers, bools, text, lists of text, NumPy arrays of numbers.
        tensors: name -> where it lies, in the file's order.
    """

    def __init__(
        self, data: mmap.mmap, metadata: Mapping[str, Any], tensors: Mapping[str, TensorInfo]
    ) -> None:
        self._data = data
        self.metadata = metadata
        self.tensors = tensors

    @classmethod
    def open(cls, path: Path | str) -> GGUF:
        """Map the file at ``path`` and read its header. The tensors' bytes are not touched.

        Raises:
            GGUFError: when the file cannot be opened, or something in it contradicts the format or its size.
        """
        try:
            with open(path, "rb") as file:
                if file.seek(0, 2) < HEADER.size:
                    raise GGUFError(f"{path} is shorter than a GGUF header of {HEADER.size} bytes")
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise GGUFError(f"{path} cannot be opened: {error.strerror}") from error
        try:
            return cls(data, *_parse(_Cursor(data)))
        except GGUFError as error:
            raise GGUFError(f"{path}: {error}") from error

    def data(self, name: str) -> np.ndarray:
        """Return a tensor's stored bytes as a read-only view, uint8 [nbytes]; nothing is copied.

        Raises:
            GGUFError: when the file has no such tensor.
        """
        if name not in self.tensors:
            raise GGUFError(f"the file has no tensor {shown(name)}")
        info = self.tensors[name]
        return np.frombuffer(self._data, np.uint8, info.nbytes, info.offset)


def _parse(cursor: _Cursor) -> tuple[dict[str, Any], dict[str, TensorInfo]]:
    magic, version, tensor_count, metadata_count = HEADER.unpack_from(
        cursor.data, cursor.need(HEADER.size, "")
    )
    if magic != MAGIC:
        raise GGUFError(f"it starts with {magic!r}, not {MAGIC!r}: this is not a GGUF file")
    if version not in VERSIONS:
        raise GGUFError(
            f"GGUF version {version} is not read here, only little-endian {VERSIONS[0]} and {VERSIONS[1]}"
        )

    for count, what in ((metadata_count, "metadata entries"), (tensor_count, "tensors")):
        if count > MAX_ENTRIES:
            raise GGUFError(f"its header claims {count} {what}; the limit is {MAX_ENTRIES}")

    metadata: dict[str, Any] = {}
    for _ in range(metadata_count):
        key = cursor.string("a metadata key")
        if not key or key in metadata:
            raise GGUFError(f"the metadata key {shown(key)} is empty or stands there twice")
        metadata[key] = cursor.value(cursor.u32(f"the type of {shown(key)}"), key)

    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    # A power of two has one bit set.
    if type(alignment) is not int or alignment < 8 or alignment & (alignment - 1):
        raise GGUFError(f"general.alignment is {shown(alignment)}; it must be a power of two from 8 on")

    entries: dict[str, tuple] = {}
    for _ in range(tensor_count):
        name = cursor.string("a tensor's name")
        if not name or name in entries:
            raise GGUFError(f"the tensor name {shown(name)} is empty or stands there twice")
        entries[name] = _tensor(cursor, name, alignment)

    begin = -(-cursor.at // alignment) * alignment
    tensors = {
        name: TensorInfo(name, shape, type, begin + offset, nbytes)
        for name, (shape, type, offset, nbytes) in entries.items()
    }
    _check_places(tensors, begin, len(cursor.data))
    return metadata, tensors


def _tensor(cursor: _Cursor, name: str, alignment: int) -> tuple[tuple[int, ...], TensorType, int, int]:
    """Read one entry of the tensor table: shape, type, offset from the first tensor, bytes."""
    what = f"the tensor {shown(name)}"
    dims = cursor.u32(what)
    if not 1 <= dims <= MAX_DIMS:
        raise GGUFError(f"{what} has {dims} dimensions; 1 to {MAX_DIMS} are allowed")
    sizes = [cursor.u64(what) for _ in range(dims)]
    kind = cursor.u32(what)
    if kind not in TENSOR_TYPES:
        known = ", ".join(f"{i} ({t.name})" for i, t in TENSOR_TYPES.items())
        raise GGUFError(f"{what} has type id {kind}; this reader knows {known}")
    type_ = TENSOR_TYPES[kind]
    if 0 in sizes or sizes[0] % type_.block:
        raise GGUFError(
            f"{what} has sizes {sizes}; the first must be a multiple of {type_.block}, and none 0"
        )
    offset = cursor.u64(what)
    if offset % alignment:
        raise GGUFError(f"{what} lies at offset {offset}, which is no multiple of the alignment {alignment}")
    # Python's integers do not overflow, so a product of huge sizes stays huge and fails the check of places.
    nbytes = math.prod(sizes) // type_.block * type_.bytes
    return tuple(reversed(sizes)), type_, offset, nbytes


def _check_places(tensors: Mapping[str, TensorInfo], begin: int, size: int) -> None:
    """Refuse a tensor that reaches past the end of the file or into the next tensor."""
    end = begin
    for info in sorted(tensors.values(), key=lambda t: t.offset):
        if info.offset < end:
            raise GGUFError(
                f"the tensor {shown(info.name)} at byte {info.offset} overlaps the one that ends at {end}"
            )
        end = info.offset + info.nbytes
        if end > size:
            raise GGUFError(
                f"the tensor {shown(info.name)} ends at byte {end} and the file at {size}; it is cut short"
            )
