"""Published facts with their sources: accelerators, their SMs and levels of memory, memories, links, models and prices.

The tables are TOML files beside this module. Everything is in SI base units (bytes, B/s, FLOP/s, W, US dollars),
and every rate is dense unless its field says ``sparse``.

    >>> accelerator("h100_sxm").bandwidth
    3350000000000.0
"""

from lessons.datasheets.lookup import (
    accelerator,
    gpu_levels,
    gpu_limits,
    link,
    memory,
    model,
    multiprocessor,
    multiprocessor_of,
    price,
    table,
)
from lessons.datasheets.shapes import (
    Accelerator,
    GpuLevels,
    GpuLimits,
    Link,
    Memory,
    Model,
    Multiprocessor,
    Price,
)

__all__ = [
    "Accelerator",
    "GpuLevels",
    "GpuLimits",
    "Link",
    "Memory",
    "Model",
    "Multiprocessor",
    "Price",
    "accelerator",
    "gpu_levels",
    "gpu_limits",
    "link",
    "memory",
    "model",
    "multiprocessor",
    "multiprocessor_of",
    "price",
    "table",
]
