"""What the probes of a CUDA device share."""


def working_sets() -> dict[str, int]:
    """Return the bytes that stand for the first device's cache and for its memory: "l2" and "dram"."""
    import torch

    properties = torch.cuda.get_device_properties(0)
    cache = getattr(properties, "L2_cache_size", 0) or 40 << 20
    return {"l2": cache // 4, "dram": min(max(16 * cache, 1 << 30), properties.total_memory // 8)}
