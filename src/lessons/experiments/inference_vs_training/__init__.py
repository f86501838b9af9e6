"""The chapter on inference and training: two phases, two memories, two times; one module each."""

from __future__ import annotations

from lessons.experiments.inference_vs_training.memory import Memory
from lessons.experiments.inference_vs_training.phases import Phases
from lessons.experiments.inference_vs_training.step import Step, StepOnDevice

phases, memory, step, cuda = Phases(), Memory(), Step(), StepOnDevice()
EXPERIMENTS = [phases, memory, step, cuda]
