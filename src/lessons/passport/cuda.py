"""What the probes of a CUDA device share."""


def l2_bytes() -> int:
    """Return the bytes of the first device's L2 as torch reports it; 40 MiB where it does not."""
    import torch

    return getattr(torch.cuda.get_device_properties(0), "L2_cache_size", 0) or 40 << 20


def working_sets() -> dict[str, int]:
    """Return the bytes that stand for the first device's cache and for its memory: "l2" and "dram"."""
    import torch

    cache, memory = l2_bytes(), torch.cuda.get_device_properties(0).total_memory
    return {"l2": cache // 4, "dram": min(max(16 * cache, 1 << 30), memory // 8)}
