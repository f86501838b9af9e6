"""The normal form of a source: its syntax without telling and formatting, the same on every Python."""

from __future__ import annotations

import ast
from itertools import groupby
from typing import Any

# Of an experiment, what says how a result is told. It is made anew from each recorded result.
TELLING = frozenset(
    {"FINDINGS", "alt", "cited", "draw", "explain", "facts", "findings", "panels", "question", "title"},
)
# Where and how something was written, and not what.
UNSPOKEN = frozenset({"ctx", "kind", "type_comment", "type_ignores"})


def measuring(source: str, experiments: frozenset[str] = frozenset({"Experiment"})) -> ast.Module:
    """Return the part of a source that can change a measurement.

    Dropped are docstrings, the words of errors and assertions, what is for type checkers only, and what is
    ``TELLING`` in the classes that ``experiments`` names.
    """
    return _Measuring(experiments).visit(ast.parse(source))


def tokens(node: Any) -> list[str]:
    """Return a syntax tree as a row of texts: each node's kind, then its fields by name, what is empty left out.

    ``ast.dump`` writes the same tree differently from one Python to the next, and ``repr`` escapes what its
    version's Unicode tables do not know; neither is used.
    """
    if isinstance(node, list):
        return ["[", *(token for item in node for token in tokens(item)), "]"]
    if not isinstance(node, ast.AST):
        return [f"{type(node).__name__} {node!a}"]
    written = [f"{type(node).__name__}("]
    for name in sorted(set(node._fields) - UNSPOKEN):
        value = getattr(node, name, None)
        if value is not None and value != []:
            written += [f"{name}=", *tokens(value)]
    return [*written, ")"]


def bases(source: str) -> dict[str, frozenset[str]]:
    """Return the classes of a source with the last names of what they inherit."""
    classes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef))
    return {c.name: frozenset(_last_name(base) for base in c.bases) for c in classes}


class _Measuring(ast.NodeTransformer):
    def __init__(self, experiments: frozenset[str]) -> None:
        self.experiments = experiments

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.AST]:
        if _last_name(node.test) == "TYPE_CHECKING":
            return [self.visit(n) for n in node.orelse]
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if isinstance(node.exc, ast.Call):
            node.exc.args = [a for a in node.exc.args if not _is_text(a)]
        return self.generic_visit(node)

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        node.msg = None
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        if node.name in self.experiments:
            node.body = [n for n in node.body if not _defines(n) & TELLING]
        return self.generic_visit(node)

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.format_spec, ast.JoinedStr) and not node.format_spec.values:
            node.format_spec = None
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        # Pythons differ in how they cut the text between two braces.
        self.generic_visit(node)
        values: list[ast.expr] = []
        for are_texts, parts in groupby(node.values, key=lambda part: isinstance(part, ast.Constant)):
            if not are_texts:
                values.extend(parts)
            elif text := "".join(str(part.value) for part in parts if isinstance(part, ast.Constant)):
                values.append(ast.Constant(text))
        node.values = values
        return node


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _defines(node: ast.stmt) -> set[str]:
    """Return the names that a statement of a class's body gives to the class."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return {node.name}
    targets = (
        node.targets
        if isinstance(node, ast.Assign)
        else [node.target]
        if isinstance(node, ast.AnnAssign)
        else []
    )
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _last_name(node: ast.expr) -> str:
    """Return ``c`` of ``a.b.c``; an empty text for what is no name."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
