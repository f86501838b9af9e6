"""What `make lab` opens is plain Markdown, with the solutions folded, and a reader's changes are never lost."""

import re

import nbformat
import pytest
from lab import refresh
from plain import NotPlain, Page, definitions, plain_glossary, plain_notebook
from project import ROOT, notebooks

BOOK = ROOT / "book"


def prose(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def page(text):
    one = Page(BOOK)
    one.read(text)
    return one.rewrite(text)


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_nothing_of_myst_is_left(path):
    copy, source = plain_notebook(path), prose(nbformat.read(path, as_version=4))
    text = prose(copy)
    assert re.findall(r"\{[\w:-]+\}(?:`|$)|^:\w+:|^\([\w-]+\)=", re.sub(r"\$[^$]+\$", "", text), re.M) == []
    assert (
        text.count("<details>")
        == text.count("</details>")
        == len(re.findall("```{solution}|<details>", source))
    )
    assert all("remove-cell" not in cell.metadata.get("tags", []) for cell in copy.cells)
    nbformat.validate(copy)


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_every_link_leads_to_a_page_and_a_heading(path):
    pages = {other.name: prose(plain_notebook(other)) for other in notebooks()}
    pages["glossary.ipynb"] = prose(plain_glossary(BOOK))
    for target, _, fragment in re.findall(r"\]\(([\w-]*\.ipynb|)(#?)([\w-]*)[ )]", pages[path.name]):
        headings = re.findall(r"^#+ (.+)$", pages[target or path.name], re.M)
        assert not fragment or fragment in [heading.replace(" ", "-") for heading in headings]


def test_roles_become_links():
    assert page("{cite}`leviathan2023speculative,kwon2023pagedattention`").startswith(
        "([Leviathan et al., 2023](http"
    )
    assert page("{doc}`the peaks <machine>`") == "[the peaks](machine.ipynb)"
    found = page("{term}`static batch <static batching>`")
    assert re.fullmatch(r'\[static batch\]\(glossary\.ipynb#static-batching "[^"]{20,}"\)', found)


def test_numbers_stand_for_labels():
    text = "$$\nx\n$$ (eq-a)\n\n$$\ny\n$$ (eq-b)\n\nSee {eq}`eq-b`."
    assert page(text) == "$$\nx\n\\tag{1}\n$$\n\n$$\ny\n\\tag{2}\n$$\n\nSee (2)."
    assert page("(why)=\n## Why so\n\nIn {ref}`why`.") == "## Why so\n\nIn [Why so](#Why-so)."


def test_numbers_are_the_chapters():
    one = Page(BOOK, "4.")
    one.read("```{exercise}\n:label: ex-a\n\nWhy?\n```\n\n$$\nx\n$$ (eq-a)")
    text = "{ref}`ex-a`, {numref}`ex-a`, {ref}`the first <ex-a>` and {eq}`eq-a`"
    assert one.rewrite(text) == "Exercise 4.1, Exercise 4.1, the first and (4.1)"


def test_a_terms_tooltip_is_the_first_sentence_of_its_entry_by_any_of_its_names(tmp_path):
    (tmp_path / "glossary.md").write_text(
        "```{glossary}\n:sorted:\n\nsmall\nlittle\n  Not {term}`large <big>`.\n  See {doc}`x`.\n```\n"
    )
    assert definitions(tmp_path) == {"small": "Not large.", "little": "Not large."}


def test_a_solution_is_folded_and_code_in_it_stays():
    exercise = "```{exercise}\n:label: ex-a\n\nWhy?\n```\n\n"
    solution = "````{solution} ex-a\n:class: dropdown\n\nSo:\n```python\nx = 1\n```\n````\n"
    assert page(exercise + solution) == (
        "**Exercise 1.** Why?\n\n<details><summary>Solution to exercise 1</summary>\n\n"
        "So:\n```python\nx = 1\n```\n\n</details>\n"
    )


@pytest.mark.parametrize("fence", ["```", ":::"])
def test_a_box_becomes_a_quotation(fence):
    text = f"{fence}{{admonition}} About our engine\nA {{term}}`static batch <static batching>`.\n\n- one\n{fence}\n"
    lines = page(text).split("\n")
    assert lines[:2] == ["> **About our engine**", ">"] and lines[3:] == [">", "> - one", ""]
    assert lines[2].startswith("> A [static batch](glossary.ipynb#")


def test_an_exercise_is_called_by_its_number():
    text = "See {ref}`ex-a`.\n\n```{exercise} Level 1, 5 minutes\n:label: ex-a\n\nWhy?\n```\n"
    assert page(text).startswith("See Exercise 1.")


@pytest.mark.parametrize("text", ["{download}`x`", "```{mermaid}\nx\n```"])
def test_what_has_no_plain_form_is_refused(text):
    with pytest.raises(NotPlain):
        page(text)


def test_code_is_left_alone():
    assert page("```python\nf'{cite}'\n```") == "```python\nf'{cite}'\n```"


def test_a_readers_changes_are_kept_and_results_do_not_count(tmp_path, monkeypatch):
    import lab

    source = tmp_path / "book" / "intro.ipynb"
    source.parent.mkdir()
    source.write_text((BOOK / "intro.ipynb").read_text())
    for name in ("glossary.md", "references.bib", "machine.ipynb", "cpu_memory.ipynb"):
        (source.parent / name).write_text((BOOK / name).read_text())
    monkeypatch.setattr(lab, "notebooks", lambda: [source])
    copies = tmp_path / "notebooks"

    def change(path, run=False, text=""):
        notebook = nbformat.read(path, as_version=4)
        cell = [cell for cell in notebook.cells if cell.cell_type == "code"][-1]
        if run:
            cell.execution_count, cell.outputs = 1, [nbformat.v4.new_output("stream", text="42")]
        cell.source += text
        nbformat.write(notebook, path)

    copy = copies / "intro.ipynb"
    assert refresh(copies) == [] and copy.exists()
    change(copy, run=True)
    ran = copy.read_text()
    assert refresh(copies) == [] and copy.read_text() == ran  # the chapter did not change: the results stay
    change(source, text="\n# new")
    assert refresh(copies) == [] and "# new" in copy.read_text()
    change(copy, text="\n# mine")
    change(source, text="\n# newer")
    (message,) = refresh(copies)
    assert (
        "changed by you and stays" in message
        and "# mine" in copy.read_text()
        and "# newer" not in copy.read_text()
    )
