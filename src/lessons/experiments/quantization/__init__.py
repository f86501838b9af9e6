"""The experiments of the chapter on quantisation."""

from __future__ import annotations

from lessons.experiments.quantization.error import WeightError
from lessons.experiments.quantization.float8 import Float8OnDevice
from lessons.experiments.quantization.outliers import Outliers
from lessons.experiments.quantization.perplexity import Perplexity
from lessons.experiments.quantization.rows import Rows
from lessons.experiments.quantization.speed import Speed

error = WeightError()
perplexity = Perplexity()
speed = Speed()
rows = Rows()
outliers = Outliers()
cuda = Float8OnDevice()

EXPERIMENTS = [error, perplexity, speed, rows, outliers, cuda]
