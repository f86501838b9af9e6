"""What a chapter answers in short names experiments, findings and facts that there are."""

import pytest
from test_every import CHAPTERS, EXAMPLES, EXPERIMENTS

from lessons.experiments import text
from lessons.experiments.base import Outcome

SECTION, GPU = "in short", "gpu"


def problems(slug, said):
    """Return what is wrong with the passages of a chapter's answer."""
    known = {experiment.id: experiment for experiment in EXPERIMENTS}
    found = [] if GPU in said else ["nothing is said of a GPU"]
    for heading, passage in said.items():
        name, _, finding = heading.partition(" ")
        names = set(text.NAME.findall(passage))
        if heading == GPU:
            found += [f"{heading}: {fact} is known of no GPU" for fact in names]
        elif (experiment := known.get(f"{slug}.{name}")) is None:
            found.append(f"{heading}: there is no such experiment")
        elif finding and finding not in experiment.FINDINGS:
            found.append(f"{heading}: it finds no such thing")
        else:
            passport, result = next(e[1:3] for e in EXAMPLES if e[0] is experiment)
            prediction = passport if isinstance(passport, Outcome) else experiment.predict(passport)
            facts = experiment.every_fact(prediction, result)
            found += [f"{heading}: {fact} is no fact" for fact in sorted(names - set(facts))]
    return found


@pytest.mark.parametrize("slug", CHAPTERS)
def test_an_answer_names_what_there_is(slug):
    said = text.sections(text.FOLDER / slug / "text.md").get(SECTION)
    if said is None:
        pytest.skip("this chapter has no answer in short")
    assert problems(slug, said) == []


@pytest.mark.parametrize(
    "planted",
    [
        {"slots": "x"},
        {"slots": "{gian}", GPU: "x"},
        {"slot": "x", GPU: "x"},
        {"chunks worst-gap-endless": "x", GPU: "x"},
        {"slots": "x", GPU: "{gain}"},
    ],
)
def test_a_planted_mistake_is_found(planted):
    assert len(problems("batching", planted)) == 1
