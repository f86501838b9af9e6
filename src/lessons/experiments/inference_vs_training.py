"""The chapter on inference and training: two phases, two memories, two times; one module each."""

from __future__ import annotations

from lessons.experiments.inference_vs_training_memory import Memory
from lessons.experiments.inference_vs_training_phases import Phases
from lessons.experiments.inference_vs_training_step import Step, StepOnDevice

phases, memory, step, cuda = Phases(), Memory(), Step(), StepOnDevice()
EXPERIMENTS = [phases, memory, step, cuda]
