"""The chapter on the memory of a GPU: what a load moves, what is in flight, and what a cache keeps."""

from __future__ import annotations

from lessons.experiments.gpu_memory.strided import GpuStrided, Strided
from lessons.experiments.gpu_memory.transpose import GpuTranspose, Transpose

strided, transpose = Strided(), Transpose()
gpu_strided, gpu_transpose = GpuStrided(), GpuTranspose()

EXPERIMENTS = [strided, transpose, gpu_strided, gpu_transpose]
