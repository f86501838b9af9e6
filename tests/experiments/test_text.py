"""Sentences are filled from facts, and a text that is wrong says where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.errors import LessonError
from lessons.experiments import text

TEXT = "# Preamble\n\n## one\n<!-- ### hidden\n-->\n### title\na title\n\n"
TEXT += "### text\nSome {thing} here.\n\n## two\n### text\nx\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "text.md").write_text(
        "## every chapter\n### cant-tell\nshared {ratio}\n### as-foreseen\nfine\n"
    )
    (tmp_path / "slug").mkdir()
    (tmp_path / "slug" / "text.md").write_text(TEXT)
    return tmp_path


def test_sections_and_passages(folder):
    assert text.sections(folder / "slug" / "text.md") == {
        "one": {"title": "a title", "text": "Some {thing} here."},
        "two": {"text": "x"},
    }


def test_a_chapters_own_passage_comes_before_the_shared_one(folder):
    (folder / "slug" / "text.md").write_text("## one\n### cant-tell\nown\n")
    assert text.passages("slug.one", folder) == {"cant-tell": "own", "as-foreseen": "fine"}


@pytest.mark.parametrize(
    ("written", "id", "words"),
    [
        ("## one\n### text\nx\n", "slug.two", "no section for slug.two"),
        ("## one\n### text\nx\n### text\ny\n", "slug.one", "heading ### text twice"),
        ("## one\n## one\n", "slug.one", "heading ## one twice"),
    ],
)
def test_a_wrong_text_says_what_is_wrong(folder, written, id, words):
    (folder / "slug" / "text.md").write_text(written)
    with pytest.raises(LessonError, match=words):
        text.passages(id, folder)


def test_a_missing_text_says_so(folder):
    with pytest.raises(LessonError, match="cannot be read"):
        text.passages("other.one", folder)


def test_a_name_that_is_no_fact_is_refused_and_a_role_is_left_alone():
    with pytest.raises(LessonError, match=r"\{b\} is no fact; there are a"):
        text.fill("{a} {b}", {"a": 1})
    assert text.fill("{a} {cite}`x` {1} {A}", {"a": 1}) == "1 {cite}`x` {1} {A}"


@given(st.text(alphabet="abc{} ", max_size=30), st.text(max_size=9))
def test_a_fact_is_put_in_as_it_is(passage, fact):
    names = text.NAME.findall(passage)
    assert text.fill(passage, dict.fromkeys(names, fact)).count(fact) >= len(names)


def test_a_table_is_markdown():
    assert text.rows([["a", "b"], ["x", 1]]) == "| a | b |\n| --- | --: |\n| x | 1 |"
