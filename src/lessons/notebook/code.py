"""The code that a result comes from: an experiment's class, without what only tells the result."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap

from lessons.experiments.base import Experiment
from lessons.results.normal import TELLING


def measured_code(experiment: Experiment) -> str:
    """Return the source of an experiment's class, after that of the class whose ``run`` it inherits, if it does.

    Drawings, facts and findings are left out. Nothing is returned for a class without a file.
    """
    kind = type(experiment)
    runs = next(c for c in kind.__mro__ if "run" in vars(c))
    try:
        return "\n\n\n".join(map(_source, dict.fromkeys([runs, kind])))
    except (OSError, TypeError, SyntaxError):  # defined in a shell, or its file is gone
        return ""


def _source(kind: type) -> str:
    source = textwrap.dedent(inspect.getsource(kind))
    (definition,) = ast.parse(source).body
    assert isinstance(definition, ast.ClassDef)
    lines = source.splitlines()
    for node in reversed(definition.body):
        if _name(node) in TELLING:
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
            del lines[first - 1 : node.end_lineno]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip()


def _name(node: ast.stmt) -> str:
    """Return what a function or a plain assignment defines."""
    target = node.targets[0] if isinstance(node, ast.Assign) else node
    return getattr(target, "name", getattr(target, "id", ""))
