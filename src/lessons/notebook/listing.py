"""A function of the package as a page shows it: cut to what matters, with a note beside a line."""

from __future__ import annotations

import ast
import html
import inspect
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from lessons.errors import LessonError, shown
from lessons.notebook.highlight import highlighted

WIDTH = 78  # columns that a page's text is wide
LEFT_OUT = "# …"  # a comment, so that what is copied from a page is Python
CHECKS = "lessons.formulas.checks"


@dataclass(frozen=True)
class Line:
    """One line of code, and the note that a page has for it."""

    code: str
    note: str = ""


@dataclass(frozen=True)
class Part:
    """What is shown of one function.

    Attributes:
        module: where it is defined, with dots.
        name: its qualified name.
        path: of its file, from the package's folder on; empty for one that a notebook has defined.
        first, last: its lines in that file, counted from 1.
        lines: those that are shown.
    """

    module: str
    name: str
    path: str
    first: int
    last: int
    lines: tuple[Line, ...]

    @property
    def caption(self) -> str:
        return f"{self.path}, {self.name}" if self.path else self.name

    def text(self) -> str:
        """Return the lines with their notes as comments."""
        return "\n".join(text for line in self.lines for text in _commented(line))

    def html(self) -> str:
        """Return a figure. book/_ext/source_links.py makes a link of its caption's ``data-`` attributes."""
        colours = _colours([line.code for line in self.lines])
        body = "".join(_marked(line, colour) for line, colour in zip(self.lines, colours, strict=True))
        where = {"module": self.module, "name": self.name, "path": self.path}
        data = "".join(f' data-{key}="{html.escape(value)}"' for key, value in where.items())
        return (
            '<figure class="lessons-listing"><figcaption>'
            f'<span class="lessons-source"{data} data-lines="{self.first}-{self.last}">'
            f"{html.escape(self.caption)}</span></figcaption>"
            f'<div class="highlight" tabindex="0"><pre>{body}</pre></div></figure>'
        )


@dataclass(frozen=True)
class Listing:
    """Functions one after the other. A notebook shows it as a cell's value; ``+`` joins two."""

    parts: tuple[Part, ...]

    def __add__(self, other: Listing) -> Listing:
        return Listing(self.parts + other.parts)

    def __str__(self) -> str:
        return "\n\n".join(f"# {part.caption}\n{part.text()}" for part in self.parts)

    def _repr_html_(self) -> str:
        return "".join(part.html() for part in self.parts)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self._repr_html_(), "text/plain": str(self)}


def listing(
    thing: Any, lines: tuple[str, str] | None = None, notes: Mapping[str, str] | None = None
) -> Listing:
    """Show the source of a function, without its decorators, docstrings and argument checks.

    Args:
        thing: a function, method, property or class; what is compiled or cached is shown as it was written.
        lines: a text of the first line to show and one of the last, each where it stands first; all lines when
            left out.
        notes: for a text that stands in exactly one line shown, what to say beside that line.

    Raises:
        LessonError: for a thing without source, and for a text whose line is not there: the source has then
            changed, and the page is to follow.
    """
    function = _as_written(thing)
    try:
        found, first = inspect.getsourcelines(function)
        source = [line.rstrip() for line in textwrap.dedent("".join(found)).splitlines()]
        tree: Any = ast.parse("\n".join(source)).body[0]
        name = ".".join([*function.__qualname__.split(".")[:-1], tree.name])  # Numba's has a digest behind it
    except (OSError, TypeError, SyntaxError, AttributeError):
        raise LessonError(f"{shown(thing)} has no source to list; give a function or a class") from None
    noted = _with_notes(_cut(source, tree, lines, _checks(tree, function)), notes or {}, name)
    last = first + len(found) - 1
    return Listing((Part(function.__module__, name, _path(function), first, last, noted),))


def _as_written(thing: Any) -> Any:
    """Return the function behind what Numba has compiled, what is cached, or a property."""
    for wrapper in ("fget", "func", "py_func"):
        thing = getattr(thing, wrapper, thing)
    return inspect.unwrap(thing)


def _path(function: Any) -> str:
    """Return the path of a function's file from its package's folder on, or nothing for one without a file."""
    package, _, inside = function.__module__.partition(".")
    if not inside:
        return ""
    is_package = inspect.getfile(function).endswith("__init__.py")
    return f"{package}/{inside.replace('.', '/')}{'/__init__' if is_package else ''}.py"


def _cut(source: list[str], tree: Any, lines: tuple[str, str] | None, checks: set[int]) -> list[str]:
    """Return the lines to show; a comment stands where code was left out, and nothing where a docstring was."""
    silent = _docstrings(tree)
    code = [i for i in range(tree.lineno - 1, len(source)) if i not in silent]
    if lines:
        start = _find(source, code, lines[0], tree.name)
        stop = _find(source, [i for i in code if i >= start], lines[1], tree.name)
    else:
        start, stop = code[0], code[-1]
    chosen = [i for i in code if start <= i <= stop and i not in checks]
    margin = min(_indent(source[i]) for i in chosen if source[i])
    cut: list[str] = []
    for i in code:
        if i in chosen and (source[i] or cut):
            cut.append(source[i][margin:])
        elif source[i] and (not cut or cut[-1].lstrip() != LEFT_OUT):
            beside = source[i] if cut else source[chosen[0]]
            cut.append(" " * max(0, _indent(beside) - margin) + LEFT_OUT)
    return cut


def _find(source: list[str], places: list[int], text: str, name: str) -> int:
    """Return the first of the lines ``places`` that holds a text."""
    for i in places:
        if text in source[i]:
            return i
    raise LessonError(f"no line of {name} holds {text!r}; give a text that one does")


def _docstrings(tree: ast.AST) -> set[int]:
    """Return the lines of all docstrings."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    functions = [node for node in ast.walk(tree) if isinstance(node, kinds) and ast.get_docstring(node)]
    return {i for node in functions for i in _lines(node.body[0])}


def _checks(tree: Any, function: Any) -> set[int]:
    """Return the lines of the argument checks that a function begins with."""
    names = getattr(function, "__globals__", {})
    body = tree.body[1:] if ast.get_docstring(tree) else tree.body
    return {i for node in takewhile(lambda node: _is_check(node, names), body) for i in _lines(node)}


def _lines(node: ast.stmt) -> range:
    return range(node.lineno - 1, node.end_lineno or node.lineno)


def _is_check(node: ast.stmt, names: Mapping[str, Any]) -> bool:
    """Tell whether a statement only raises, or calls one of the checks that the formulas share."""
    if isinstance(node, ast.If):
        return not node.orelse and len(node.body) == 1 and isinstance(node.body[0], ast.Raise)
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        return False
    called = node.value.func
    return isinstance(called, ast.Name) and getattr(names.get(called.id), "__module__", "") == CHECKS


def _with_notes(lines: list[str], notes: Mapping[str, str], name: str) -> tuple[Line, ...]:
    """Return the lines with their notes."""
    placed = {}
    for text, note in notes.items():
        places = [i for i, line in enumerate(lines) if text in line]
        if len(places) != 1:
            raise LessonError(
                f"the note at {text!r} fits {len(places)} of the lines shown of {name}; "
                "give a text that stands in exactly one"
            )
        placed[places[0]] = note
    return tuple(Line(line, placed.get(i, "")) for i, line in enumerate(lines))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _commented(line: Line) -> list[str]:
    """Return a line with its note as a comment: behind it where that fits, else above."""
    if not line.note:
        return [line.code]
    whole = f"{line.code}  # {line.note}"
    if len(whole) <= WIDTH:
        return [whole]
    start = " " * _indent(line.code) + "# "
    return [*textwrap.wrap(line.note, WIDTH, initial_indent=start, subsequent_indent=start), line.code]


def _colours(lines: list[str]) -> list[str]:
    """Return each line as HTML; Pygments closes its spans at the end of every line."""
    inside = highlighted("\n".join(lines)).partition("<pre>")[2].rpartition("</pre>")[0]
    return inside.rstrip("\n").split("\n")


def _marked(line: Line, colour: str) -> str:
    """Return a line as HTML; where a note finds no room beside the code, the style sheet puts it above."""
    if not line.note:
        return f"{colour}\n"
    return (
        f'<span class="lessons-noted" style="--indent: {_indent(line.code)}ch">'
        f'<span class="lessons-line">{colour}</span>'
        f'<em class="lessons-note">  # {html.escape(line.note)}</em>\n</span>'
    )
