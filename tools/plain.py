"""Rewrite a chapter's MyST as the plain Markdown that every notebook program shows.

Roles and directives belong to the site. JupyterLab, Colab and VS Code would show them as they are typed, and the
solutions open under the questions.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import nbformat
from project import numbers
from pybtex.database import Entry, parse_file
from pybtex.richtext import Text

BLOCK = re.compile(
    r"^(?P<fence>`{3,}|:{3,})(?P<name>\{[\w-]+\})?[ ]*(?P<argument>.*)\n(?P<body>(?:.*\n)*?)(?P=fence)[ ]*$",
    re.M,
)
ROLE = re.compile(r"\{(?P<name>[\w:]+)\}`(?P<text>[^`]+?)(?:\s*<(?P<target>[^`>]+)>)?`")
LABEL = re.compile(r"^\((?P<label>[\w-]+)\)=\n+(?P<marks>#+) (?P<title>.+)$", re.M)
EQUATION = re.compile(r"^(?P<body>\$\$\n(?:.*\n)*?)\$\$ \((?P<label>[\w-]+)\)$", re.M)
OPTION = re.compile(r"^:[\w-]+:.*\n+", re.M)


class NotPlain(Exception):
    """A role or a directive that has no plain form yet: give it one here."""


@dataclass
class Page:
    """One notebook on its way: what its labels stand for, collected before anything is rewritten.

    Attributes:
        book: the folder with the pages, the glossary and the bibliography.
        prefix: of its numbers: "4." in the fourth chapter, nothing on a page without a number.
        numbers: of exercises and equations, by label.
        titles: of sections, by label.
    """

    book: Path
    prefix: str = ""
    numbers: dict[str, str] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)

    def read(self, text: str) -> None:
        """Collect the labels of all cells together."""
        for count, label in enumerate(
            re.findall(r"^```\{exercise\}.*\n:label: ([\w-]+)$", text, re.M), start=1
        ):
            self.numbers[label] = f"{self.prefix}{count}"
        for count, found in enumerate(EQUATION.finditer(text), start=1):
            self.numbers[found["label"]] = f"{self.prefix}{count}"
        self.titles |= {found["label"]: found["title"] for found in LABEL.finditer(text)}

    def rewrite(self, text: str) -> str:
        """Return one cell's text in plain Markdown.

        Raises:
            NotPlain: when it uses something that has no plain form.
        """
        text = LABEL.sub(r"\g<marks> \g<title>", text)
        text = EQUATION.sub(lambda found: f"{found['body']}\\tag{{{self.numbers[found['label']]}}}\n$$", text)
        pieces, end = [], 0
        for found in BLOCK.finditer(text):
            pieces += [ROLE.sub(self._role, text[end : found.start()]), self._block(found)]
            end = found.end()
        return "".join([*pieces, ROLE.sub(self._role, text[end:])])

    def _block(self, found: re.Match[str]) -> str:
        if found["name"] is None:
            return found[0]  # code
        body = ROLE.sub(self._role, OPTION.sub("", found["body"])).strip()
        match found["name"]:
            case "{exercise}":
                label = re.search(r":label: ([\w-]+)", found["body"])
                number = f" {self.numbers[label[1]]}" if label else ""
                return f"**Exercise{number}.** {body}"
            case "{solution}":
                summary = f"Solution to exercise {self.numbers[found['argument']]}"
                return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>"
            case "{admonition}":
                return "\n".join(
                    f"> {line}".rstrip() for line in f"**{found['argument']}**\n\n{body}".split("\n")
                )
        raise NotPlain(f"the directive {found['name']}")

    def _role(self, found: re.Match[str]) -> str:
        text, target = found["text"], found["target"] or found["text"]
        match found["name"]:
            case "cite":
                return f"({'; '.join(citation(self.book, key.strip()) for key in text.split(','))})"
            case "term":
                return f'[{text}](glossary.ipynb#{anchor(target)} "{definitions(self.book)[target]}")'
            case "doc":
                return f"[{text if found['target'] else title(self.book, target)}]({target}.ipynb)"
            case "ref" | "numref" if target in self.numbers:
                return text if found["target"] else f"Exercise {self.numbers[target]}"
            case "ref":
                return f"[{self.titles[target]}](#{anchor(self.titles[target])})"
            case "eq":
                return f"({self.numbers[target]})"
        raise NotPlain(f"the role {{{found['name']}}}")


def plain_notebook(path: Path) -> nbformat.NotebookNode:
    """Return a chapter in plain Markdown, without the cells that the site leaves out."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if "remove-cell" not in cell.metadata.get("tags", [])]
    prose = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    number = numbers().get(path.stem)
    page = Page(path.parent, f"{number}." if number else "")
    page.read("\n\n".join(cell.source for cell in prose))
    for cell in prose:
        cell.source = page.rewrite(cell.source)
    return notebook


def plain_glossary(book: Path) -> nbformat.NotebookNode:
    """Return the glossary as a notebook of one cell, with a heading for each term to jump to."""
    page = Page(book)
    entries = [
        f"### {term}\n\n{page.rewrite(text)}" for term, text in sorted(glossary(book).items(), key=_in_order)
    ]
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell("\n\n".join(["# Glossary", *entries]))]
    )
    notebook.cells[0].id = "glossary"
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return notebook


def anchor(heading: str) -> str:
    """Return the fragment under which JupyterLab finds a heading."""
    return heading.replace(" ", "-")


@cache
def title(book: Path, page: str) -> str:
    """Return a page's title, its first heading."""
    notebook = book / f"{page}.ipynb"
    if notebook.exists():
        return nbformat.read(notebook, as_version=4).cells[0].source.partition("\n")[0].lstrip("# ")
    return (book / f"{page}.md").read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")


@cache
def definitions(book: Path) -> dict[str, str]:
    """Return the first sentence that the glossary says of each term, as text for a tooltip."""
    bare = {term: ROLE.sub(lambda found: found["text"], text) for term, text in glossary(book).items()}
    plain = {term: re.sub(r"[*_`$\\]", "", text).replace('"', "'") for term, text in bare.items()}
    return {term: re.split(r"(?<=\.)\s", text, maxsplit=1)[0] for term, text in plain.items()}


@cache
def glossary(book: Path) -> dict[str, str]:
    """Return what the glossary says of each term."""
    text = (book / "glossary.md").read_text(encoding="utf-8")
    body = re.search(r"^```\{glossary\}\n(.*?)^```$", text, re.M | re.S)[1]
    entries = re.findall(r"^((?:\S.*\n)+)((?:[ ]+\S.*\n|\n(?=[ ]))+)", OPTION.sub("", body), re.M)
    return {term: " ".join(meaning.split()) for terms, meaning in entries for term in terms.splitlines()}


def _in_order(entry: tuple[str, str]) -> str:
    return entry[0].casefold()


def citation(book: Path, key: str) -> str:
    """Return a source as author and year, with a link where the bibliography has an address."""
    entry = _bibliography(book)[key]
    names = [str(Text.from_latex(" ".join(person.last_names))) for person in entry.persons["author"]]
    who = names[0] if len(names) == 1 else " and ".join(names) if len(names) == 2 else f"{names[0]} et al."
    label, address = f"{who}, {entry.fields['year']}", _address(entry)
    return f"[{label}]({address})" if address else label


def _address(entry: Entry) -> str:
    forms: dict[str, Callable[[str], str]] = {
        "url": str,
        "doi": "https://doi.org/{}".format,
        "eprint": "https://arxiv.org/abs/{}".format,
    }
    return next((form(entry.fields[name]) for name, form in forms.items() if name in entry.fields), "")


@cache
def _bibliography(book: Path) -> dict[str, Entry]:
    return parse_file(str(book / "references.bib"), "bibtex").entries
