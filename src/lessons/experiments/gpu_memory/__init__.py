"""The chapter on a GPU's memory: its levels, what keeps them busy, and what an access costs in each."""

from lessons.experiments.gpu_memory.in_flight import InFlight
from lessons.experiments.gpu_memory.staircase import GpuStaircase

in_flight = InFlight()
gpu_staircase = GpuStaircase()

EXPERIMENTS = [in_flight, gpu_staircase]
