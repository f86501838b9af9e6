"""What holds for every experiment of every chapter, on six machines that are not this one. Nothing is listed here."""

import json
import pkgutil
import re
from importlib import import_module

import pytest
from machines import MACHINES

import lessons.experiments
from lessons.experiments import text
from lessons.experiments.base import Outcome, Unavailable
from lessons.figures.captions import first_sentence
from lessons.notebook import report_table, scores
from lessons.passport import needs
from lessons.results import Entry

CHAPTERS = [found.name for found in pkgutil.iter_modules(lessons.experiments.__path__) if found.ispkg]
EXPERIMENTS = [e for name in CHAPTERS for e in import_module(f"lessons.experiments.{name}").EXPERIMENTS]
# What each chapter's test gives: an experiment, the passport (or the prediction) and a result, and what they show.
EXAMPLES = [example for name in CHAPTERS for example in import_module(f"test_{name}").EXAMPLES]
every = pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda e: e.id)
everywhere = pytest.mark.parametrize("passport", MACHINES, ids=lambda p: p.fingerprint)


def test_chapters_are_found():
    assert len(CHAPTERS) >= 7 and len({e.id for e in EXPERIMENTS}) == len(EXPERIMENTS)


@every
def test_it_says_what_it_is(experiment):
    assert type(experiment).__module__.split(".")[2] == experiment.slug
    assert experiment.question.endswith("?") and experiment.title and experiment.device in ("cpu", "cuda")
    assert (experiment.device == "cuda") == bool(experiment.cited) == (needs.CUDA in experiment.needs)
    assert bool(experiment.panels) == ("alt" in experiment.passages)


@every
def test_each_finding_has_its_passage_and_each_passage_its_finding(experiment):
    own = set(text.sections(text.FOLDER / experiment.slug / "text.md")[experiment.id.split(".")[1]])
    known = {*text.EVERY, *(f"{kind}{f}" for kind in ("", "alt ", "reason ") for f in experiment.FINDINGS)}
    assert own <= known and set(experiment.FINDINGS) <= set(experiment.passages)
    assert len(set(experiment.FINDINGS)) == len(experiment.FINDINGS)


@pytest.mark.parametrize("slug", CHAPTERS)
def test_each_section_of_a_text_is_an_experiments_or_a_modules(slug):
    """A module may draw a picture or a table for the page that is no experiment; the chapter's answer is no module."""
    sections = set(text.sections(text.FOLDER / slug / "text.md")) - {"in short"}
    experiments = {e.id.split(".")[1] for e in EXPERIMENTS if e.slug == slug}
    modules = {path.stem for path in (text.FOLDER / slug).glob("*.py")}
    assert experiments <= sections <= experiments | modules


@pytest.mark.parametrize(
    ("experiment", "passport", "result", "findings"), EXAMPLES, ids=[f"{e[0].id} {e[3]}" for e in EXAMPLES]
)
def test_an_example_gives_its_findings_and_can_be_told(experiment, passport, result, findings):
    prediction = passport if isinstance(passport, Outcome) else experiment.predict(passport)
    assert experiment.findings(prediction, result) == findings
    assert experiment.explain(prediction, result) and bool(experiment.alt(prediction, result)) == bool(
        experiment.panels
    )
    facts = experiment.every_fact(prediction, result)
    for passage in experiment.passages.values():
        assert set(text.NAME.findall(passage)) <= set(facts)


@every
def test_each_finding_is_reached_by_an_example(experiment):
    examples = [findings for known, _, _, findings in EXAMPLES if known is experiment]
    assert examples and {key for findings in examples for key in findings} == set(experiment.FINDINGS)


# What a curve does, and which of two is the larger, is a result: an alternative text says it by a finding's passage.
JUDGING = re.compile(
    r"\b(rises?|falls?|drops?|grows?|climbs?|shrinks?|flat|agrees?|exceeds?|wins?|loses?|above|below|beats?|never|most|"
    r"least|equal|faster|slower|longer|shorter|larger|smaller|higher|lower|cheaper|steeper|better|worse|fewer|less|more|"
    r"fastest|slowest|longest|shortest|best|worst)\b"
)


def judgements(passage):
    """Return the words by which a text claims a result."""
    return JUDGING.findall(passage)


@every
def test_an_alternative_text_says_in_any_case_only_what_any_result_shows(experiment):
    assert judgements(experiment.passages.get("alt", "")) == []


@pytest.mark.parametrize(
    "sentence",
    ["It falls in steps.", "The norms lie far below.", "The backward pass takes longest.", "P is faster."],
)
def test_a_planted_judgement_is_found(sentence):
    assert judgements(sentence)


WORDS = 14  # of a caption
ALTS = {
    f"{path.parent.name}.{name}": passages["alt"]
    for path in [text.FOLDER / "text.md", *sorted(text.FOLDER.glob("*/text.md"))]
    for name, passages in text.sections(path).items()
    if "alt" in passages
}


def faults_of_a_caption(alt):
    """Return why the first sentence of an alternative text is no caption of a whole figure; facts come later."""
    caption = first_sentence(alt)
    found = {
        "long": len(caption.split()) > WORDS,
        "a part": re.match(r"(left|right|above|below|top|bottom)\b", caption, re.I),
        "a number of this run": text.NAME.search(caption),
    }
    return [name for name, seen in found.items() if seen]


@pytest.mark.parametrize("alt", ALTS.values(), ids=ALTS)
def test_an_alternative_text_begins_with_a_caption_of_the_whole_figure(alt):
    assert faults_of_a_caption(alt) == []


@pytest.mark.parametrize(
    ("alt", "faults"),
    [
        ("Left, a roofline. Right, the time.", ["a part"]),
        ("Time to load the file. {by_way} in seconds.", ["a number of this run"]),
        ("Time of a pass over as many tokens as there are requests in a step of it.", ["long"]),
        ("Time of a pass against its tokens. Left, ours. Right, theirs.", []),
    ],
)
def test_what_is_no_caption_is_found(alt, faults):
    assert faults_of_a_caption(alt) == faults


@pytest.mark.parametrize(
    ("experiment", "passport", "result", "findings"), EXAMPLES, ids=[f"{e[0].id} {e[3]}" for e in EXAMPLES]
)
def test_the_report_card_has_a_reason_for_every_miss(experiment, passport, result, findings):
    prediction = passport if isinstance(passport, Outcome) else experiment.predict(passport)
    entry = Entry(
        experiment.id,
        experiment.title,
        prediction.quantity,
        result.quantity,
        None,
        "",
        kind=experiment.kind,
        verdict=experiment.verdict(prediction, result),
        facts={name: str(fact) for name, fact in experiment.every_fact(prediction, result).items()},
        findings=tuple(findings),
    )
    assert bool(report_table.reason(entry)) == (scores.outcome(entry) == scores.MISSED)


def predicted(experiment, passport):
    """Return a prediction; skip where the machine lacks something, having seen that the reason is said."""
    try:
        if experiment.device == "cpu" or not passport.machine["gpus"]:  # this torch may be without CUDA
            experiment.check(passport)
        return experiment.predict(passport)
    except Unavailable as reason:
        assert len(str(reason)) > 20
        pytest.skip(str(reason))


@every
@everywhere
def test_it_predicts_or_says_what_is_missing(experiment, passport):
    prediction = predicted(experiment, passport)
    assert prediction.quantity.unit == experiment.unit
    assert Outcome.from_json(json.loads(json.dumps(prediction.to_json()))).quantity == prediction.quantity


@every
def test_its_small_form_differs_in_its_sizes_only(experiment):
    """It is run under the restrictions of the least machine: see tests/robustness."""
    small = experiment.small()
    assert type(small) is type(experiment) and small.SMALL == experiment.SMALL
    assert vars(small) == {**vars(experiment), **experiment.SMALL}


NUMBER = re.compile(r"^(−?[\d.,]+)\s*([PTGMkmµn]?)(.*)$")
SCALES = {"P": 1e15, "T": 1e12, "G": 1e9, "M": 1e6, "k": 1e3, "": 1.0, "m": 1e-3, "µ": 1e-6, "n": 1e-9}
PREFIXED = ("B", "B/s", "FLOP", "FLOP/s", "OP", "OP/s", "s")


def shown_value(text):
    """Return the number that a reader finds in "32.32 GB/s"."""
    number, prefix, unit = NUMBER.match(text).groups()
    if unit not in PREFIXED:  # "4 rows", "8 tokens", "12 %"
        return float(number.replace(",", "")) / (100 if (prefix + unit).strip() == "%" else 1)
    return float(number.replace(",", "")) * SCALES[prefix]


@every
@everywhere
def test_who_puts_the_shown_numbers_into_the_shown_formula_gets_the_prediction(experiment, passport):
    prediction = predicted(experiment, passport)
    by = prediction.by
    shown = {symbol: shown_value(operand.shown) for symbol, operand in by.operands.items()}
    # Python itself is the reference for what a formula means.
    names = {"max": max, "min": min, "sqrt": lambda x: x**0.5, "__builtins__": {}}
    assert eval(by.formula, names, shown) == pytest.approx(prediction.quantity.value, rel=0.004)
    for operand in by.operands.values():
        assert operand.name and bool(operand.row) != bool(operand.source)
        assert not operand.row or passport.peaks[operand.row] == operand.quantity


@every
@everywhere
def test_a_ratio_tells_what_it_divides(experiment, passport):
    prediction = predicted(experiment, passport)
    assert (len(prediction.ends) == 2) == (experiment.kind == "ratio")
    if prediction.ends:
        upper, lower = prediction.ends.values()
        assert upper.value / lower.value == pytest.approx(prediction.quantity.value)
