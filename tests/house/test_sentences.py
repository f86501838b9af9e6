"""No sentence that a reader sees stands in the code of an experiment: writers edit prose as prose, in ``text.md``."""

import ast
import re
from pathlib import Path

import pytest

import lessons.experiments

FOLDER = Path(lessons.experiments.__file__).parent
MODULES = sorted(FOLDER.rglob("*.py"))


def sentences(source):
    """Return the texts in a source, docstrings and the words of errors left out, that read like a sentence.

    A text of a figure names things in a few words. Seven words are a sentence, and so are three that end like one.
    """
    tree = ast.parse(source)
    quiet = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            quiet.add(id(node.value))
        if isinstance(node, ast.Raise):
            quiet.update(id(inside) for inside in ast.walk(node))
    found = []
    for node in ast.walk(tree):
        if id(node) in quiet:
            continue
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
            quiet.update(id(part) for part in node.values)
            said = "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            said = node.value
        else:
            continue
        words = re.findall(r"[A-Za-z]{2,}", said)
        if len(words) >= 7 or (len(words) >= 3 and re.search(r"[a-z)}][.!?](\s|$)", said)):
            found.append(said)
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_no_sentence_stands_in_the_code(path):
    assert sentences(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "planted",
    [
        'def explain(self):\n    return "This took longer."',
        'def facts(self):\n    return {"why": f"since {x} had to wait for the other {y} all the time"}',
        'class X(Experiment):\n    cited = "It was 2.6 times as fast. "',
    ],
)
def test_a_planted_sentence_is_found(planted):
    assert len(sentences(planted)) == 1


def test_labels_docstrings_and_errors_are_none():
    source = 'def f():\n    """A long docstring that has more than seven words in it."""\n'
    source += (
        '    ax.set_xlabel("loads")\n    raise E(f"this is {x}, and it can be no more than {y}; do z")\n'
    )
    assert sentences(source) == []
