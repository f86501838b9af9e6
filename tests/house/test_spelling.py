"""What readers read is spelled the British way, but for the field's own words, and in plain words: see STYLE.md."""

import re
import sys

import pytest
from project import ROOT

from lessons.measure.verdict import WORDS

sys.path.insert(0, str(ROOT / "tests" / "claims"))
from prose import markdown, sentences

TEXTS = "src/lessons/experiments"
PAGES = sorted(
    path
    for pattern in (
        "*.md",
        "book/*.ipynb",
        "book/*.md",
        "book/api/*.md",
        "benchmarks/*.md",
        "exercises/**/*.md",
        f"{TEXTS}/**/text.md",
    )
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"
)

# They have names in code with a z: a page that called quantize() and wrote "quantise" would have two words for a thing.
FIELD = ("quanti", "optimi", "normali", "tokeni", "vectori")
ENDINGS = r"(?:e[drs]?|ers|es|ing|able|ations?)"
NO_SUFFIX = re.compile(rf"\w*(?:siz|priz|seiz){ENDINGS}", re.I)

AMERICAN = {
    r"(?:col|behavi|fav|flav|hon|lab|hum|rum|harb|vap|rig)or(?:s|ed|ing|able|ites?|less|ful|al)?": "-our",
    r"neighbor(?:s|ing|hoods?)?": "-our",
    r"(?:cent|fib|theat|calib|lit)er(?:s|ed|ing)?": "-re",
    r"(?:label|model|cancel|signal|total|level|channel|fuel|tunnel|travel|marshal)(?:ed|ing|er|ers)": "two l",
    r"(?:anal|paral|catal)yz(?:e|es|ed|er|ers|ing)": "-yse",
    r"gray(?:s|ed|ing|ish|scale)?": "grey",
    r"catalogs?": "catalogue",
    r"(?:def|off|pret)enses?": "-ence",
    r"artifacts?": "artefact",
    r"skeptic\w*": "sceptic",
    r"judgments?": "judgement",
    r"acknowledgments?": "acknowledgement",
    r"(?:ful|in)(?:fill|still)(?:s|ment)?|enrollment|skillful": "one l: fulfil",
    r"aging": "ageing",
    r"gotten": "got",
    r"maneuver\w*": "manoeuvre",
}
HABITS = {
    r"whoever|whomever": "anyone who, or name them",
    r"dear(?:er|est|ly)?": "costly",
    r"foret(?:ell|ells|elling|old)": "predict",
    r"fores(?:ee|ees|aw|een|eeing)": "predict",
    r"key\W{1,3}heads?": "KV heads",
    r"token\s+states?": "keys and values",
}
QUOTED = re.compile(r'"[^"]*"|“[^”]*”|‘[^’]*’')


def complaints(text):
    """Return each word of a Markdown text that the book does not use, with what it uses and the sentence."""
    found = []
    for sentence in sentences(text):
        said = QUOTED.sub(" ", sentence)
        for pattern, instead in (AMERICAN | HABITS).items():
            found += [
                f"{word!r}, say {instead}: {sentence}"
                for word in re.findall(rf"\b(?:{pattern})\b", said, re.I)
            ]
        for word in re.findall(rf"\b\w+i[sz]{ENDINGS}\b", said, re.I):
            if any(f"{stem}s" in word.lower() for stem in FIELD):
                found.append(f"{word!r}, with the field's z: {sentence}")
            elif "iz" in word and not NO_SUFFIX.fullmatch(word) and not any(s in word.lower() for s in FIELD):
                found.append(f"{word!r}, with s: {sentence}")
    return found


def prose(path):
    """Return the Markdown of a page, without what is no word of it: a text's keys and names in braces."""
    text = markdown(path)
    if path.name == "text.md":
        text = re.sub(r"^#{2,3} .*$|\{[^}\s]*\}", "", text, flags=re.M)
    return text


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_is_spelled_and_worded_as_the_book_is(path):
    found = complaints(prose(path))
    assert not found, "\n".join(found)


def test_the_verdicts_are_worded_so_too():
    assert complaints("\n\n".join(WORDS.values())) == []


def test_every_kind_of_page_is_read():
    names = {str(path.relative_to(ROOT)) for path in PAGES}
    assert {
        "README.md",
        "STYLE.md",
        "book/glossary.md",
        "book/kv_cache.ipynb",
        f"{TEXTS}/kv_cache/text.md",
    } <= names


@pytest.mark.parametrize(
    "planted",
    [
        "The color of a line.",
        "Its *behavior* is odd.",
        "It is centered.",
        "A grayed line.",
        "We analyze it.",
        "They utilize it.",
        "Memory is organized in banks.",
        "A labeled axis.",
        "Quantisation takes time.",
        "An optimiser keeps two numbers.",
        "Whoever asks.",
        "A call is dearer.",
        "As foretold.",
        "It was not foreseen.",
        "Each *key* head.",
        "What holds token states.",
        "| a table | its neighbors |",
        "# A favorite",
        "A line\nthat is\nfavored.",
    ],
)
def test_a_planted_word_is_found(planted):
    assert len(complaints(planted)) == 1


@pytest.mark.parametrize(
    "good",
    [
        "The size of a prize, resized and oversized, is seized.",
        "Quantize, dequantize, normalize and tokenize; the optimizer's vectorized loop.",
        "Utilisation, organised by neighbouring colours in the centre, as analysed and labelled.",
        'The paper says "token states" and "behavior".',
        "`color` and ``center``:\n\n```python\ncolor = 'gray'\n```",
        "Exercise, precise, otherwise, surprise, noise and promise; a laboratory and an honest rumour.",
        "A model and its label; modelled levels; key/value heads; the key that heads read.",
    ],
)
def test_what_the_book_writes_is_left_alone(good):
    assert complaints(good) == []
