"""Reading the tables and finding an entry by name."""

from __future__ import annotations

import difflib
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from lessons.datasheets.shapes import (
    Accelerator,
    Entry,
    GpuLevels,
    GpuLimits,
    Link,
    Memory,
    Model,
    Multiprocessor,
    Price,
)
from lessons.errors import LessonError

E = TypeVar("E", bound=Entry)

SHAPES: dict[str, type[Entry]] = {
    "accelerators": Accelerator,
    "multiprocessors": Multiprocessor,
    "gpu_levels": GpuLevels,
    "memories": Memory,
    "links": Link,
    "models": Model,
    "prices": Price,
    "gpu_limits": GpuLimits,
}


@cache
def table(name: str) -> dict[str, Any]:
    """Return one table as a mapping from key to entry, in the order of its file.

    Args:
        name: "accelerators", "multiprocessors", "gpu_limits", "gpu_levels", "memories", "links", "models" or "prices".

    Raises:
        LessonError: for another name.
    """
    if name not in SHAPES:
        raise LessonError(f"there is no table {name!r}; the tables are {', '.join(SHAPES)}")
    entries = tomllib.loads((Path(__file__).parent / f"{name}.toml").read_text(encoding="utf-8"))
    return {key: _entry(SHAPES[name], key, fields) for key, fields in entries.items()}


def accelerator(name: str) -> Accelerator:
    """Return an accelerator, for example ``accelerator("h100_sxm")``.

    Raises:
        LessonError: for an unknown name; the message lists the nearest ones.
    """
    return _find("accelerators", name, Accelerator)


def multiprocessor(name: str) -> Multiprocessor:
    """Return a kind of SM, for example ``multiprocessor("sm_90")``; errors as in ``accelerator``."""
    return _find("multiprocessors", name, Multiprocessor)


def multiprocessor_of(card: str) -> Multiprocessor:
    """Return the SM of an accelerator, for example ``multiprocessor_of("h100_sxm")``.

    Raises:
        LessonError: for an unknown accelerator, and for one whose SM is not in the table.
    """
    key = accelerator(card).key
    for found in table("multiprocessors").values():
        if key in found.cards:
            assert isinstance(found, Multiprocessor)
            return found
    known = [name for found in table("multiprocessors").values() for name in found.cards]
    raise LessonError(f"the SM of {key!r} is not in the table; there are those of {', '.join(known)}")


def gpu_levels(name: str) -> GpuLevels:
    """Return measured levels, for example ``gpu_levels("h100_pcie_gpu_benches")``; errors as in ``accelerator``."""
    return _find("gpu_levels", name, GpuLevels)


def memory(name: str) -> Memory:
    """Return a memory, for example ``memory("hbm3")``; errors as in ``accelerator``."""
    return _find("memories", name, Memory)


def link(name: str) -> Link:
    """Return a link, for example ``link("nvlink4")``; errors as in ``accelerator``."""
    return _find("links", name, Link)


def model(name: str) -> Model:
    """Return a model configuration, for example ``model("llama-3-8b")``; errors as in ``accelerator``."""
    return _find("models", name, Model)


def price(name: str) -> Price:
    """Return a dated price, for example ``price("h100_sxm_aws")``; errors as in ``accelerator``."""
    return _find("prices", name, Price)


def gpu_limits(capability: str) -> GpuLimits:
    """Return what a multiprocessor of a compute capability holds: ``gpu_limits("9.0")``; errors as above."""
    return _find("gpu_limits", f"cc {capability}", GpuLimits)


def _entry(shape: type[Entry], key: str, fields: dict[str, Any]) -> Entry:
    lists = {k: tuple(v) for k, v in fields.items() if isinstance(v, list)}
    return shape(key=key, **{**fields, **lists})


def _find(name: str, wanted: str, shape: type[E]) -> E:
    entries = table(name)
    by_plain_name = {_plain(key): key for key in entries}
    if _plain(wanted) in by_plain_name:
        found = entries[by_plain_name[_plain(wanted)]]
        assert isinstance(found, shape)
        return found
    near = difflib.get_close_matches(_plain(wanted), by_plain_name, n=4, cutoff=0.3) or sorted(by_plain_name)
    raise LessonError(
        f"{name} has no entry {wanted!r}; the nearest are {', '.join(by_plain_name[n] for n in near)}"
    )


def _plain(key: str) -> str:
    """Spell a key so that H100-SXM, h100_sxm and "h100 sxm" are one."""
    return "".join(c for c in key.lower() if c.isalnum())
