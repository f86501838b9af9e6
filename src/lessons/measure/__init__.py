"""Timing that can be believed: warm-up, samples, spread, interleaved comparison, and the wrong ways on show."""

from lessons.measure.compare import Comparison, compare
from lessons.measure.stats import median_interval, median_ratio
from lessons.measure.timer import Timing, time
from lessons.measure.turns import in_turns

__all__ = ["Comparison", "Timing", "compare", "in_turns", "median_interval", "median_ratio", "time"]
