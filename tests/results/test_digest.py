"""The digest changes with the code that an experiment reaches, and with nothing else."""

from __future__ import annotations

import pytest

from lessons.results import code_digest, digest


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package called ``lessons`` of four modules: top imports middle inside a function, middle imports deep."""
    folder = tmp_path / "lessons"
    folder.mkdir()
    texts = {
        "__init__": "",
        "top": "def run():\n    from lessons import middle\n    return middle.VALUE\n",
        "middle": "from lessons.deep import VALUE\n",
        "deep": "VALUE = 1\n",
        "other": "VALUE = 7\n",
    }
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.setattr(digest, "find_spec", lambda name: _spec(folder, name))
    return folder


def _spec(folder, name):
    from importlib.util import spec_from_file_location

    _, _, rest = name.partition(".")
    path = folder / f"{rest or '__init__'}.py"
    return spec_from_file_location(name, path) if path.exists() else None


def _append(path, text):
    path.write_text(path.read_text() + text)


def test_closure_follows_imports_inside_functions(package):
    assert digest.closure("lessons.top") == {"lessons", "lessons.top", "lessons.middle", "lessons.deep"}


@pytest.mark.parametrize("name", ["top", "middle", "deep"])
def test_a_change_anywhere_in_the_closure_changes_the_digest(package, name):
    before = code_digest("lessons.top")
    _append(package / f"{name}.py", "EXTRA = 2\n")
    assert code_digest("lessons.top") != before


@pytest.mark.parametrize("text", ["# a comment\n", "\n\n\n"])
def test_comments_and_blank_lines_do_not(package, text):
    before = code_digest("lessons.top")
    _append(package / "deep.py", text)
    assert code_digest("lessons.top") == before


def test_a_docstring_does_not(package):
    before = code_digest("lessons.top")
    path = package / "deep.py"
    path.write_text('"""What this module is."""\n' + path.read_text())
    assert code_digest("lessons.top") == before


def test_a_module_that_is_not_reached_does_not(package):
    before = code_digest("lessons.top")
    _append(package / "other.py", "EXTRA = 2\n")
    assert code_digest("lessons.top") == before


def test_a_constant_deep_down_does(package):
    before = code_digest("lessons.top")
    (package / "deep.py").write_text("VALUE = 2\n")
    assert code_digest("lessons.top") != before


def test_a_missing_module_is_said():
    with pytest.raises(ModuleNotFoundError, match=r"lessons\.experiments\.nothing"):
        code_digest("lessons.experiments.nothing")


def test_an_experiment_reaches_its_kernels():
    reached = digest.closure("lessons.experiments.cpu_memory")
    assert {"lessons.kernels.stream.cpu", "lessons.kernels.tools.simd", "lessons.units"} <= reached
    assert "lessons.experiments.roofline" not in reached
