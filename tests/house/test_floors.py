"""A room imports only from the floors below it, and heavy libraries wait until they are used."""

import ast
import subprocess
import sys

import pytest
from project import ROOT

PACKAGE = ROOT / "src" / "lessons"
FLOORS = (
    ("units", "errors"),
    ("files", "locks", "places"),
    ("formulas", "datasheets"),
    ("measure", "topology", "figures"),
    ("kernels", "results"),
    ("passport", "llm", "storage", "allocators", "collectives", "compiler"),
    ("serving",),
    ("experiments",),
    ("notebook", "grading"),
    ("cli",),
    ("__main__",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
STANDARD_LIBRARY_ONLY = ("units", "errors", "files", "locks", "places", "formulas", "datasheets", "results")
HEAVY = {"torch", "numba", "matplotlib", "scipy", "tokenizers", "numpy", "pydantic"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
    """Yield (module, whether only for type checkers) for each import in a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and getattr(block.test, "id", "") == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} uses a relative import"
            found = [node.module or ""]
            if node.module == "lessons":
                found = [f"lessons.{alias.name}" for alias in node.names]
        else:
            continue
        for name in found:
            yield name, id(node) in for_types


def upward(room, found):
    """Return the imports that are not from a floor below ``room``, its own modules aside."""
    outside = [n for n, only_types in found if n.startswith("lessons.") and not only_types]
    targets = [(n, n.split(".")[1]) for n in outside]
    return [n for n, target in targets if target != room and FLOOR[target] >= FLOOR[room]]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_rooms_import_from_below(path):
    room = room_of(path)
    if room != "__init__":
        assert upward(room, imports(path)) == []


def test_a_planted_import_is_found(tmp_path):
    planted = tmp_path / "planted.py"
    planted.write_text(
        "from lessons.units import GB\nimport lessons.kernels.tools.simd\n"
        "def late():\n    from lessons import cli\n"
        "if TYPE_CHECKING:\n    from lessons.notebook import study\n"
    )
    assert upward("results", imports(planted)) == ["lessons.kernels.tools.simd", "lessons.cli"]


def graph(root):
    """Return for each module under ``root`` the modules that it imports, anywhere in it and for whatever reason.

    Importing a package counts as importing its ``__init__``, and importing a module from it as importing that module.
    """
    paths = {
        path: ".".join(path.relative_to(root.parent).with_suffix("").parts) for path in root.rglob("*.py")
    }
    names = {name.removesuffix(".__init__") for name in paths.values()}
    arrows: dict[str, set[str]] = {name: set() for name in names}
    for path, name in paths.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                inside = [f"{node.module}.{alias.name}" for alias in node.names]
                found = [full if full in names else node.module for full in inside]
            else:
                continue
            arrows[name.removesuffix(".__init__")].update(names & set(found))
    return arrows


def circles(arrows):
    """Return each set of modules that all lead to one another, and each module that leads to itself."""

    def reached(name):
        seen, ahead = set(), list(arrows[name])
        while ahead:
            here = ahead.pop()
            if here not in seen:
                seen.add(here)
                ahead += arrows[here]
        return seen

    after = {name: reached(name) for name in arrows}
    return {
        frozenset(other for other in after[name] if name in after[other])
        for name in arrows
        if name in after[name]
    }


def test_no_imports_go_in_a_circle():
    """Late imports and those for type checkers count: whoever reads one module of a circle has to read all."""
    assert circles(graph(PACKAGE)) == set()


def test_planted_circles_are_found(tmp_path):
    planted = {
        "one.py": "from planted.two import a\n",
        "two.py": "def late():\n    import planted.three\n",
        "three.py": "if TYPE_CHECKING:\n    from planted import one\n",
        "below.py": "from planted.one import b\n",
        "room/__init__.py": "from planted.room.inner import c\nfrom planted.room import other\n",
        "room/inner.py": "from planted.room import WORD\n",
        "room/other.py": "import planted.below\n",
        "__init__.py": "",
    }
    for name, text in planted.items():
        (tmp_path / "planted" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "planted" / name).write_text(text)
    assert circles(graph(tmp_path / "planted")) == {
        frozenset({"planted.one", "planted.two", "planted.three"}),
        frozenset({"planted.room", "planted.room.inner"}),
    }


CHAPTERS = {path.parent.name for path in (PACKAGE / "experiments").glob("*/__init__.py")}
SHARED_BY_CHAPTERS = {"__init__.py", "base.py", "derivation.py", "looks.py", "ratios.py", "text.py"}


def chapter_of(name):
    """Return the chapter that a module's name lies in, or None."""
    parts = name.split(".")
    inside = parts[:2] == ["lessons", "experiments"] and len(parts) > 2
    return parts[2] if inside and parts[2] in CHAPTERS else None


def to_chapters(path):
    """Return the chapters that a file imports from, those that it imports for type checkers included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {chapter_of(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {chapter_of(f"{node.module}.{alias.name}") for alias in node.names}
    return found - {None}


def test_experiments_holds_chapters_and_what_they_are_made_of():
    files = {path.name for path in (PACKAGE / "experiments").glob("*.py")}
    assert files == SHARED_BY_CHAPTERS
    assert CHAPTERS and {path.stem for path in (ROOT / "book").glob("*.ipynb")} >= CHAPTERS


@pytest.mark.parametrize("chapter", sorted(CHAPTERS))
def test_a_chapter_imports_no_other(chapter):
    arrows = {
        path.name: to_chapters(path) - {chapter} for path in (PACKAGE / "experiments" / chapter).rglob("*.py")
    }
    assert {name: found for name, found in arrows.items() if found} == {}


def test_only_a_chapters_own_notebook_and_tests_import_it():
    outside = [
        path for path in MODULES if chapter_of(".".join(path.relative_to(PACKAGE.parent).parts)) is None
    ]
    others = [*outside, *(ROOT / "benchmarks").glob("*.py"), *(ROOT / "tools").glob("*.py")]
    others += [path for path in (ROOT / "tests").rglob("*.py") if path.parent.name != "experiments"]
    assert {str(path.relative_to(ROOT)): to_chapters(path) for path in others if to_chapters(path)} == {}
    for path in (ROOT / "tests" / "experiments").glob("test_*.py"):
        # The tests of a long chapter lie in several files: test_<slug>.py, and test_<slug>_<part>.py.
        assert all(f"{path.stem}_".startswith(f"test_{chapter}_") for chapter in to_chapters(path))


def test_a_planted_arrow_between_chapters_is_found(tmp_path):
    planted = tmp_path / "planted.py"
    planted.write_text(
        "from lessons.experiments import roofline\n"
        "def late():\n    from lessons.experiments.kv_cache.waste import Waste\n"
        "if TYPE_CHECKING:\n    import lessons.experiments.batching.rate\n"
        "from lessons.experiments.base import Experiment\n"
    )
    assert to_chapters(planted) == {"roofline", "kv_cache", "batching"}


@pytest.mark.parametrize("room", STANDARD_LIBRARY_ONLY)
def test_the_ground_floors_need_the_standard_library_only(room):
    for path in (module for module in MODULES if room_of(module) == room):
        for name, only_types in imports(path):
            top = name.split(".")[0]
            allowed = top in sys.stdlib_module_names or top in ("lessons", "__future__")
            assert allowed or only_types, f"{path} imports {name}"


@pytest.mark.parametrize("module", ["lessons", "lessons.cli", "lessons.experiments.base", "lessons.results"])
def test_importing_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not HEAVY & set(loaded.split())
