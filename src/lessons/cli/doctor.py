"""Say what this machine has, what is missing, and the command that brings it."""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
import shutil
import sys

from lessons.errors import LessonError

Line = tuple[str, str, str]  # what, what was found ("" when missing), the command that brings it

# Tools outside Python: name -> the programs that will do, and how to get one.
TOOLS = {
    "Chromium": (("chromium", "chromium-browser", "google-chrome", "chrome"), "apt-get install chromium"),
    "fio": (("fio",), "apt-get install fio"),
    "C compiler": (("gcc", "clang", "cc"), "apt-get install gcc"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace) -> None:
    lines = [*machine(), *software(), model(), passport(), *tools()]
    width = max(len(name) for name, _, _ in lines)
    for name, found, remedy in lines:
        print(f"{'ok     ' if found else 'missing'}  {name:{width}}  {found or remedy}")


def machine() -> list[Line]:
    """Describe the hardware. A computer without a GPU lacks nothing: the book shows recorded results."""
    from lessons import topology
    from lessons.units import format_bytes

    here = topology.read()
    caches = ", ".join(f"{cache.level} {format_bytes(cache.bytes)}" for cache in here.caches)
    return [
        ("CPU", f"{here.cpu}, {here.cores} cores", ""),
        ("caches", caches or "not told by this system", ""),
        ("memory", format_bytes(here.memory), ""),
        ("GPU", ", ".join(here.gpus) or "none; GPU cells show recorded results", ""),
    ]


def software() -> list[Line]:
    """Look up Python and the packages that the lessons compute with."""
    lines = [("Python", platform.python_version(), "")]
    for package in ("torch", "numba", "numpy", "tokenizers"):
        lines.append((package, _version(package), f"{sys.executable} -m pip install {package}"))
    return lines


def model() -> Line:
    """Look for the language model's file."""
    from lessons.llm.load import find_model

    try:
        return ("model", str(find_model()), "")
    except LessonError:
        return ("model", "", "lessons get-model")


def passport() -> Line:
    """Look for this machine's measured passport."""
    from lessons.places import is_passport, passport_path

    path = passport_path()
    return ("machine.json", str(path.resolve()) if is_passport(path) else "", "lessons passport")


def tools() -> list[Line]:
    """Look for the programs outside Python that parts of the book and its tests use."""
    lines = []
    for name, (programs, remedy) in TOOLS.items():
        found = next(filter(None, map(shutil.which, programs)), "")
        lines.append((name, found, remedy))
    return lines


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
