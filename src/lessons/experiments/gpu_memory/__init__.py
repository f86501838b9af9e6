"""The chapter on GPU memory: what each level gives, and how a kernel is made to ask little of the far ones."""

from lessons.experiments.gpu_memory.copy import GpuCopy
from lessons.experiments.gpu_memory.gpu_product import GpuProduct
from lessons.experiments.gpu_memory.product import Product
from lessons.experiments.gpu_memory.reread import GpuReread, Reread

product = Product()
gpu_product = GpuProduct()
reread = Reread()
gpu_reread = GpuReread()
gpu_copy = GpuCopy()

EXPERIMENTS = [product, gpu_product, reread, gpu_reread, gpu_copy]
