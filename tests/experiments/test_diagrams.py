"""Each chapter has a drawn diagram, readable on a desktop and on a phone."""

from importlib import import_module
from itertools import combinations

import pytest
from machines import MACHINES
from matplotlib.figure import Figure
from readable import unreadable
from test_every import CHAPTERS

from lessons import figures
from lessons.figures import blocks


def draw(slug):
    module = import_module(f"lessons.experiments.{slug}.diagram")
    return module.draw(MACHINES[0]) if "passport" in module.draw.__annotations__ else module.draw()


@pytest.fixture
def drawn(monkeypatch):
    """Return for each drawing that was made its width and the pairs of texts that lie over each other."""
    found = []
    save = Figure.savefig

    def look(figure, *args, **kwargs):
        save(figure, *args, **kwargs)
        figure.draw_without_rendering()  # at the figure's own resolution: a text keeps the size that it was saved in
        texts = [text for ax in figure.axes for text in ax.texts]
        pairs = [
            {one.get_text(), other.get_text()}
            for one, other in combinations(texts, 2)
            if one.get_window_extent().overlaps(other.get_window_extent())
        ]
        found.append((figure.get_figwidth(), pairs))

    monkeypatch.setattr(Figure, "savefig", look)
    return found


@pytest.mark.parametrize("slug", CHAPTERS)
def test_a_chapters_diagram_is_readable_on_both_screens(slug, drawn):
    picture = draw(slug)
    unreadable(picture)
    assert len({width for width, _ in drawn}) == 2
    assert [pairs for _, pairs in drawn if pairs] == []
    assert len(picture.alt) > 100


def test_planted_faults_are_found(drawn):
    figure, (ax,) = figures.new()
    ax.text(0.5, 0.5, "small", fontsize=8)
    with pytest.raises(AssertionError):
        unreadable(figures.render(figure, "a small text"))
    figure, (ax,) = blocks.sheet(1, 2.0)
    blocks.note(ax, (1.0, 1.0), "one text")
    blocks.note(ax, (1.1, 1.05), "over another")
    figures.render(figure, "two texts")
    assert {"one text", "over another"} in drawn[-1][1]
