"""The chapter on the roofline: the bend, the batch, a model's operations, and fusion; one module each."""

from __future__ import annotations

from lessons.experiments.roofline.batch import Batch
from lessons.experiments.roofline.fusion import Fusion
from lessons.experiments.roofline.model_step import ModelStep
from lessons.experiments.roofline.sweep import GpuSweep, Sweep

sweep, batch, model_step, fusion, gpu_sweep = Sweep(), Batch(), ModelStep(), Fusion(), GpuSweep()
EXPERIMENTS = [sweep, batch, model_step, fusion, gpu_sweep]
