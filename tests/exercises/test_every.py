"""What all chapters' exercises have: a level and minutes, a folded solution, and one that builds a thing."""

import re

import pytest
from pages import exercises, solution
from project import ROOT

CHAPTERS = sorted(path.parent.name for path in (ROOT / "src/lessons/experiments").glob("*/__init__.py"))
TITLE = re.compile(r"(Build it\. )?Level [123], \d+ minutes")


@pytest.mark.parametrize("slug", CHAPTERS)
def test_an_exercise_says_how_hard_it_is_and_has_a_folded_solution(slug):
    found = exercises(slug)
    assert found
    for label, (title, _) in found.items():
        assert TITLE.fullmatch(title), f"{slug}, {label}: {title!r}"
        assert ":class: dropdown" in solution(slug, label), label


@pytest.mark.parametrize("slug", CHAPTERS)
def test_one_exercise_builds_something_against_a_test(slug):
    builds = [body for title, body in exercises(slug).values() if title.startswith("Build it.")]
    assert len(builds) == 1
    named = re.search(rf"exercises/{slug}/(\w+)\.py", builds[0])
    assert named and (ROOT / "exercises" / slug / f"{named[1]}.py").exists()
    assert (ROOT / "exercises" / slug / f"test_{named[1]}.py").exists()
