"""A chapter's answer names experiments, findings and facts that there are, and says what a GPU changes."""

import json
import pkgutil
from importlib import import_module
from pathlib import Path

import pytest

import lessons.experiments
from lessons.experiments import text
from lessons.experiments.base import Outcome

BOOK = Path(__file__).parents[2] / "book"
CHAPTERS = [found.name for found in pkgutil.iter_modules(lessons.experiments.__path__) if found.ispkg]
CELL = 'from lessons.notebook import in_short\n\nin_short("{}")'


def known(slug):
    """Return each experiment of a chapter by its name, with its findings and the names of its facts."""
    found = {}
    for experiment, passport, result, _ in import_module(f"test_{slug}").EXAMPLES:
        prediction = passport if isinstance(passport, Outcome) else experiment.predict(passport)
        facts = set(experiment.every_fact(prediction, result))
        found[experiment.id.partition(".")[2]] = (set(experiment.FINDINGS), facts)
    return found


def problems(said, experiments):
    """Return what is wrong with the passages of an answer."""
    found = [] if said.get("gpu") else ["it does not say what carries over to a GPU"]
    for heading, passage in said.items():
        name, _, finding = heading.partition(" ")
        if heading == "gpu":
            findings, facts = set(), set()
        elif name not in experiments:
            found.append(f"{heading}: no such experiment")
            continue
        else:
            findings, facts = experiments[name]
        if finding and finding not in findings:
            found.append(f"{heading}: no such finding")
        found += [f"{heading}: {{{fact}}} is no fact" for fact in set(text.NAME.findall(passage)) - facts]
        if not passage:
            found.append(f"{heading}: it says nothing")
    return found


def answer(slug):
    return text.sections(text.FOLDER / slug / "text.md").get("in short")


@pytest.mark.parametrize("slug", CHAPTERS)
def test_an_answer_names_only_what_there_is(slug):
    if answer(slug) is not None:
        assert problems(answer(slug), known(slug)) == []


@pytest.mark.parametrize("slug", CHAPTERS)
def test_a_page_shows_its_answer_if_its_text_has_one(slug):
    cells = json.loads((BOOK / f"{slug}.ipynb").read_text(encoding="utf-8"))["cells"]
    shown = [cell for cell in cells if cell.get("id") == "in-short"]
    assert len(shown) == (answer(slug) is not None)
    for cell in shown:
        assert cell["cell_type"] == "code" and "remove-input" in cell["metadata"].get("tags", [])
        assert "".join(cell["source"]) == CELL.format(slug)


EXPERIMENTS = {"waste": ({"preempts"}, {"used"})}
GOOD = {"waste": "It used {used}.", "waste preempts": "It did.", "gpu": "The same."}


def test_a_good_answer_has_no_problem():
    assert problems(GOOD, EXPERIMENTS) == []


@pytest.mark.parametrize(
    "planted",
    [
        {"gpu": ""},
        {"gpu": "It used {used}."},
        {"waste": "It used {gone}."},
        {"waste gone": "It did."},
        {"gone": "It did."},
        {"waste preempts": ""},
    ],
    ids=str,
)
def test_a_planted_mistake_is_found(planted):
    assert len(problems(GOOD | planted, EXPERIMENTS)) == (2 if planted == {"gpu": ""} else 1)


def test_an_answer_without_a_word_on_gpus_is_found():
    assert problems({"waste": "x"}, EXPERIMENTS) != []
