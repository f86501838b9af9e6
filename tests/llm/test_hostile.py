"""A model file that lies does no harm: all that can be done with it is done, or ends in a sentence.

``LESSONS_MUTANTS=5000`` tries that many files and not 150.
"""

import os

import hostile
import pytest

MUTANTS = int(os.environ.get("LESSONS_MUTANTS", "150"))


@pytest.mark.slow
def test_no_lie_of_a_file_does_harm(tmp_path):
    found = list(hostile.survey(range(MUTANTS), tmp_path))
    assert len(found) == MUTANTS
    harmed = [(name, harm) for name, ends in found if (harm := hostile.harm(ends))]
    assert not harmed, f"{len(harmed)} of {MUTANTS} files did harm, the first of them: {harmed[:5]}"
    for way in ("read", "tokenizer", "plain", "packed", "guessed", "compared"):
        # The lies are neither all found at once nor without effect.
        done = sum(ends[way] == "done" for _, ends in found)
        assert MUTANTS / 20 < done < MUTANTS, way


@pytest.mark.slow
def test_without_the_comparison_of_shapes_the_same_files_do(tmp_path):
    assert any(hostile.harm(ends) for _, ends in hostile.survey(range(30), tmp_path, 1, "unchecked"))


@pytest.mark.slow
def test_a_file_that_kills_is_named_and_the_others_are_tried(tmp_path):
    found = dict(hostile.survey([3, hostile.DEADLY, 4], tmp_path, 1))
    assert list(found) == [hostile.mutant(seed)[0] for seed in (3, hostile.DEADLY, 4)]
    assert hostile.harm(found["the deadly one"]).keys() == {"process"}
    assert found["the deadly one"]["process"].startswith("ended with")
    assert [hostile.harm(found[hostile.mutant(seed)[0]]) for seed in (3, 4)] == [{}, {}]
