"""How notebooks are kept: in the table of contents, without outputs, under one kernel name, with true listings."""

import ast
import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest
from project import LAST, ROOT, notebooks

from lessons.notebook.listing import WIDTH

NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))


def test_every_notebook_is_in_the_table_of_contents():
    assert sorted(notebooks()) == NOTEBOOKS


def test_the_pages_that_sum_up_come_last():
    assert tuple(path.stem for path in notebooks())[-len(LAST) :] == LAST


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_clean(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None
            assert not cell.source.rstrip().endswith(";"), (
                "a semicolon does not silence a value in every runner"
            )


def called(node):
    """Return the names of the functions that a piece of code calls, ``figures.render`` as ``render``."""
    calls = [part.func for part in ast.walk(node) if isinstance(part, ast.Call)]
    return {call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in calls}


def code_cells():
    """Yield (id for the test, cell, its statements, all imports up to it) of each cell that is plain Python."""
    for path in NOTEBOOKS:
        imports = []
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code" and not cell.source.startswith(("%", "try:")):
                body = ast.parse(cell.source).body
                imports = imports + [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
                yield f"{path.stem}.{cell.id}", cell, body, imports


CELLS = list(code_cells())
LISTING = [
    (name, cell, body[-1], imports) for name, cell, body, imports in CELLS if "listing" in called(body[-1])
]


@pytest.mark.parametrize(
    "cell, last, imports", [found[1:] for found in LISTING], ids=[found[0] for found in LISTING]
)
def test_a_listing_is_true_and_fits_its_page(cell, last, imports):
    used, names = {node.id for node in ast.walk(last) if isinstance(node, ast.Name)}, {}
    for node in imports:
        if used & {alias.asname or alias.name for alias in node.names}:
            exec(ast.unparse(node), names)
    shown = eval(ast.unparse(last), names)  # raises where a note or an end has lost its line
    wide = [line.code for part in shown.parts for line in part.lines if len(line.code) > WIDTH]
    assert wide == []
    assert "remove-input" in cell.metadata.get("tags", []), "its own call would stand above what it shows"


def test_drawing_is_folded_and_what_is_studied_is_open():
    folded = {
        name
        for name, cell, *_ in CELLS
        if {"hide-input", "remove-input"} & set(cell.metadata.get("tags", []))
    }
    draws = {name for name, _, body, _ in CELLS if called(body[-1]) & {"draw", "render", "picture"}}
    studies = {name for name, _, body, _ in CELLS if "study" in called(body[-1])}
    assert draws and studies
    assert draws - folded == set()
    assert studies & folded == set()


PROSE = sorted(
    [*NOTEBOOKS, *(ROOT / "book").rglob("*.md"), *(ROOT / "src/lessons/experiments").rglob("text.md")]
)


CODE = ("", "{code-cell}", "{code-block}", "{math}", "{raw}", "{mermaid}")


def prose(path):
    """Return the Markdown of a page: a notebook's Markdown cells, or a file as it is."""
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def swallowed(text):
    """Return the lines of a Markdown text that MyST takes for comments, code left out: they begin with a percent sign.

    Such a line is lost from its page, and its sentence with it.
    """
    open_fences, lost = [], []  # of each fence its mark, and whether its body is code
    for line in text.splitlines():
        mark = re.match(r"\s*(`{3,}|~{3,}|:{3,})(\{[\w:-]+\})?", line)
        if mark and open_fences and line.strip() == mark[1] and mark[1].startswith(open_fences[-1][0]):
            open_fences.pop()
        elif any(code for _, code in open_fences):
            continue
        elif mark:
            open_fences.append((mark[1], (mark[2] or "") in CODE))
        elif line.lstrip().startswith("%"):
            lost.append(line)
    return lost


@pytest.mark.parametrize("path", PROSE, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_line_of_prose_is_lost_as_a_comment(path):
    assert swallowed(prose(path)) == []


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("within 1\n% of it", ["% of it"]),
        ("- within 1\n  % of it", ["  % of it"]),
        ("within 1 %\nof it, 50 % in all", []),
        ("```python\n%timeit x\n```\nthen 1\n% more", ["% more"]),
        ("```{exercise} Level 1\n:label: x\n\nwithin 1\n% of it\n```\n\n~~~\n%%gpu\n~~~", ["% of it"]),
        (":::{note}\n```\n% code\n```\n% lost\n:::", ["% lost"]),
    ],
)
def test_a_line_that_begins_with_a_percent_sign_is_found(text, lost):
    assert swallowed(text) == lost


@pytest.mark.parametrize("guarded", [True, False])
def test_a_notebook_run_by_hand_leaves_the_books_ledger_alone(guarded, tmp_path):
    if guarded:
        shutil.copy(ROOT / "book" / "conftest.py", tmp_path)
    write = "from lessons.places import ledger_path\nledger_path().mkdir(parents=True, exist_ok=True)"
    cell = nbformat.v4.new_code_cell(write)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "page.ipynb")
    around = {name: value for name, value in os.environ.items() if not name.startswith("LESSONS_")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    command += ["--nbval-lax", "--nbval-current-env", "page.ipynb"]
    done = subprocess.run(command, cwd=tmp_path, env=around, capture_output=True, text=True)
    assert done.returncode == pytest.ExitCode.OK, done.stdout
    assert (tmp_path / "_build").exists() is not guarded
