"""The digest changes with the code and the data that an experiment reaches, and with nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lessons.results import chapter_digest, code_digest, digest

PACKAGE = digest.PACKAGE
# Running any of these modules would fail: a digest only reads them.
PLANTED = {
    "__init__": "__version__ = '1'\n",
    "experiments/__init__": "",
    "experiments/base": "class Experiment:\n    def explain(self): return 'words'\n",
    "experiments/top": (
        "import no_such_library\n"
        "from lessons.experiments.base import Experiment\n"
        "class Trained(Experiment): pass\n"
        "class Top(Trained):\n"
        "    title = 'words'\n"
        "    def run(self):\n        from lessons import middle\n        return middle.VALUE\n"
        "    def draw(self):\n        from lessons.told import sentence\n        return sentence\n"
    ),
    "middle": "from lessons.rooms.deep import VALUE\nfrom lessons.figures.axes import draw\n1 / 0\n",
    "rooms/__init__": "from lessons.rooms import beside\n",
    "rooms/beside": "",
    "rooms/deep": "VALUE = 1\n",
    "rooms/other": "VALUE = 7\n",
    "figures/__init__": "from lessons import told\n",
    "figures/axes": "",
    "figures_of_speech": "",
    "told": "sentence = 'words'\n",
}
TOP = "lessons.experiments.top"


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "lessons"
    for name, text in PLANTED.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "rooms" / "sheet.toml").write_text("[card]\nrate = 3\n")
    return folder


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def append(path, text):
    path.write_text(path.read_text() + text)


def test_what_a_run_reaches(package):
    experiments = {"lessons.experiments", "lessons.experiments.base", TOP}
    rooms = {"lessons.middle", "lessons.rooms", "lessons.rooms.beside", "lessons.rooms.deep"}
    assert set(digest.closure(TOP, package)) == experiments | rooms
    assert digest.data_files(digest.closure(TOP, package), package) == [package / "rooms" / "sheet.toml"]


def test_a_room_outside_is_known_by_its_whole_name(package):
    append(package / "middle.py", "import lessons.figures_of_speech\n")
    reached = set(digest.closure(TOP, package))
    assert "lessons.figures_of_speech" in reached and "lessons.figures" not in reached


@pytest.mark.parametrize(
    "name", ["experiments/top", "experiments/base", "middle", "rooms/__init__", "rooms/beside", "rooms/deep"]
)
def test_a_change_anywhere_in_the_closure_changes_the_digest(package, name):
    before = code_digest(TOP, package)
    append(package / f"{name}.py", "EXTRA = 2\n")
    assert code_digest(TOP, package) != before


@pytest.mark.parametrize("name", ["__init__", "rooms/other", "figures/__init__", "figures/axes", "told"])
def test_a_change_outside_does_not(package, name):
    before = code_digest(TOP, package)
    append(package / f"{name}.py", "EXTRA = 2\n")
    assert code_digest(TOP, package) == before


@pytest.mark.parametrize("name", ["experiments/top.py", "experiments/base.py"])
def test_an_experiments_words_do_not(package, name):
    before = code_digest(TOP, package)
    edit(package / name, "'words'", "'other words'")
    assert code_digest(TOP, package) == before


def test_a_constant_deep_down_does(package):
    before = code_digest(TOP, package)
    edit(package / "rooms" / "deep.py", "1", "2")
    assert code_digest(TOP, package) != before


def test_a_module_of_another_name_with_the_same_code_does(package):
    before = code_digest(TOP, package)
    (package / "rooms" / "beside.py").rename(package / "rooms" / "again.py")
    assert code_digest(TOP, package) != before


def test_data_count_by_what_they_say_and_prose_does_not(package):
    sheet = package / "rooms" / "sheet.toml"
    before = code_digest(TOP, package)
    edit(sheet, "rate = 3", "rate  =  3 # a comment")
    (package / "rooms" / "text.md").write_text("Prose.")
    (package / "figures" / "style.toml").write_text("line = 1\n")
    assert code_digest(TOP, package) == before
    edit(sheet, "3", "4")
    changed = code_digest(TOP, package)
    assert changed != before
    sheet.rename(package / "rooms" / "renamed.toml")
    assert code_digest(TOP, package) not in (before, changed)


def test_a_chapter_may_be_a_package(package):
    chapter = package / "experiments" / "chapter"
    chapter.mkdir()
    (chapter / "__init__.py").write_text("from lessons.experiments.chapter.question import Q\n")
    (chapter / "question.py").write_text("from lessons.rooms.deep import VALUE\nclass Q: pass\n")
    (chapter / "text.md").write_text("Prose.")
    name = "lessons.experiments.chapter"
    assert {name, f"{name}.question", "lessons.rooms.deep"} <= set(digest.closure(name, package))
    before = code_digest(name, package)
    edit(chapter / "text.md", "Prose", "Better prose")
    assert code_digest(name, package) == before
    append(chapter / "question.py", "EXTRA = 1\n")
    assert code_digest(name, package) != before


def test_the_hash_of_the_files_changes_with_any_of_them(package):
    hashes = set()
    for name in ("told.py", "rooms/new.py", "rooms/sheet.toml"):
        hashes.add(digest.files_hash.__wrapped__(package))
        (package / name).write_text("\n")
    (package / "rooms" / "told.py").write_text((package / "told.py").read_text())
    hashes.add(digest.files_hash.__wrapped__(package))
    assert len(hashes) == 4
    (package / "told.pyc").write_text("compiled")
    assert digest.files_hash.__wrapped__(package) in hashes


def test_what_is_apart_is_left_out_with_what_only_it_imports(package):
    (package / "rooms" / "__init__.py").write_text("from lessons.rooms import beside, other\n")
    reached = set(digest.closure("lessons.rooms.deep", package, apart=("lessons.rooms",)))
    assert reached == {"lessons.rooms.deep"}
    before = code_digest("lessons.rooms.deep", package, apart=("lessons.rooms",))
    assert before != code_digest("lessons.rooms.deep", package)
    append(package / "rooms" / "beside.py", "EXTRA = 1\n")
    assert code_digest("lessons.rooms.deep", package, apart=("lessons.rooms",)) == before


@pytest.mark.parametrize("name", ["lessons.experiments.nothing", "numpy", "lessons.units.GB"])
def test_a_missing_module_is_said(name):
    with pytest.raises(ModuleNotFoundError, match=re.escape(name)):
        code_digest(name)


def test_an_experiment_reaches_its_kernels():
    reached = digest.closure("lessons.experiments.cpu_memory")
    assert {"lessons.kernels.stream.cpu", "lessons.kernels.tools.simd", "lessons.units"} <= set(reached)
    assert not {"lessons.experiments.roofline", "lessons.figures", "lessons.notebook"} & set(reached)


CHAPTERS = ["batching", "cpu_memory", "speculative"]


@pytest.fixture
def copy(tmp_path):
    """A copy of the real package, to be edited."""
    return shutil.copytree(
        PACKAGE, tmp_path / "lessons", ignore=shutil.ignore_patterns("__pycache__", "recorded")
    )


def digests(package):
    return {slug: code_digest(f"lessons.experiments.{slug}", package) for slug in CHAPTERS}


def changed(package, before):
    return {slug for slug, now in digests(package).items() if now != before[slug]}


def test_edits_of_the_real_package_reach_the_chapters_that_use_them(copy):
    before = digests(copy)
    assert before == digests(PACKAGE)
    edit(copy / "llm" / "prompts" / "speculative.toml", 'kind = "open"', 'kind = "shut"')
    assert changed(copy, before) == {"speculative"}
    before = digests(copy)
    edit(copy / "datasheets" / "models.toml", "hidden = 4096", "hidden = 2048")
    assert changed(copy, before) == {"batching", "speculative"}
    before = digests(copy)
    append(copy / "kernels" / "chase" / "cpu.py", "EXTRA = 1\n")
    assert "cpu_memory" in changed(copy, before)
    before = digests(copy)
    append(copy / "notebook" / "study.py", "EXTRA = 1\n")
    append(copy / "units.py", "# a comment\n")
    assert not changed(copy, before)


ELSEWHERE = """
import sys
sys.path.insert(0, sys.argv[1])
from lessons.results import code_digest
for slug in sys.argv[2:]:
    print(slug, code_digest("lessons.experiments." + slug))
"""


def interpreters():
    """Return the Pythons that are found here and start: this one, on the path, in pyenv and in uv."""
    found = {sys.executable}
    for minor in range(11, 16):
        name = f"python3.{minor}"
        kept = [".pyenv/versions/*/bin", ".local/share/uv/python/*/bin"]
        found |= {str(path) for folder in kept for path in Path.home().glob(f"{folder}/{name}")}
        found |= {shutil.which(name) or sys.executable}
    return sorted(p for p in found if subprocess.run([p, "-c", ""], capture_output=True).returncode == 0)


@pytest.mark.parametrize("interpreter", interpreters())
def test_it_is_the_same_on_other_pythons_with_the_standard_library_only(interpreter):
    words = [interpreter, "-S", "-E", "-c", ELSEWHERE, str(PACKAGE.parent), *CHAPTERS]
    run = subprocess.run(words, capture_output=True, text=True, check=True)
    assert dict(line.split() for line in run.stdout.splitlines()) == digests(PACKAGE)


def test_data_are_read_by_modules_beside_them():
    """Hashing what lies beside the reached modules is enough: no module looks for data anywhere else."""
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.parent != PACKAGE / "results":
            beside = text.count("Path(__file__).parent /") + text.count("= Path(__file__).parent\n")
            assert text.count("__file__") == beside, f"{path} looks for files away from its folder"
        assert "importlib.resources" not in text or "files(__name__)" in text, path
        assert "get_data(" not in text and "open_text(" not in text, path


def test_the_packages_data_are_of_kinds_that_are_hashed():
    import tomllib

    project = tomllib.loads((PACKAGE.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    kinds = {Path(pattern).suffix for pattern in project["tool"]["setuptools"]["package-data"]["lessons"]}
    assert kinds <= {*digest.DATA, ".md", ".typed"}, "prose is .md; teach lessons.results.digest other data"


def test_a_chapters_recordings_outlive_a_change_to_the_passport(tmp_path):
    package = tmp_path / "lessons"
    shutil.copytree(digest.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    before = chapter_digest("roofline", package)
    assert before == chapter_digest("roofline")
    for changed in (
        "passport/document.py",
        "passport/probes/disk.py",
        "passport/needs.py",
        "passport/__init__.py",
    ):
        (package / changed).write_text((package / changed).read_text() + "\nCHANGED = 1\n")
    (package / "experiments" / "roofline" / "text.md").write_text("other words\n")
    assert chapter_digest("roofline", package) == before
    kernel = package / "kernels" / "horner" / "cpu.py"
    kernel.write_text(kernel.read_text() + "\nCHANGED = 1\n")
    assert chapter_digest("roofline", package) != before
    with pytest.raises(ModuleNotFoundError, match="no_such"):
        chapter_digest("no_such", package)
