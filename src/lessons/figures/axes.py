"""Axes that speak in KiB, GB/s and nanoseconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.axis import Axis, XAxis
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from lessons.units import format_binary, format_value

_LETTERS = 30  # that fit below a panel on a phone, beside long names on its left
_GAP = 2  # letters between two ticks


class _FewTicks(LogLocator):
    """Decades, and 2 and 5 between them where the view has fewer than three decades."""

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        self.set_params(subs=(1.0,))
        ticks = super().tick_values(vmin, vmax)
        if sum(vmin <= tick <= vmax for tick in ticks) >= 3:
            return ticks
        self.set_params(subs=(1.0, 2.0, 5.0))
        return super().tick_values(vmin, vmax)


class _FittingTicks(MaxNLocator):
    """At most four ticks, and fewer where their words have no room beside each other on a phone."""

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        assert isinstance(self.axis, Axis)
        for count in (4, 3, 2, 1):
            self.set_params(nbins=count)
            ticks = super().tick_values(vmin, vmax)
            words = [self.axis.get_major_formatter()(tick) for tick in ticks if vmin <= tick <= vmax]
            if sum(len(word) + _GAP for word in words) <= _LETTERS:
                break
        return ticks


def bytes_axis(axis: Axis) -> None:
    """Make ``axis`` a logarithmic axis of sizes with ticks such as 32 KiB and 1 MiB.

    Args:
        axis: ``ax.xaxis`` or ``ax.yaxis``, in bytes.
    """
    _set_log(axis, base=2)
    axis.set_major_locator(LogLocator(base=2, numticks=5))
    axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: format_binary(value)))


def rate_axis(axis: Axis, unit: str, log: bool = False) -> None:
    """Label ``axis`` with values such as 40 GB/s or 2 TFLOP/s.

    Args:
        axis: ``ax.xaxis`` or ``ax.yaxis``, in the base unit.
        unit: that unit, as ``lessons.units.format_value`` knows it: "B/s", "FLOP/s", "tokens/s", "%".
        log: whether the axis is logarithmic; a linear one starts at zero, so that lengths can be compared.
    """
    _prefixed(axis, lambda value, digits=3: format_value(value, unit, digits), log)


def time_axis(axis: Axis, log: bool = False) -> None:
    """Label ``axis``, in seconds, with values such as 80 ns or 1.5 ms. ``log`` as for ``rate_axis``."""
    _prefixed(axis, lambda value, digits=3: format_value(value, "s", digits), log)


def _prefixed(axis: Axis, text: Callable[..., str], log: bool) -> None:
    if log:
        _set_log(axis, base=10)
        axis.set_major_locator(_FewTicks())
        axis.set_minor_formatter(NullFormatter())
        axis.set_major_formatter(FuncFormatter(lambda value, _: _short(text(value))))
        return
    if isinstance(axis, XAxis):
        axis.axes.set_xlim(left=0)
        axis.set_major_locator(_FittingTicks())
    else:
        axis.axes.set_ylim(bottom=0)
    axis.set_major_formatter(FuncFormatter(lambda value, _: _in_one_unit(axis, value, text)))


def _in_one_unit(axis: Axis, value: float, text: Callable[..., str]) -> str:
    """Format a tick with the prefix of the axis's end: 0, 0.5 ms and 1 ms, and not 0 ns, 500 µs and 1 ms."""
    end = max(abs(edge) for edge in axis.get_view_interval())
    if value == 0 or end == 0:
        return "0"
    number, space, unit = text(end, 12).partition(" ")
    return f"{value / end * float(number.replace(',', '')):,.5g}{space}{unit}"


def _short(text: str) -> str:
    """Drop the zeros that a tick does not need: ``40.0 GB/s`` becomes ``40 GB/s``."""
    number, space, unit = text.partition(" ")
    if "." in number:
        number = number.rstrip("0").rstrip(".")
    return number + space + unit


def _set_log(axis: Axis, base: int) -> None:
    set_scale = axis.axes.set_xscale if isinstance(axis, XAxis) else axis.axes.set_yscale
    set_scale("log", base=base)
