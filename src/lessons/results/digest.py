"""A hash of what made a recording: the code that an experiment's ``run`` reaches, and the data that it reads."""

from __future__ import annotations

import ast
import hashlib
import json
import tomllib
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from lessons.results import normal

PACKAGE = Path(__file__).parents[1]
# These rooms show results, and do not make them.
OUTSIDE = ("lessons.notebook.", "lessons.figures.", "lessons.cli.")
# What chapters import of the passport.
PREDICTING = ("lessons.passport", "lessons.passport.document", "lessons.passport.needs")
# A module that reads a file of data lies beside it, so the data beside what is reached is all that can be read.
DATA = {".toml": tomllib.loads, ".json": json.loads}


class Part(NamedTuple):
    """What one module adds to a digest: the hash of its normal form, and the names that it imports."""

    hash: str
    imports: frozenset[str]


def code_digest(module: str, package: Path = PACKAGE, apart: Collection[str] = ()) -> str:
    """Return a SHA-256 over ``module``, every ``lessons`` module it imports, directly or not, and their data.

    Modules are found by their path and read as syntax; nothing is imported. So the hash is the same on every
    Python and whatever is installed. It changes with code and with data files (``DATA``); it does not change with
    comments, docstrings, formatting, the words of errors, or what only tells a result (``normal.TELLING``).

    Args:
        module: a dotted name, such as "lessons.experiments.roofline"; a module or a package.
        package: the folder of ``lessons``.
        apart: dotted names of modules that are left out, with what only they import, such as a package that lists
            its modules.

    Raises:
        ModuleNotFoundError: when there is no such module.
    """
    reached = closure(module, package, apart)
    parts = [f"{name} {part.hash}" for name, part in sorted(reached.items())]
    parts += [
        f"{path.relative_to(package).as_posix()} {_data_hash(path.suffix, path.read_text(encoding='utf-8'))}"
        for path in data_files(reached, package)
    ]
    return _sha256(parts)


def chapter_digest(slug: str, package: Path = PACKAGE) -> str:
    """Return the digest of all that the experiments of a chapter run and read.

    The passport is left out: predictions come from it, and no measurement does. So a new probe, or a better one,
    makes no recording stale.

    Raises:
        ModuleNotFoundError: when there is no such chapter.
    """
    return code_digest(f"lessons.experiments.{slug}", package, PREDICTING)


@cache
def files_hash(package: Path = PACKAGE) -> str:
    """Return a SHA-256 over the package's files as they stand, read once a process.

    While it stays the same, so does every digest; and to read all files takes a tenth of the time that it takes to
    understand some of them.
    """
    paths = sorted(path for path in package.rglob("*") if path.suffix in (".py", *DATA) and path.is_file())
    names = (path.relative_to(package).as_posix() for path in paths)
    return _sha256(
        f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}" for name, path in zip(names, paths)
    )


def closure(module: str, package: Path = PACKAGE, apart: Collection[str] = ()) -> dict[str, Part]:
    """Return ``module`` and all ``lessons`` modules that it reaches through imports, those ``apart`` left out.

    Imports inside functions count, and so do the packages on the way to a module. The package ``lessons`` itself
    holds no more than the version, and is left out as the rooms of ``OUTSIDE`` are.
    """
    if _path(module, package) is None:
        raise ModuleNotFoundError(f"there is no module {module!r}")
    reached: dict[str, Part] = {}
    queue = [module]
    while queue:
        name = queue.pop()
        path = _path(name, package)  # None for a name inside a module
        if path is None or name in reached or name in ("lessons", *apart) or f"{name}.".startswith(OUTSIDE):
            continue
        # Only experiments tell, and to know them all takes longer than most digests.
        experiments = _experiments(package) if name.startswith("lessons.experiments.") else frozenset()
        reached[name] = _part(path.read_text(encoding="utf-8"), experiments)
        queue += [name.rpartition(".")[0], *reached[name].imports]
    return reached


def data_files(modules: Iterable[str], package: Path = PACKAGE) -> list[Path]:
    """Return the data files that lie beside ``modules``, sorted."""
    folders = {path.parent for name in modules if (path := _path(name, package))}
    return sorted(path for folder in folders for path in folder.iterdir() if path.suffix in DATA)


def _path(name: str, package: Path) -> Path | None:
    """Return the file of a module or a package, as Python would find it; None where there is none."""
    first, *rest = name.split(".")
    if first != "lessons":
        return None
    stem = package.joinpath(*rest)
    candidates = (stem / "__init__.py", stem.with_name(f"{stem.name}.py"))
    return next((path for path in candidates if path.is_file()), None)


def _experiments(package: Path) -> frozenset[str]:
    """Return the names of the classes that inherit from ``Experiment``, directly or not."""
    inherited: dict[str, frozenset[str]] = {}
    for path in (package / "experiments").rglob("*.py"):
        inherited |= _bases(path.read_text(encoding="utf-8"))
    known = {"Experiment"}
    while more := {name for name, of in inherited.items() if of & known} - known:
        known |= more
    return frozenset(known)


# By the text itself: a file that was edited is read anew, and a hundred that were not are parsed once.
@cache
def _part(source: str, experiments: frozenset[str]) -> Part:
    tree = normal.measuring(source, experiments)
    return Part(_sha256(normal.tokens(tree)), frozenset(_imports(tree)))


@cache
def _bases(source: str) -> dict[str, frozenset[str]]:
    return normal.bases(source)


@cache
def _data_hash(suffix: str, text: str) -> str:
    return _sha256([json.dumps(DATA[suffix](text), default=str)])


def _imports(tree: ast.Module) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _sha256(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
