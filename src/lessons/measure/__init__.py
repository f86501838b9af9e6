"""Timing that can be believed: warm-up, samples, spread, interleaved comparison, and the wrong ways on show."""

from lessons.measure.compare import Comparison, compare
from lessons.measure.stats import median_interval
from lessons.measure.timer import Timing, time

__all__ = ["Comparison", "Timing", "compare", "median_interval", "time"]
