"""Each experiment's figure keeps the map of kinds, and its legend covers nothing, on a desktop and on a phone."""

import re
from importlib import import_module
from itertools import combinations

import numpy as np
import pytest
from machines import MACHINES
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.path import Path
from matplotlib.transforms import Bbox
from readable import unreadable
from test_every import EXAMPLES, EXPERIMENTS

from lessons import figures
from lessons.experiments import looks
from lessons.experiments.base import Outcome
from lessons.figures.style import BACKGROUND, FOREGROUND

KINDS = ("predicted", "measured", "simulated", "recorded", "published")
NOTHING = ("None", "none", "", " ", None)
HOLLOW = ("none", BACKGROUND)


def kind(artist):
    """Return which of the kinds an artist looks like; "guide" for a line that is no number; None for neither."""
    if isinstance(artist, ErrorbarContainer):
        artist = artist[0]
    if isinstance(artist, BarContainer):
        bar = artist.patches[0]
        if not bar.get_fill():
            return "predicted" if bar.get_hatch() else None
        return None if bar.get_hatch() else "filled bar"
    if isinstance(artist, LineCollection):
        dashed = artist.get_linestyles()[0][1] is not None
        thin = artist.get_linewidths()[0] < 1
        return "guide" if thin else "predicted" if dashed else None
    mark, line = artist.get_marker(), artist.get_linestyle()
    face = artist.get_markerfacecolor()
    if line == "--":
        return "predicted" if mark in (*NOTHING, "+") else None
    if mark in NOTHING:
        return "guide" if artist.get_linewidth() < 1 and line in ("-", ":") else None
    if face == "none" or to_hex(face) == BACKGROUND:
        hollow = {("s", ":"): "recorded", ("s", "None"): "recorded", ("^", "None"): "published"}
        return hollow.get((mark, line))
    if mark == "D":
        return "simulated" if line == "-." else None
    return "measured" if mark in figures.MARKS and line in ("-", "None") else None


def violations(figure):
    """Return what in a figure does not keep the map: looks of no kind, and labels that say another one."""
    found = []
    for ax in figure.axes:
        named = list(zip(*ax.get_legend_handles_labels()))
        errors = [c for c in ax.containers if isinstance(c, ErrorbarContainer)]
        ends = {id(part) for c in errors for part in (*c[1], *c[2])}
        plain = [line for line in ax.lines if id(line) not in ends]
        for artist in (
            *plain,
            *(a for a, _ in named),
            *(c for c in ax.containers if isinstance(c, BarContainer)),
        ):
            if kind(artist) is None:
                found.append(f"{artist.get_label()!r} looks like no kind")
        words = " ".join([ax.get_xlabel(), ax.get_ylabel()])
        for artist, label in named:
            looks_like = kind(artist)
            for said in KINDS:
                if re.search(rf"\b{said}\b", label) and looks_like not in (said, "filled bar"):
                    found.append(f"{label!r} looks {looks_like}")
            if looks_like == "filled bar" and "predicted" in label:
                found.append(f"{label!r} is filled")
            if looks_like == "simulated" and "simulated" not in label + words:
                found.append(f"{label!r} does not say that it is simulated")
    return found


def unnamed(figure):
    """Return the panels with an axis of numbers and no word of what they are."""
    found = []
    for number, ax in enumerate(figure.axes):
        for axis in (ax.xaxis, ax.yaxis):
            labels = [t.get_text() for t in axis.get_ticklabels()]
            numbers = any(re.match(r"^[−\d.,/]+", label) for label in labels)
            if numbers and not axis.get_label_text() and axis.get_tick_params().get("labelleft", True):
                found.append(f"panel {number}, {axis.axis_name}: {labels}")
    return found


PER = re.compile(r"\b(\w+s|block) an? (second|step|block|sequence|token|weight|layer|pass|request|user)\b")


def said_without_per(figure):
    """Return the labels that say a rate by "a": STYLE.md asks for "per"."""
    said = [
        words
        for ax in figure.axes
        for words in (ax.get_title(), ax.get_xlabel(), ax.get_ylabel(), *ax.get_legend_handles_labels()[1])
    ]
    return [words for words in said if PER.search(words)]


def covered(figure):
    """Return what lies under a legend: points, lines between them, and bars."""
    legends = [*figure.legends, *(ax.get_legend() for ax in figure.axes if ax.get_legend())]
    boxes = [legend.get_window_extent() for legend in legends]
    found = []
    for ax in figure.axes:
        for line in ax.lines:
            if kind(line) == "guide":
                continue
            path = line.get_path().interpolated(20) if len(line.get_xydata()) > 1 else line.get_path()
            points = line.get_transform().transform(path.vertices)
            if any(
                box.contains(*point) for box in boxes for point in points[np.isfinite(points).all(axis=1)]
            ):
                found.append(line.get_label())
        for patch in ax.patches:
            extent = patch.get_window_extent()
            if any(box.overlaps(Bbox(extent)) for box in boxes if extent.width and extent.height):
                found.append(patch.get_label())
    return found


def collisions(figure):
    """Return the words that stand on each other, and those that stand on a point or a line of their panel."""
    found = []
    for ax in figure.axes:
        words = [*ax.texts, ax.title, ax.xaxis.label]
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
            words += [label for label in ticks if label.get_rotation() == 0]
        words = [text for text in words if text.get_text() and text.get_visible()]
        boxes = [text.get_window_extent() for text in words]
        for (one, a), (other, b) in combinations(zip(words, boxes), 2):
            if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 3:
                found.append(f"{one.get_text()!r} on {other.get_text()!r}")
        for text in ax.texts:
            box = text.get_window_extent().padded(-2)  # air above and below the letters
            for line in ax.lines:
                drawn = Path(line.get_transform().transform(line.get_xydata()))
                if line.get_linestyle() not in NOTHING and len(drawn) > 1:
                    drawn = drawn.interpolated(100)
                points = drawn.vertices[np.isfinite(drawn.vertices).all(axis=1)]
                if kind(line) != "guide" and any(box.contains(*point) for point in points):
                    found.append(f"{text.get_text()!r} on {line.get_label()!r}")
    return found


@pytest.fixture
def looked(monkeypatch):
    """Return for each drawing that was made its width and all that is wrong with it."""
    found = []
    save = Figure.savefig

    def look(figure, *args, **kwargs):
        save(figure, *args, **kwargs)
        if kwargs["format"] == "svg":
            figure.draw_without_rendering()
            found.append(
                (
                    figure.get_figwidth(),
                    [
                        *violations(figure),
                        *covered(figure),
                        *collisions(figure),
                        *unnamed(figure),
                        *said_without_per(figure),
                    ],
                )
            )

    monkeypatch.setattr(Figure, "savefig", look)
    return found


def drawn(experiment):
    """Draw an experiment's examples."""
    for known, passport, result, _ in EXAMPLES:
        if known is experiment:
            prediction = passport if isinstance(passport, Outcome) else experiment.predict(passport)
            figure, _ = figures.new(experiment.panels)
            with figures.style():
                experiment.draw(prediction, result, figure)
            yield figures.render(figure, experiment.alt(prediction, result), experiment.id)


@pytest.mark.parametrize("experiment", [e for e in EXPERIMENTS if e.panels], ids=lambda e: e.id)
def test_a_figure_keeps_the_map_and_hides_nothing(experiment, looked):
    picture = next(drawn(experiment))
    unreadable(picture)
    assert len({width for width, _ in looked}) == 2
    assert [wrong for _, wrong in looked if wrong] == []


def test_the_pictures_that_are_no_experiments_do_so_too(looked):
    unreadable(import_module("lessons.experiments.inference_vs_training.cards").picture())
    unreadable(import_module("lessons.experiments.gpu_memory.levels").picture())
    unreadable(import_module("lessons.experiments.gpu_memory.need").picture())
    unreadable(looks.machine(MACHINES[0]))
    assert [wrong for _, wrong in looked if wrong] == []


def planted(draw):
    figure, (ax,) = figures.new()
    with figures.style():
        draw(ax)
        ax.set(xlabel="x", ylabel="y")
    figures.render(figure, "A fault.")


@pytest.mark.parametrize(
    "draw",
    [
        lambda ax: ax.plot([1, 2], [1, 2], label="predicted"),
        lambda ax: ax.plot([1, 2], [1, 2], "--o", label="a bound"),
        lambda ax: ax.plot([1, 2], [1, 2], "o", mfc="none", label="ours"),
        lambda ax: figures.measured(ax, [1, 2], [1, 2], label="published"),
        lambda ax: figures.predicted(ax, [1, 2], [1, 2], "measured"),
        lambda ax: figures.simulated(ax, [1, 2], [1, 2], "ours"),
        lambda ax: figures.recorded(ax, [1, 2], [1, 2], mfc="#00aa00"),
        lambda ax: figures.bars(ax, [1, 2], [1, 2], "predicted"),
        lambda ax: figures.bars(ax, [1, 2], [1, 2], "ours", hatch="//"),
        lambda ax: ax.hlines([1], [0], [1], label="predicted"),
    ],
)
def test_a_planted_look_is_found(draw, looked):
    planted(draw)
    assert all(wrong for _, wrong in looked) and len(looked) == 2


@pytest.mark.parametrize("kind_of", ["line", "bar"])
def test_a_legend_over_data_is_found(kind_of, looked):
    def draw(ax):
        if kind_of == "line":
            figures.measured(ax, [0, 1], [0, 1])
        else:
            figures.bars(ax, [0, 1, 2], [1, 1, 1], "measured")
        ax.legend(loc="center")

    planted(draw)
    assert all(wrong for _, wrong in looked) and len(looked) == 2


@pytest.mark.parametrize("on", ["word", "point", "line"])
def test_words_on_each_other_or_on_data_are_found(on, looked):
    def draw(ax):
        figures.measured(ax, [0, 1, 4], [0, 1, 4])
        for place in {"word": [(1, 3), (1, 3)], "point": [(1, 1)], "line": [(3, 3)]}[on]:
            ax.text(*place, "a name", ha="center", va="center")

    planted(draw)
    assert all(wrong for _, wrong in looked) and len(looked) == 2


@pytest.mark.parametrize(
    "words", ["tokens a step", "half a block a sequence", "loads a second, times one walk"]
)
def test_a_rate_without_per_is_found(words, looked):
    planted(lambda ax: figures.measured(ax, [0, 1], [0, 1], label=f"ours, {words}"))
    assert all(wrong for _, wrong in looked) and len(looked) == 2


def test_an_axis_without_a_word_is_found(looked):
    figure, (ax,) = figures.new()
    ax.plot([0, 1], [0, 1], **figures.guide())
    figures.render(figure, "A line.")
    assert len(looked[0][1]) == 2


def test_the_kinds_look_as_the_map_says():
    _, (ax,) = figures.new()
    for draw in (figures.predicted, figures.measured, figures.simulated, figures.recorded, figures.published):
        draw(ax, [1, 2], [1, 2])
    figures.bars(ax, [1], [1], "predicted bar", predicted=True)
    figures.levels(ax, [1], [1], "predicted level")
    found = {label: kind(artist) for artist, label in zip(*ax.get_legend_handles_labels())}
    assert found == {
        **{name: name for name in KINDS},
        "predicted bar": "predicted",
        "predicted level": "predicted",
    }
    assert (
        kind(Line2D([], [], **figures.guide()))
        == kind(Line2D([], [], **figures.guide(dotted=True)))
        == "guide"
    )
    assert figures.guide()["color"] == FOREGROUND
