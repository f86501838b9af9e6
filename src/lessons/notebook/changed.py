"""What a reader changed in an experiment: such a result is shown, and is not the book's."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any

from lessons.experiments.base import Experiment
from lessons.results.digest import closure

# Only these can be worked out again without running anything.
_CONSTANT = (
    ast.Constant, ast.Name, ast.Tuple, ast.List, ast.Set, ast.Dict, ast.Starred, ast.UnaryOp, ast.BinOp,
    ast.operator, ast.unaryop, ast.expr_context,
)  # fmt: skip


def changed(experiment: Experiment) -> str:
    """Return the name of something that differs from the source of the book, such as "mix.SPREAD", or nothing.

    Looked at are the attributes of the experiment and of its classes, and the constants (capital letters) and
    functions of every module that its ``run`` reaches. An experiment that is none of a chapter's is a reader's own,
    in which nothing can be changed.
    """
    known = _known(experiment.id)
    return "" if known is None else next(_changes(experiment, known), "")


def _changes(experiment: Experiment, known: Experiment) -> Iterator[str]:
    _, name = experiment.id.split(".")
    if type(experiment) is not type(known):
        yield type(experiment).__name__
    fresh = type(known)()
    for attribute in sorted(vars(experiment).keys() | vars(fresh).keys()):
        if not _same(*(getattr(one, attribute, None) for one in (experiment, fresh))):
            yield f"{name}.{attribute}"
    for kind in type(known).__mro__:
        if issubclass(kind, Experiment) and (module := sys.modules.get(kind.__module__)):
            written = next(n for n in _tree(module) if getattr(n, "name", "") == kind.__name__)
            yield from (f"{kind.__name__}.{n}" for n in _differing(written.body, vars(kind), module, str))
    chapter = f"lessons.experiments.{known.slug}"  # it lists the chapter's other experiments too
    for reached in closure(type(known).__module__, apart=(chapter,)):
        if module := sys.modules.get(reached):
            names = _differing(_tree(module), vars(module), module, str.isupper)
            yield from (f"{reached.rpartition('.')[2]}.{n}" for n in names)


def _known(id: str) -> Experiment | None:
    """Return the chapter's own experiment."""
    slug = id.split(".")[0]
    try:
        chapter = import_module(f"lessons.experiments.{slug}")
    except ModuleNotFoundError:
        return None
    return next((e for e in getattr(chapter, "EXPERIMENTS", []) if e.id == id), None)


def _differing(
    body: list[ast.stmt], live: Mapping[str, Any], module: Any, counts: Callable[[str], object]
) -> Iterator[str]:
    """Yield the names whose live values are not what the statements of a module or a class give them.

    Args:
        body, live: the statements, and the values by name.
        module: where the statements stand.
        counts: tells by its name whether a value is meant to stay as it is written; a cache is not.
    """
    for name, node in _definitions(body).items():
        if name not in live:
            continue
        now = live[name]
        if isinstance(node, ast.ImportFrom):
            if not (node.module or "").startswith("lessons"):
                continue  # a library may put other things in their places by itself
            origin = sys.modules.get(node.module or "")
            there = next(alias.name for alias in node.names if name in (alias.asname, alias.name))
            if not _same(now, getattr(origin, there, now)):
                yield name
        elif isinstance(node, ast.expr):
            if counts(name) and all(isinstance(part, _CONSTANT) for part in ast.walk(node)):
                code = compile(ast.Expression(node), "constant", "eval")
                try:
                    written = eval(code, vars(module), dict(live))  # names and arithmetic alone
                except Exception:  # of a name that is gone, or is now of another kind: it is found by itself
                    continue
                if not _same(now, written):
                    yield name
        elif isinstance(now, FunctionType) and now.__module__ != module.__name__:
            yield name


def _definitions(body: list[ast.stmt]) -> dict[str, ast.expr | ast.stmt]:
    """Return what each name is given, the last where it is given several things."""
    found: dict[str, ast.expr | ast.stmt] = {}
    for node in body:
        match node:
            case ast.FunctionDef(name=name):
                found[name] = node
            case ast.ImportFrom():
                found |= {alias.asname or alias.name: node for alias in node.names}
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                found[name] = value
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found[name] = value
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                found |= {n.id: v for n, v in zip(names, values) if isinstance(n, ast.Name)}
    return found


@cache
def _tree(module: ModuleType) -> list[Any]:
    return ast.parse(inspect.getsource(module)).body


def _same(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except Exception:  # arrays, which compare by element
        return repr(one) == repr(other)
