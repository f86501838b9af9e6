"""Say what this machine has, what is missing, and the command that brings it."""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
import shutil
import sys
from collections.abc import Callable
from typing import NamedTuple

from lessons.cli import libraries
from lessons.errors import LessonError


class Line(NamedTuple):
    """One line of the report: what, what was found (empty when missing), and the command that brings it."""

    name: str
    found: str
    remedy: str = ""
    status: str = ""  # "ok" or "missing" when left out


# Tools outside Python: name -> the programs that will do, and how to get one.
TOOLS = {
    "Chromium": (("chromium", "chromium-browser", "google-chrome", "chrome"), "apt-get install chromium"),
    "fio": (("fio",), "apt-get install fio"),
    "C compiler": (("gcc", "clang", "cc"), "apt-get install gcc"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace) -> None:
    lines = [
        *looked_at("machine", machine),
        *software(),
        *looked_at("model", model),
        *looked_at("machine.json", passport),
        *tools(),
    ]
    width = max(len(line.name) for line in lines)
    for line in lines:
        status = line.status or ("ok" if line.found else "missing")
        print(f"{status:8} {line.name:{width}}  {line.found or line.remedy}")


def looked_at(name: str, look: Callable[[], list[Line]]) -> list[Line]:
    """Return a part's lines, or one that says why it cannot be looked at: its library is broken or missing."""
    try:
        return look()
    except Exception as error:  # where something is broken, the rest of the report is wanted all the more
        reason = f"{error.name} is missing" if isinstance(error, ModuleNotFoundError) else str(error)
        first = next(iter(reason.strip().splitlines()), type(error).__name__)
        return [Line(name, f"cannot be looked at before the lines above are mended ({first})", "", "unknown")]


def machine() -> list[Line]:
    """Describe the hardware. A computer without a GPU lacks nothing: the book shows recorded results."""
    from lessons import topology
    from lessons.units import format_bytes

    here = topology.read()
    caches = ", ".join(f"{cache.level} {format_bytes(cache.bytes)}" for cache in here.caches)
    return [
        Line("CPU", f"{here.cpu}, {here.cores} cores"),
        Line("caches", caches or "not told by this system"),
        Line("memory", format_bytes(here.memory)),
        Line("GPU", ", ".join(here.gpus) or "none; GPU cells show recorded results"),
    ]


def software() -> list[Line]:
    """Look up Python and the packages: those that the lessons compute with, and of the others those that are amiss."""
    lines = [Line("Python", platform.python_version())]
    for package in (*libraries.SHOWN, *libraries.OTHERS):
        version, reason = _version(package), libraries.fault(package)
        if not reason:
            lines += [Line(package, version or "ok")] if package in libraries.SHOWN else []
        elif reason == libraries.ABSENT:
            lines.append(Line(package, "", f"{sys.executable} -m pip install {package}"))
        else:
            lines.append(Line(package, f"{version}, but {reason}", status="broken"))
    return lines


def model() -> list[Line]:
    """Look for the language model's file."""
    from lessons.llm.load import find_model

    try:
        return [Line("model", str(find_model()))]
    except LessonError:
        return [Line("model", "", "lessons get-model")]


def passport() -> list[Line]:
    """Look for this machine's measured passport, and for values in it that can't be right."""
    from lessons import passport
    from lessons.passport.doubts import lines
    from lessons.places import passport_path

    try:
        path = passport_path()
        if not path.exists():
            return [Line("machine.json", "", "lessons passport")]
        due, doubts = passport.due(path), passport.load(path).doubts
    except LessonError as reason:
        return [Line("machine.json", "", str(reason))]
    found = str(path.resolve())
    if due:
        found += f" (to be measured when needed: {', '.join(due)})"
    doubtful = [f"{line}; if the machine was busy, lessons passport measures again" for line in lines(doubts)]
    return [
        Line("machine.json", found),
        *(Line("machine.json", text, status="doubtful") for text in doubtful),
    ]


def tools() -> list[Line]:
    """Look for the programs outside Python that parts of the book and its tests use."""
    lines = []
    for name, (programs, remedy) in TOOLS.items():
        found = next(filter(None, map(shutil.which, programs)), "")
        lines.append(Line(name, found, remedy))
    return lines


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
