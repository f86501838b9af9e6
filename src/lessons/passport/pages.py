"""``machine.json``: what each probe found, when, and by which code."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lessons.files import check_writable, write_atomic
from lessons.passport.document import PassportError
from lessons.places import is_passport
from lessons.topology import Topology
from lessons.units import Quantity


@dataclass(frozen=True)
class Page:
    """What one probe found.

    Attributes:
        digest: of the code that measured (``Probe.digest``).
        files: ``files_hash`` at that time: while it is the same, nobody need look closer.
        date: the day, ISO.
        versions: of Python and the packages that make the numbers.
        sizes: bytes of each level's working set; empty where the probe has no use for them.
        peaks: quantities by key.
        doubts: sentences by key, where a value stayed doubtful however often it was measured.
    """

    digest: str
    files: str
    date: str
    versions: dict[str, str]
    sizes: dict[str, int]
    peaks: dict[str, Quantity]
    doubts: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "peaks": {key: peak.to_json() for key, peak in self.peaks.items()}}

    @staticmethod
    def from_json(record: dict[str, Any]) -> Page:
        """Read a page.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: when the record is not what ``to_json`` writes.
        """
        page = Page(**{**record, "peaks": {k: _quantity(item) for k, item in record["peaks"].items()}})
        texts = [page.digest, page.files, page.date, *page.versions.values(), *page.doubts.values()]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("a text is not a text")
        if not all(type(size) is int for size in page.sizes.values()):
            raise TypeError("a size is not a whole number")
        return page


def read(path: Path) -> tuple[str, dict[str, Page]]:
    """Return the fingerprint of the machine that wrote ``path``, and its pages by the names of their probes.

    Raises:
        PassportError: when there is no such file, or when it is not a passport of this form.
    """
    try:
        if path.exists() and not path.is_file():
            raise OSError(0, "it is no file")  # a device may have no end
        record = json.loads(path.read_text(encoding="utf-8"))
        pages = {name: Page.from_json(page) for name, page in record["probes"].items()}
        if not isinstance(record["fingerprint"], str) or not isinstance(record["machine"], dict):
            raise TypeError("it does not say of which machine it is")
        return record["fingerprint"], pages
    except FileNotFoundError:
        raise PassportError(
            f"there is no passport at {path}; measure this machine with `lessons passport`"
        ) from None
    except OSError as error:
        raise PassportError(
            f"no passport can be read at {path} ({error.strerror}); measure this machine with `lessons passport`"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else error
        raise PassportError(
            f"{path} is not a passport of this form ({reason}); run `lessons passport`"
        ) from error


def check_target(path: Path) -> None:
    """See that a passport can be written to ``path`` before it is measured, which takes a minute.

    Raises:
        LessonError: when the file is somebody else's, or no file, or cannot be written.
    """
    if path.is_file() and not is_passport(path):
        raise PassportError(
            f"{path} is not a passport of this book and stays as it is; move it away or name another file"
        )
    check_writable(path)


def add(path: Path, machine: Topology, pages: Mapping[str, Page]) -> None:
    """Write ``pages`` into ``path`` at once, beside what it holds of this machine already.

    Raises:
        LessonError: see ``check_target``.
        OSError: when the disk is full.
    """
    check_target(path)
    try:
        fingerprint, there = read(path)
    except PassportError:  # none yet, or of a form that is no longer read
        fingerprint, there = "", {}
    kept = there if fingerprint == machine.fingerprint() else {}
    record = {
        "fingerprint": machine.fingerprint(),
        "machine": machine.to_json(),
        "probes": {name: page.to_json() for name, page in {**kept, **pages}.items()},
    }
    write_atomic(path, json.dumps(record, indent=1) + "\n")


def _quantity(record: dict[str, Any]) -> Quantity:
    quantity = Quantity.from_json(record)
    numbers = (quantity.value, quantity.low, quantity.high, quantity.n)
    if any(isinstance(number, bool) or not isinstance(number, int | float) for number in numbers):
        raise TypeError("a number is not a number")
    if not (quantity.low <= quantity.value <= quantity.high and math.isfinite(quantity.value)):
        raise ValueError("a value lies outside its interval")
    if not isinstance(quantity.unit, str):
        raise TypeError("a unit is not a text")
    return quantity
