"""The experiments of the chapter on quantisation."""

from __future__ import annotations

from lessons.experiments.quantization_cuda import Float8OnDevice
from lessons.experiments.quantization_error import WeightError
from lessons.experiments.quantization_outliers import Outliers
from lessons.experiments.quantization_perplexity import Perplexity
from lessons.experiments.quantization_speed import Rows, Speed

error = WeightError()
perplexity = Perplexity()
speed = Speed()
rows = Rows()
outliers = Outliers()
cuda = Float8OnDevice()

EXPERIMENTS = [error, perplexity, speed, rows, outliers, cuda]
