"""A hash of the code that made a recording: the experiment's module and all it imports from the package."""

from __future__ import annotations

import ast
import hashlib
from importlib.util import find_spec
from pathlib import Path


def code_digest(module: str) -> str:
    """Return a SHA-256 over ``module`` and every ``lessons`` module it imports, directly or not.

    The import statements are read from the source, those inside functions included, so nothing is executed.
    Comments and blank lines do not count: the hash is taken of the syntax tree without docstrings.

    Args:
        module: a dotted name, such as "lessons.experiments.roofline".

    Raises:
        ModuleNotFoundError: when there is no such module.
    """
    digest = hashlib.sha256()
    for name in sorted(closure(module)):
        digest.update(name.encode())
        digest.update(ast.dump(_without_docstrings(_parse(name))).encode())
    return digest.hexdigest()


def closure(module: str) -> set[str]:
    """Return ``module`` and the names of all ``lessons`` modules that it reaches through imports."""
    seen: set[str] = set()
    queue = [module]
    while queue:
        name = queue.pop()
        if name in seen:
            continue
        seen.add(name)
        queue.extend(_imports(name))
    return seen


def _source(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"there is no module {name!r}")
    return Path(spec.origin)


def _parse(name: str) -> ast.Module:
    return ast.parse(_source(name).read_text(encoding="utf-8"))


def _imports(name: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(_parse(name)):
        if isinstance(node, ast.Import):
            candidates = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            candidates = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        found.update(c for c in candidates if c.split(".")[0] == "lessons" and _is_module(c))
    return found


def _is_module(name: str) -> bool:
    try:
        spec = find_spec(name)
    except ModuleNotFoundError:  # a name inside a module, not a module
        return False
    return spec is not None and spec.origin is not None


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return tree
