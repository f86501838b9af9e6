"""nbval runs the notebooks once and its outputs are kept; one that would show the same again is not run again."""

import os
import subprocess
import sys

import build_book
import chapters
import ending
import nbformat
import pytest
from IPython.display import Markdown
from project import LAST, ROOT

from lessons import topology
from lessons.notebook.report_card import csv
from lessons.results import Entry, Ledger
from lessons.units import Quantity


def write(path, *sources, title="# Title", prose="Words."):
    cells = [nbformat.v4.new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources, start=1)]
    cells.insert(0, nbformat.v4.new_markdown_cell(title, id="title"))
    cells.append(nbformat.v4.new_markdown_cell(prose, id="prose"))
    path.parent.mkdir(exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A folder of this test's own for what was run."""
    for module in (chapters, build_book):
        monkeypatch.setattr(module, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(build_book, "LEDGER", tmp_path / "ledger")
    monkeypatch.setattr(build_book, "LOG", tmp_path / "executions.log")
    return tmp_path / "kept"


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_outputs_are_kept_and_put_under_todays_prose(kept, tmp_path):
    source = write(tmp_path / "book" / "a.ipynb", "x = 20", "print(x + 1)", "x * 2")
    assert build_book.run({source: "key"})
    assert code_cells(nbformat.read(source, as_version=4))[1].outputs == []
    write(source, "x = 20", "print(x + 1)", "x * 2", title="# A new title")
    page = chapters.page(source, tmp_path / "ledger")
    nbformat.validate(page)
    assert page.cells[0].source == "# A new title"
    _, printed, value = code_cells(page)
    assert printed.outputs[0].text == "21\n" and value.outputs[0].data["text/plain"] == "40"
    assert page.metadata["stamp"] == chapters.kept(source)["stamp"] != []


def test_the_answer_at_the_top_is_that_of_this_build(kept, tmp_path, monkeypatch):
    """Its cell was run before the cells that measure: what it showed then is of the build before, or nothing."""
    source = write(tmp_path / "book" / "a.ipynb", "'old'", "'other'")
    notebook = nbformat.read(source, as_version=4)
    notebook.cells[1].id = chapters.IN_SHORT
    nbformat.write(notebook, source)
    assert build_book.run({source: "key"})
    asked = []

    def answer(slug, ledger):
        asked.append((slug, ledger.path))
        return Markdown("**new**")

    monkeypatch.setattr(chapters, "in_short", answer)
    page = chapters.page(source, tmp_path / "ledger")
    nbformat.validate(page)
    told, other = code_cells(page)
    assert asked == [("a", tmp_path / "ledger")]
    assert told.outputs[0].data["text/markdown"] == "**new**" and len(told.outputs) == 1
    assert other.outputs[0].data["text/plain"] == "'other'"


def test_the_site_is_made_again_when_the_ledger_has_changed(kept, tmp_path):
    before = chapters.site_key([tmp_path / "book", tmp_path / "ledger"])
    Ledger(tmp_path / "ledger").write(Entry("one.x", "t", Quantity(1.0, "s"), Quantity(3.0, "s")))
    assert chapters.site_key([tmp_path / "book", tmp_path / "ledger"]) != before


def test_the_site_gets_the_results_as_csv_and_its_key_has_the_ledger(kept, tmp_path, monkeypatch):
    for name in ("EXECUTED", "SITE", "SITE_KEY"):
        monkeypatch.setattr(build_book, name, tmp_path / name.lower())
    monkeypatch.setattr(build_book, "notebooks", lambda: [])
    monkeypatch.setattr(build_book, "run_notebooks", lambda lock: {})
    monkeypatch.setattr(build_book, "make_site", lambda lock: 0)
    keyed = []
    monkeypatch.setattr(chapters, "site_key", lambda sources: str(keyed.append(list(sources))))
    here = topology.read().fingerprint()
    Ledger(build_book.LEDGER).write(Entry("one.x", "t", Quantity(1.0, "s"), Quantity(3.0, "s"), machine=here))
    assert build_book.build(fresh=False) == 0
    results = (tmp_path / "executed" / "book" / "assets" / "report_card.csv").read_text()
    assert results == csv(Ledger(build_book.LEDGER).entries()) and "one.x" in results
    assert build_book.LEDGER in keyed[0]


def test_a_failing_cell_is_shown_and_nothing_is_kept(kept, tmp_path, capfd):
    whole = write(tmp_path / "book" / "a.ipynb", "print('fine')")
    broken = write(tmp_path / "book" / "b.ipynb", "x = 0", "1 / x", "print('never')")
    assert not build_book.run({whole: "w", broken: "b"})
    assert "ZeroDivisionError" in capfd.readouterr().out
    assert [path.name for path in kept.iterdir()] == ["a.ipynb"]


def test_a_cell_that_hangs_is_stopped(kept, tmp_path, monkeypatch, capfd):
    options = [o.replace(str(build_book.SECONDS_A_CELL), "3") for o in build_book.OPTIONS]
    monkeypatch.setattr(build_book, "OPTIONS", options)
    assert not build_book.run({write(tmp_path / "book" / "a.ipynb", "import time", "time.sleep(600)"): "key"})
    assert "Timeout of 3 seconds" in capfd.readouterr().out and not list(kept.glob("*"))


@pytest.mark.slow
def test_only_what_changed_is_run_again(kept, tmp_path, monkeypatch):
    folder = tmp_path / "book"
    names = ["one", "two", "intro", "report_card"]
    sources = [write(folder / f"{name}.ipynb", f"print('{name}')") for name in names]
    monkeypatch.setattr(build_book, "notebooks", lambda: sources)
    ran = lambda: sorted(build_book.run_notebooks())  # noqa: E731
    assert ran() == sorted(names)
    assert ran() == []
    write(sources[0], "print('one')", prose="Only the prose is new.")
    assert ran() == []
    write(sources[1], "print('another')")
    assert ran() == ["two"]
    (tmp_path / "ledger").write_text("what the chapters found")
    assert ran() == ["intro", "report_card"]
    assert [line.split()[1] for line in build_book.LOG.read_text().splitlines()] == [
        *names, "two", "intro", "report_card",
    ]  # fmt: skip
    write(sources[0], "print('one')", title="# A title that the first page shows")
    assert ran() == ["intro", "report_card"]


def test_a_failure_costs_only_the_notebooks_after_it(kept, tmp_path, monkeypatch):
    sources = [write(tmp_path / "book" / "one.ipynb", "1"), write(tmp_path / "book" / "two.ipynb", "1 / 0")]
    monkeypatch.setattr(build_book, "notebooks", lambda: sources)
    assert build_book.run_notebooks() is None
    write(sources[1], "1 / 1")
    assert list(build_book.run_notebooks()) == ["two"]
    assert [line.split()[1] for line in build_book.LOG.read_text().splitlines()] == ["one", "two"]


def test_what_a_chapter_no_longer_finds_is_forgotten_and_guesses_stay(kept, tmp_path, monkeypatch):
    entry = "Entry('one.{}', 't', Quantity(1.0, 's'), Quantity(2.0, 's'))"
    code = "from lessons.results import Entry, Ledger; from lessons.units import Quantity; Ledger().write({})"
    source = write(tmp_path / "book" / "one.ipynb", code.format(entry.format("kept")))
    monkeypatch.setattr(build_book, "notebooks", lambda: [source])
    ledger = Ledger(build_book.LEDGER)
    for name in ("kept", "gone"):
        ledger.write(Entry(f"one.{name}", "t", Quantity(1.0, "s"), Quantity(3.0, "s"), guess=4.0))
        os.utime(build_book.LEDGER / f"one.{name}.json", (1, 1))
    assert build_book.run_notebooks()
    assert [(e.id, e.measured.value) for e in ledger.entries()] == [("one.kept", 2.0)]
    assert ledger.guess("one.kept") == ledger.guess("one.gone") == 4.0


def test_a_chapters_key_has_the_core_and_itself_and_no_other_chapter():
    files = {str(path.relative_to(ROOT / "src" / "lessons")) for path in chapters._package("kv_cache")}
    assert {
        "experiments/kv_cache/waste.py",
        "experiments/base.py",
        "llm/model.py",
        "datasheets/models.toml",
    } <= files
    assert not any(name.startswith("experiments/roofline/") for name in files)


@pytest.mark.parametrize("slug", LAST)
def test_the_key_of_a_page_that_sums_up_has_every_chapter(slug):
    files = {str(path.relative_to(ROOT / "src" / "lessons")) for path in chapters._package(slug)}
    assert {"experiments/roofline/text.md", "experiments/kv_cache/waste.py", "units.py"} <= files


def test_a_failed_site_leaves_the_old_one(kept, tmp_path, monkeypatch, capfd):
    for name in ("SITE", "BUILD", "EXECUTED"):
        monkeypatch.setattr(build_book, name, tmp_path / name.lower())
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("old")
    (tmp_path / "executed").mkdir()
    (tmp_path / "executed" / "_toc.yml").write_text("format: jb-book\nroot: nowhere\n")
    (tmp_path / "executed" / "_config.yml").write_text("title: x\n")
    assert build_book.make_site() != 0
    assert (tmp_path / "site" / "index.html").read_text() == "old"


def test_a_build_that_is_interrupted_or_may_not_write_ends_in_a_line(tmp_path, monkeypatch, capsys):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["build_book.py"])
    monkeypatch.setattr(build_book, "BUILD", tmp_path / "build")
    monkeypatch.setattr(build_book, "build", interrupted)
    assert ending.in_one_line("build", build_book.main) == 130
    assert capsys.readouterr().err.strip().startswith("build: interrupted")
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(build_book, "BUILD", tmp_path / "file")
    monkeypatch.setattr(build_book, "build", lambda *args: (tmp_path / "file" / "kept").mkdir())
    assert ending.in_one_line("build", build_book.main) == 2
    said = capsys.readouterr().err.strip()
    assert "\n" not in said and str(tmp_path / "file") in said


def test_a_build_that_is_killed_while_the_site_is_changed_makes_it_again(kept, tmp_path, monkeypatch):
    for name in ("SITE", "BUILD", "EXECUTED", "SITE_KEY"):
        monkeypatch.setattr(build_book, name, tmp_path / name.lower())
    build_book.SITE_KEY.write_text("of the old one")
    (tmp_path / "executed").mkdir()

    def jupyter_book(command, **options):
        (tmp_path / "build" / "next" / "_build" / "html").mkdir(parents=True)
        return subprocess.CompletedProcess(command, 0)

    def killed(fresh, place):
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "run", jupyter_book)
    monkeypatch.setattr(build_book, "put", killed)
    with pytest.raises(KeyboardInterrupt):
        build_book.make_site()
    assert not build_book.SITE_KEY.exists()


@pytest.mark.parametrize("left", [(), ("site",), ("site.old",), ("site", "site.old")])
def test_a_new_folder_takes_the_old_ones_place_whatever_a_kill_has_left(tmp_path, left):
    for name in left:
        (tmp_path / name).mkdir()
        (tmp_path / name / "old").touch()
    (tmp_path / "next").mkdir()
    (tmp_path / "next" / "new").touch()
    build_book.put(tmp_path / "next", tmp_path / "site")
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == ["site", "site/new"]


def test_what_ran_before_a_kill_is_not_run_again(kept, tmp_path, monkeypatch):
    kills = "import os, psutil; psutil.Process(os.getppid()).kill()"
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    sources = [write(tmp_path / "book" / "one.ipynb", "1"), write(tmp_path / "book" / "two.ipynb", kills)]
    monkeypatch.setattr(build_book, "notebooks", lambda: sources)
    assert build_book.run_notebooks() is None
    write(sources[1], "1")
    assert list(build_book.run_notebooks()) == ["two"]
    assert not list((tmp_path / "tmp").glob("*.json"))  # the killed kernel's


def test_what_somebody_is_just_writing_changes_no_key(kept, tmp_path):
    source = write(tmp_path / "book" / "report_card.ipynb", "1")
    (tmp_path / "ledger").mkdir()
    before = chapters.key(source, tmp_path / "ledger")
    (tmp_path / "ledger" / ".one.x.json.0123456789ab").write_text("part")
    assert chapters.key(source, tmp_path / "ledger") == before
    (tmp_path / "ledger" / "one.x.json").write_text("whole")
    assert chapters.key(source, tmp_path / "ledger") != before


def test_the_budget_is_held_in_ci_only(kept, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(build_book, "run_notebooks", lambda lock: {"quantization": 68.0})
    monkeypatch.setattr(build_book, "make_site", lambda lock: 0)
    monkeypatch.setattr(build_book, "assemble", lambda: None)
    monkeypatch.setattr(build_book, "SITE_KEY", tmp_path / "site.key")
    monkeypatch.delenv("CI", raising=False)
    assert build_book.build(fresh=False) == 0
    monkeypatch.setenv("CI", "true")
    assert build_book.build(fresh=False) == 1 and "quantization" in capsys.readouterr().err
    monkeypatch.setattr(build_book, "run_notebooks", lambda lock: {"quantization": 60.0})
    assert build_book.build(fresh=False) == 0


def test_the_plugin_leaves_other_tests_alone(tmp_path):
    (tmp_path / "test_a.py").write_text("def test_a():\n    pass\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "keep_outputs",
        "--keep-outputs",
        str(tmp_path / "kept"),
        ".",
    ]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT / "tools")}, capture_output=True, text=True
    )
    assert done.returncode == 0 and not (tmp_path / "kept").exists(), done.stdout
