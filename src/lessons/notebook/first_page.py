"""The first page: a promise with a result of this machine, a card for every chapter, the way to the code."""

from __future__ import annotations

from html import escape
from typing import Any

from lessons import topology
from lessons.errors import LessonError
from lessons.notebook.contents import Chapter, address, chapters, home, link, on_site
from lessons.notebook.scores import HELD, MISSED, OPEN, count, mine, widest
from lessons.notebook.thumbnails import thumbnail
from lessons.results import Entry, Ledger
from lessons.units import Quantity, format_value

GET = "get-the-code"
FOR = "Engineers and students who read Python and have seen a transformer once."
TIME = "A chapter takes half an hour to an hour to read, about a minute to run, and an hour or two for its exercises."
NEEDED = "A browser to read it. A laptop to run it: two cores and some gigabytes of disk, no GPU."
COMING = {
    "pytorch": "PyTorch for inference",
    "numba": "Numba kernels",
    "hbm_gddr": "HBM and GDDR",
    "unified_memory": "Unified memory",
    "interconnects": "PCIe, NVLink and collectives",
    "storage_io": "Storage I/O",
    "capacity": "Capacity planning",
    "tensorrt": "TensorRT-LLM",
    "edge": "Inference at the edge",
    "cost": "Cost per token",
}


def cover() -> Any:
    """Return the top of the first page: the promise, for whom, how long, what is needed, and where to begin."""
    from IPython.display import HTML

    about = {"For": FOR, "Time": TIME, "You need": NEEDED}
    facts = "".join(f"<div><dt>{name}</dt><dd>{text}</dd></div>" for name, text in about.items())
    buttons = {"Start": link("machine"), "Get the code": f"#{GET}", "Report card": link("report_card")}
    if not on_site():  # whoever reads it in a notebook has the code
        del buttons["Get the code"]
    row = "".join(f'<a class="lessons-button" href="{to}">{name}</a>' for name, to in buttons.items())
    return HTML(
        f'<div class="lessons-cover"><p class="lessons-promise">{promise()}</p>'
        f'<dl>{facts}</dl><p class="lessons-buttons">{row}</p></div>'
    )


def promise(entries: list[Entry] | None = None) -> str:
    """Return as HTML what the book does, with how its predictions came out on this machine.

    Args:
        entries: those of this machine when left out.
    """
    if entries is None:
        entries = _readable()
    if not entries:
        return (
            "Each chapter predicts a number from what your machine can do, and then measures it on that machine. "
            "Run the chapters, and this page says how many predictions held."
        )
    machine, counts = topology.read(), count(entries)
    where = f"{escape(machine.cpu)}, {machine.cores} cores, {escape(', '.join(machine.gpus)) or 'no GPU'}"
    told = [f"{counts[HELD]} held"]
    told += [f"{counts[MISSED]} missed"] * bool(counts[MISSED])
    told += [f"for {counts[OPEN]} the machine was too noisy to tell"] * bool(counts[OPEN])
    text = (
        f"This book made <b>{len(entries)} predictions</b> before anything ran, and then measured them on the machine "
        f"that built this page ({where}): <b>{_listed(told)}</b>."
    )
    if (worst := widest(entries)) is not None:
        to = link(worst.slug, f"result-{worst.id.replace('.', '-')}")
        text += (
            f' The widest miss: <a href="{to}">{escape(worst.title)}</a> was predicted as '
            f"{_value(worst.predicted)} and came out as {_value(worst.measured)}."
        )
    return text


def cards() -> Any:
    """Return a card for every chapter: its first result as a small picture, its title and its question."""
    from IPython.display import HTML

    found = "".join(map(_card, chapters()))
    return HTML(f'<div class="lessons-cards">{found}</div>' if found else f"<p>{_alone()}</p>")


def get_the_code() -> Any:
    """Return as Markdown the commands that fetch the book and build it."""
    from IPython.display import Markdown

    repository = address()
    lines = [
        "make book    # the website: every chapter run on your machine",
        "make test    # the same, then all tests",
    ]
    before = "In the book's folder, on Linux or macOS:"
    if repository:
        folder = repository.rstrip("/").rpartition("/")[2]
        before = "On Linux or macOS:"
        lines = [f"git clone {repository} && cd {folder}", *lines]
    return Markdown("\n".join([before, "", "```console", *lines, "```"]))


def coming() -> Any:
    """Return the chapters that are not written yet."""
    from IPython.display import HTML

    written = {chapter.slug for chapter in chapters()}
    items = "".join(f"<li>{escape(title)}</li>" for slug, title in COMING.items() if slug not in written)
    return HTML(f'<ul class="lessons-coming">{items}</ul>')


def _readable() -> list[Entry]:
    """Return this machine's entries; none where an older version has left some."""
    try:
        return mine(Ledger())
    except LessonError:
        return []


def _card(chapter: Chapter) -> str:
    root = home()
    picture = thumbnail(root / "_build" / "kept" / f"{chapter.slug}.ipynb") if root else ""
    return (
        f'<div class="lessons-chapter-card"><div class="lessons-picture">{picture}</div>'
        f'<a href="{link(chapter.slug)}">{escape(chapter.title)}</a><p>{escape(chapter.question)}</p></div>'
    )


def _alone() -> str:
    return "Only this notebook was opened: the chapters are in the book's folder."


def _listed(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


def _value(quantity: Quantity) -> str:
    return escape(format_value(quantity.value, quantity.unit))
