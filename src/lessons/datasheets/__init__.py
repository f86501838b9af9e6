"""Published facts with their sources: accelerators, memories, links, models, prices and GPU limits.

The tables are TOML files beside this module. Everything is in SI base units (bytes, B/s, FLOP/s, W, US dollars),
and every rate is dense unless its field says ``sparse``.

    >>> accelerator("h100_sxm").bandwidth
    3350000000000.0
"""

from lessons.datasheets.lookup import accelerator, gpu_limits, link, memory, model, price, table
from lessons.datasheets.shapes import Accelerator, GpuLimits, Link, Memory, Model, Price

__all__ = [
    "Accelerator",
    "GpuLimits",
    "Link",
    "Memory",
    "Model",
    "Price",
    "accelerator",
    "gpu_limits",
    "link",
    "memory",
    "model",
    "price",
    "table",
]
