"""Every public function and class of the package says what it does."""

import ast

import pytest
from project import ROOT

PACKAGE = ROOT / "src" / "lessons"
# A kernel inside a cuda.py or a codegen is an implementation; its public function carries the docstring.
IMPLEMENTATIONS = {"cpu.py", "cuda.py", "simd.py", "tiles.py"}
# What every command's module has; lessons.cli says once what they do.
COMMAND = {"add_arguments", "run"}


def undocumented(tree):
    """Return the public functions and classes at the top of a module that have no docstring."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [
        node.name
        for node in tree.body
        if isinstance(node, kinds) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_public_names_are_documented(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), f"{path.name} does not say what it is"
    if path.name not in IMPLEMENTATIONS:
        missing = set(undocumented(tree))
        assert missing - (COMMAND if path.parent.name == "cli" else set()) == set()


def test_a_planted_function_is_found():
    planted = 'def plain():\n    pass\ndef _private():\n    pass\nclass Good:\n    """Says."""\n'
    assert undocumented(ast.parse(planted)) == ["plain"]
