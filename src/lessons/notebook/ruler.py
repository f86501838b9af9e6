"""The log ruler of a result card: each number in a lane of its own, so that no label lies over another."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lessons.figures.style import BACKGROUND, COLOURS, FOREGROUND, MUTED
from lessons.measure.verdict import BAND
from lessons.units import format_value

LANE, AXIS = 28.0, 30.0  # pixels: the height of a lane, and of the axis with its numbers
EDGE = 14.0  # from the drawing's edge to the axis's end
GAP = 10.0  # between a mark and its label
CHARACTER = 0.56  # the width of a letter, in heights: a generous mean
UNPREFIXED = ("tokens", "tokens/s", "rows")  # an axis says its numbers alone
# By what a mark is: its colour, and how the line down to the axis is broken, as in the figures (lessons.figures) where
# these have the kind. The shapes are in _shape.
LOOKS = {
    "guess": ("purple", "6 3 1 3 1 3"),
    "textbook": ("green", "11 4"),
    "predicted": ("vermilion", "6 4"),
    "measured": ("blue", ""),
    "simulated": ("blue", "7 3 1 3"),
    "recorded": ("blue", "1 3"),
}


class Size(NamedTuple):
    """A drawing for one width of the card.

    Attributes:
        name: "wide" or "narrow".
        width, font: in its own pixels, which are about those of the screen.
        ticks: how many at most.
        style: as CSS; without the site's style sheet only the wide one is shown.
    """

    name: str
    width: float
    font: float
    ticks: int
    style: str


SIZES = (
    Size("wide", 640, 13, 7, "max-width:720px"),
    Size("narrow", 320, 12.5, 4, "display:none;max-width:420px"),
)


@dataclass(frozen=True)
class Mark:
    """One number on the ruler.

    Attributes:
        kind: a key of ``LOOKS``.
        name: what stands beside it.
        value, low, high: in base units; the interval is equal to the value where there is none.
    """

    kind: str
    name: str
    value: float
    low: float
    high: float

    def text(self, unit: str) -> str:
        """Return the mark's label."""
        return f"{self.name} {_short(self.value, unit)}"


@dataclass(frozen=True)
class Scale:
    """A logarithmic axis.

    Attributes:
        low, high: the decimal logarithms of its ends.
        left, right: where the ends are, in pixels.
    """

    low: float
    high: float
    left: float
    right: float

    def place(self, value: float) -> float:
        """Return where a value is, in pixels; what is beyond an end, or no positive number, is at that end."""
        at = math.log10(value) if value > 0 else -math.inf
        share = min(1.0, max(0.0, (at - self.low) / (self.high - self.low)))
        return self.left + share * (self.right - self.left)


def drawable(value: float) -> bool:
    """Tell whether a logarithmic axis has a place for a value."""
    return 0 < value < math.inf


def limits(
    marks: Sequence[Mark], predicted: float, roomy: bool = False, unit: str = ""
) -> tuple[float, float]:
    """Return the decimal logarithms of the ruler's ends: all marks, and at least half to twice the prediction.

    Args:
        marks: with drawable values; ends of intervals that are not drawable do not count.
        predicted: drawable too.
        roomy: a quarter to four times, for a guess that is still to come.
        unit: shares ("%") of which none is above 100 % have an axis that ends there.
    """
    reach, margin = math.log10(4 if roomy else 2), math.log10(1.15)
    values = [v for m in marks for v in (m.value, m.low, m.high) if drawable(v)]
    logs = [math.log10(v) for v in values] + [math.log10(predicted) + s * reach for s in (-1, 1)]
    end = max(logs) + margin
    if unit == "%" and max([predicted, *values]) <= 1:
        end = min(end, 0.0)
    return min(logs) - margin, end


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return round values between two decimal logarithms, as dense as ``most`` allows."""
    exponents = range(math.floor(low), math.ceil(high) + 1)
    step = 1
    mantissas: tuple[int, ...] = (1, 2, 5)
    while True:
        values = [
            float(f"{m}e{k}") for k in exponents if k % step == 0 for m in mantissas
            if low <= k + math.log10(m) <= high
        ]  # fmt: skip
        if len(values) <= most:
            return [value for value in values if drawable(value)]
        step, mantissas = (step, (1,)) if len(mantissas) > 1 else (step + 1, mantissas)


def ruler(name: str, kind: str, unit: str, marks: Sequence[Mark], asks: bool = False) -> str:
    """Return the ruler as SVG, once for a wide and once for a narrow card; nothing where it can't be drawn.

    That is where the prediction or the result is zero, below it, or no number. Other such marks are left out.

    Args:
        name: unique on the page.
        kind: the experiment's; an estimate and a ratio get their band, a bound its forbidden side.
        unit: of all marks.
        marks: the prediction and the result are the last two; a guess is the first.
        asks: keep a lane for the guess that a reader will make.
    """
    if not all(drawable(m.value) for m in marks[-2:]):
        return ""
    shown = [m for m in marks if drawable(m.value)]
    predicted = shown[-2].value
    low, high = limits(shown, predicted, asks, unit)
    if asks:  # the page moves this mark to what the reader guesses, and names it
        middle = 10 ** ((low + high) / 2)
        shown = [Mark("guess", "", middle, middle, middle), *shown]
    bottom = LANE * len(shown) + 2
    drawings = []
    for size in SIZES:
        scale = Scale(low, high, EDGE, size.width - EDGE)
        lanes = [_lane(m, LANE * (i + 0.5), bottom, scale, unit, size.font) for i, m in enumerate(shown)]
        ground = _ground(f"{name}-{size.name}", kind, predicted, scale, bottom)
        drawings.append(_svg(size, scale, bottom, [ground, _axis(scale, unit, bottom, size), *lanes], asks))
    return "".join(drawings)


def _svg(size: Size, scale: Scale, bottom: float, parts: list[str], asks: bool) -> str:
    """Return a drawing, without its first lane where the guess in it is still to come."""
    height, top = bottom + AXIS - 4, LANE if asks else 0.0
    bare = f"0 {top:g} {size.width:g} {height - top:g}"
    data = {"low": scale.low, "high": scale.high, "left": scale.left, "right": scale.right}
    data["letter"] = CHARACTER * size.font
    return (
        f'<svg class="lessons-ruler lessons-{size.name}" aria-hidden="true" width="100%" viewBox="{bare}" '
        f'data-bare="{bare}" data-box="0 0 {size.width:g} {height:g}" '
        + "".join(f'data-{key}="{value:.6g}" ' for key, value in data.items())
        + f'style="{size.style};font:{size.font:g}px system-ui,sans-serif">{"".join(parts)}</svg>'
    )


def _ground(name: str, kind: str, predicted: float, scale: Scale, bottom: float) -> str:
    """Return what lies under the marks: the band that counts as close, or the side that a bound forbids."""
    fill, at = _paint("vermilion"), scale.place(predicted)
    if kind in ("at most", "at least"):
        left, right = (at, scale.right) if kind == "at most" else (scale.left, at)
        hatch = (
            f'<pattern id="{name}" width="7" height="7" patternUnits="userSpaceOnUse" '
            f'patternTransform="rotate(45)"><path d="M 0 0 V 7" stroke="{fill}" stroke-opacity="0.45" '
            'stroke-width="2"/></pattern>'
        )
        return f"<defs>{hatch}</defs>{_box(left, right, bottom)}fill='url(#{name})'/>"
    if kind == "count":
        return ""
    ends = scale.place(predicted / BAND), scale.place(predicted * BAND)
    return f"{_box(*ends, bottom)}fill='{fill}' fill-opacity='0.13'/>"


def _box(left: float, right: float, bottom: float) -> str:
    return (
        f"<rect class='lessons-band' x='{left:.1f}' y='0' width='{right - left:.1f}' height='{bottom:.1f}' "
    )


def _axis(scale: Scale, unit: str, bottom: float, size: Size) -> str:
    ink, faint, free = _paint("fg"), _paint("muted"), 0.0
    parts = [
        f'<path d="M {scale.left:g} {bottom:g} H {scale.right:g}" stroke="{ink}" stroke-width="1" fill="none"/>'
    ]
    for value in ticks(scale.low, scale.high, size.ticks):
        x, text = scale.place(value), _short(value, unit, 1)
        if unit in UNPREFIXED:
            text = text.removesuffix(f" {unit}")
        half = _width(text, size.font) / 2
        middle = min(max(x, half), scale.right + EDGE - half)
        parts.append(f'<path d="M {x:.1f} 0 V {bottom:g}" stroke="{faint}" stroke-width="0.7"/>')
        parts.append(f'<path d="M {x:.1f} {bottom:g} v 4" stroke="{ink}" stroke-width="1"/>')
        if middle - half >= free:
            parts.append(
                f'<text x="{middle:.1f}" y="{bottom + 6 + size.font:.1f}" text-anchor="middle" fill="{ink}">'
                f"{html.escape(text)}</text>"
            )
            free = middle + half + GAP
    return "".join(parts)


def _lane(mark: Mark, y: float, bottom: float, scale: Scale, unit: str, font: float) -> str:
    colour, dashes = LOOKS[mark.kind]
    paint, x = _paint(colour), scale.place(mark.value)
    low, high = scale.place(mark.low), scale.place(mark.high)
    text = mark.text(unit)
    width = _width(text, font)
    from_, to = min(low, x - 6), max(high, x + 6)
    baseline = y + 0.35 * font
    if to + GAP + width <= scale.right + EDGE:
        place, anchor = to + GAP, "start"
    elif from_ - GAP - width >= 0:
        place, anchor = from_ - GAP, "end"
    else:  # no room on either side: above the mark
        half = width / 2
        place, anchor = min(max(x, half), scale.right + EDGE - half), "middle"
        baseline, y = y - 2, y + 8
    first = 0.0 if mark.kind == "predicted" else y
    heavy = 2 if mark.kind == "predicted" else 1
    line = f'<path d="M 0 {first:.1f} V {bottom:g}" stroke="{paint}" stroke-width="{heavy}" fill="none"'
    line += f' stroke-dasharray="{dashes}"/>' if dashes else "/>"
    interval = ""
    if mark.low != mark.high:
        left, right = low - x, high - x
        caps = "".join(
            f" M {end:.1f} {y - 5:.1f} v 10" for end, value in ((left, mark.low), (right, mark.high))
            if drawable(value)
        )  # fmt: skip
        interval = f'<path d="M {left:.1f} {y:.1f} H {right:.1f}{caps}" stroke="{paint}" stroke-width="2" fill="none"'
        interval += ' stroke-dasharray="3 2"/>' if mark.kind == "predicted" else "/>"
    halo = f"paint-order:stroke;stroke:{_paint('bg')};stroke-width:4px;stroke-linejoin:round"
    hidden = ' data-mark="guess"' if mark.kind == "guess" else ""
    hidden += "" if mark.name else ' display="none"'  # a guess that is still to come, until the page moves it
    return (
        f'<g class="lessons-mark lessons-mark-{mark.kind}"{hidden} transform="translate({x:.1f} 0)">'
        f"{line}{interval}{_shape(mark.kind, y, paint)}"
        f'<text x="{place - x:.1f}" y="{baseline:.1f}" text-anchor="{anchor}" fill="{_paint("fg")}" '
        f'style="{halo}">{html.escape(text)}</text></g>'
    )


def _shape(kind: str, y: float, paint: str) -> str:
    """Return the mark itself, centred on x = 0."""
    hollow = f'fill="{_paint("bg")}" stroke="{paint}" stroke-width="2"'
    match kind:
        case "guess":
            return f'<path d="M -7 {y - 6:.1f} h 14 l -7 12 z" {hollow}/>'
        case "textbook":
            return f'<path d="M -5 {y - 5:.1f} l 10 10 m 0 -10 l -10 10" {hollow}/>'
        case "measured":
            return f'<circle cy="{y:.1f}" r="5.5" fill="{paint}"/>'
        case "simulated":
            return f'<path d="M 0 {y - 7:.1f} l 6 7 l -6 7 l -6 -7 z" fill="{paint}"/>'
        case "recorded":
            return f'<rect x="-5" y="{y - 5:.1f}" width="10" height="10" {hollow}/>'
    return ""  # a prediction is its line alone


def _width(text: str, font: float) -> float:
    """Return about how wide a text is, in pixels: an m is nearly two letters, and so is a per cent sign."""
    return CHARACTER * font * (len(text) + 0.75 * text.count("m") + text.count("%"))


def _short(value: float, unit: str, digits: int = 3) -> str:
    """Return a value that fits beside its mark, however large or small it is."""
    text = format_value(value, unit, digits)
    return text if len(text) <= 16 else f"{value:.{digits - 1}e} {unit}".removesuffix(" 1")


def _paint(name: str) -> str:
    """Return a colour as the figures of the page have it (``lessons.figures.svg``)."""
    match name:
        case "fg":
            return f"var(--lessons-fg, var(--jp-ui-font-color1, {FOREGROUND}))"
        case "muted":
            return f"var(--lessons-muted, var(--jp-border-color1, {MUTED}))"
        case "bg":
            return f"var(--lessons-bg, var(--jp-layout-color0, {BACKGROUND}))"
    return f"var(--lessons-{name}, {COLOURS[name]})"
