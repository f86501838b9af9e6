"""The chapter on GPU memory: registers, L1 and shared memory, L2, HBM."""

from lessons.experiments.gpu_memory.banks import Banks
from lessons.experiments.gpu_memory.gpu_banks import GpuBanks
from lessons.experiments.gpu_memory.sectors import Sectors

sectors = Sectors()
banks = Banks()
gpu_banks = GpuBanks()

EXPERIMENTS = [sectors, banks, gpu_banks]
