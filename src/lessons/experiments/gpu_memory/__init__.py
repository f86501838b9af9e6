"""The chapter on GPU memory: what each level holds, how fast it answers, and what a kernel makes of that."""

from lessons.experiments.base import Experiment

EXPERIMENTS: list[Experiment] = []
