"""Holds each number with a unit in the book's prose to the claim that covers it in ``book/claims.toml``."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import prose
import quantities

from lessons import datasheets, experiments, units

BOOK = Path(__file__).parents[2] / "book"
TEXTS = Path(experiments.__file__).parent
NEEDED = {
    "datasheet": {"entry"},
    "derived": {"formula"},
    "cited": {"source", "where"},
    "definition": {"why"},
}
# The dimension of each data-sheet field that prose may quote.
DIMENSIONS = {
    "memory_printed": "B",
    "memory_reported": "B",
    "l2_bytes": "B",
    "l3_bytes": "B",
    "shared_bytes": "B",
    "l1_bytes": "B",
    "tensor_bytes": "B",
    "shared": "cycles",
    "l1": "cycles",
    "l2": "cycles",
    "l2_far": "cycles",
    "memory": "cycles",
    "l2_read": "B/s",
    "memory_read": "B/s",
    "bandwidth": "B/s",
    "link_bandwidth": "B/s",
    "both_ways": "B/s",
    "lane_rate": "B/s",
    "power": "W",
    "pins": "bit",
    "pin_rate": "bit/s",
    "energy_per_bit": "J/bit",
    "parameters": "parameters",
    "context": "tokens",
    "dollars_per_hour": "$",
}
# How prose names the data type of a matrix rate. A rate without its data type is half a fact.
DTYPES = {
    "bf16": r"bf16|bfloat16|fp16|float16|16[- ]bit",
    "fp8": r"fp8|8[- ]bit",
    "int8": r"int8|8[- ]bit",
    "fp4": r"fp4|4[- ]bit",
    "tf32": r"tf32",
    "fp32": r"fp32|float32|32[- ]bit",
}


@dataclass(frozen=True)
class Claim:
    """One entry of ``claims.toml``; see the guide at its top for the fields."""

    text: str
    pages: tuple[str, ...]
    kind: str
    details: dict[str, Any]

    def __str__(self) -> str:
        return f"claim {self.text!r} on {', '.join(self.pages)}"


def load(text: str | None = None) -> tuple[list[Claim], list[str]]:
    """Return the well-formed claims of ``claims.toml`` (or of ``text``) and a sentence for each that is not."""
    source = (BOOK / "claims.toml").read_text("utf-8") if text is None else text
    claims, problems = [], []
    for fields in tomllib.loads(source).get("claim", []):
        details = {k: v for k, v in fields.items() if k not in ("text", "pages", "kind")}
        claim = Claim(fields.get("text", ""), tuple(fields.get("pages", ())), fields.get("kind", ""), details)
        problem = _malformed(claim)
        if problem:
            problems.append(f"{claim}: {problem}")
        else:
            claims.append(claim)
    return claims, problems


def read_pages(paths: Iterable[Path] | None = None) -> dict[str, str]:
    """Return the Markdown of each page by its slug; without ``paths``, of every page of the book.

    A page shows what its experiments say, too: a chapter's ``text.md`` belongs to its page, and what every chapter
    may use is a page of its own.
    """
    if paths is None:
        paths = [p for p in sorted(BOOK.iterdir()) if p.suffix in (".ipynb", ".md")] + [TEXTS / "text.md"]
    return {path.stem: "\n\n".join(map(prose.markdown, [path, *_texts(path)])) for path in paths}


def check(pages: dict[str, str], claims: list[Claim], all_pages: bool = True) -> list[str]:
    """Return a sentence for each number that no claim covers, and for each claim that covers nothing.

    Args:
        pages: Markdown by slug.
        claims: well-formed claims.
        all_pages: whether ``pages`` is the whole book, so that a claim without a number is a problem.
    """
    problems = []
    used: set[tuple[str, tuple[str, ...], str]] = set()
    for slug, text in pages.items():
        for sentence in prose.sentences(text):
            for found in quantities.find(sentence):
                candidates = [c for c in claims if _text(c) == found.text and _covers(c, slug)]
                objections = [(c, _objection(c, found, sentence)) for c in candidates]
                good = [c for c, objection in objections if objection is None]
                used.update((c.text, c.pages, slug) for c in good)
                if not good:
                    reasons = "; ".join(str(o) for _, o in objections) or "no claim covers it"
                    problems.append(f"{slug}: {found.text!r}: {reasons}. In: {sentence}")
    if all_pages:
        for claim in claims:
            for page in claim.pages:
                hit = any(t == claim.text and p == claim.pages and page in ("*", s) for t, p, s in used)
                if not hit:
                    problems.append(f"{claim}: not used on {page!r}; delete it, or the page from its list")
    return problems


def _texts(page: Path) -> list[Path]:
    text = TEXTS / page.stem / "text.md"
    return [text] if text.is_file() else []


@lru_cache(maxsize=1)
def bibliography() -> frozenset[str]:
    """Return the keys of ``references.bib``."""
    text = (BOOK / "references.bib").read_text("utf-8")
    return frozenset(re.findall(r"^@\w+\{([^,\s]+)", text, re.M))


def evaluate(formula: str) -> tuple[float, ...]:
    """Return the value or values of a ``formula``: an expression over formulas, data sheets and units.

    The names are the modules of ``lessons.formulas`` (``roofline.ridge(...)``), the finders of
    ``lessons.datasheets`` (``accelerator("h100_sxm").bandwidth``) and ``units`` (``units.GB``).
    """
    names: dict[str, Any] = {
        module: importlib.import_module(f"lessons.formulas.{module}")
        for module in set(re.findall(r"\b([a-z_]+)\.", formula))
        if importlib.util.find_spec(f"lessons.formulas.{module}")
    }
    for finder in ("accelerator", "multiprocessor", "gpu_levels", "memory", "link", "model", "price"):
        # ``memory`` is a module of formulas too; the finder is ``memory_sheet``.
        names["memory_sheet" if finder == "memory" else finder] = getattr(datasheets, finder)
    names |= {"units": units, "min": min, "max": max, "sum": sum, "round": round, "__builtins__": {}}
    value = eval(formula, names)
    return tuple(value) if isinstance(value, tuple) else (value,)


def entry_value(entry: str) -> tuple[float, str]:
    """Return the value of ``accelerators.h100_sxm.bandwidth`` and its dimension."""
    table, _, rest = entry.partition(".")
    key, _, field = rest.rpartition(".")
    value = getattr(datasheets.table(table)[key], field)
    if value is None:
        raise ValueError(f"{entry} is not published")
    plain = field.removesuffix("_sparse")
    return value, "FLOP/s" if plain in DTYPES else DIMENSIONS[field]


def _text(claim: Claim) -> str:
    return quantities.find(claim.text)[0].text


def _covers(claim: Claim, slug: str) -> bool:
    return slug in claim.pages or "*" in claim.pages


def _malformed(claim: Claim) -> str | None:
    found = quantities.find(claim.text)
    if len(found) != 1:
        return f"its text holds {len(found)} numbers with a unit, but must be exactly one"
    if not claim.pages:
        return "it names no page"
    if claim.kind not in NEEDED:
        return f"its kind is {claim.kind!r}, but must be one of {', '.join(NEEDED)}"
    missing = {k for k in NEEDED[claim.kind] if not claim.details.get(k)}
    if missing:
        return f"a claim of kind {claim.kind} needs {', '.join(sorted(missing))}"
    unknown = (
        set(claim.details) - NEEDED[claim.kind] - {"near"} - ({"against"} if claim.kind == "cited" else set())
    )
    if unknown:
        return f"a claim of kind {claim.kind} has no field {', '.join(sorted(unknown))}"
    if claim.kind == "cited" and claim.details["source"] not in bibliography():
        return f"its source {claim.details['source']!r} is not in references.bib"
    if (
        claim.kind == "cited"
        and found[0].text.endswith((" x", " times"))
        and not claim.details.get("against")
    ):
        return "a ratio that was published needs against: what it was measured against"
    try:
        return _wrong_value(claim, found[0])
    except Exception as error:
        return f"it cannot be computed: {error!r}"


def _wrong_value(claim: Claim, found: quantities.Found) -> str | None:
    """Compare the printed number with the data sheet or the formula, to half of its last digit."""
    if claim.kind == "datasheet":
        value, dimension = entry_value(claim.details["entry"])
        values: tuple[float, ...] = (value,)
        if dimension != found.dimension:
            return f"its unit measures {found.dimension}, but {claim.details['entry']} is in {dimension}"
    elif claim.kind == "derived":
        values = evaluate(claim.details["formula"])
    else:
        return None
    if len(values) != len(found.values):
        return f"it prints {len(found.values)} numbers, but its formula gives {len(values)}"
    for printed, tolerance, true in zip(found.values, found.tolerances, values):
        if abs(printed - true) > tolerance + 1e-9 * abs(true):
            return f"it says {printed:.6g} {found.dimension}, but the value is {true:.6g}"
    return None


def _objection(claim: Claim, found: quantities.Found, sentence: str) -> str | None:
    """Say why the claim does not cover this sentence, or None where it does."""
    near = claim.details.get("near")
    if near and not re.search(near, sentence, re.I):
        return f"{claim} holds only in a sentence with {near!r}"
    against = claim.details.get("against")
    if against and not re.search(against, sentence, re.I):
        return f"{claim} is measured against {against!r}, which the sentence does not name"
    field = claim.details.get("entry", "").rpartition(".")[2]
    dtype = field.removesuffix("_sparse")
    if claim.kind != "datasheet" or dtype not in DTYPES:
        return None
    if not re.search(DTYPES[dtype], sentence, re.I):
        return f"{claim} is a rate for {dtype}, which the sentence does not name"
    says_sparse, says_dense = (re.search(word, sentence, re.I) for word in (r"spars", r"\bdense"))
    if field.endswith("_sparse") and not says_sparse:
        return f"{claim} is the sparse rate, which the sentence does not say"
    if not field.endswith("_sparse") and says_sparse and not says_dense:
        return f"{claim} is the dense rate, but the sentence calls it sparse"
    return None
