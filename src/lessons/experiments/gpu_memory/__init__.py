"""The chapter on a GPU's memory: what is in flight, which bytes of it are used, and what tiles and caches save."""

from __future__ import annotations

from lessons.experiments.gpu_memory.banks import Banks
from lessons.experiments.gpu_memory.copy import GpuCopy
from lessons.experiments.gpu_memory.gpu_banks import GpuBanks
from lessons.experiments.gpu_memory.gpu_product import GpuProduct
from lessons.experiments.gpu_memory.in_flight import InFlight
from lessons.experiments.gpu_memory.product import Product
from lessons.experiments.gpu_memory.reread import GpuReread, Reread
from lessons.experiments.gpu_memory.sectors import Sectors
from lessons.experiments.gpu_memory.staircase import GpuStaircase
from lessons.experiments.gpu_memory.strided import GpuStrided, Strided
from lessons.experiments.gpu_memory.transpose import GpuTranspose, Transpose

in_flight, sectors, strided, banks = InFlight(), Sectors(), Strided(), Banks()
transpose, product, reread = Transpose(), Product(), Reread()
gpu_staircase, gpu_strided, gpu_banks = GpuStaircase(), GpuStrided(), GpuBanks()
gpu_transpose, gpu_product, gpu_reread, gpu_copy = GpuTranspose(), GpuProduct(), GpuReread(), GpuCopy()
EXPERIMENTS = [
    *(in_flight, sectors, strided, banks, transpose, product, reread),
    *(gpu_staircase, gpu_strided, gpu_banks, gpu_transpose, gpu_product, gpu_reread, gpu_copy),
]
