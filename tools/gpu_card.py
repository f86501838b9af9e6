"""Write what the CUDA card of this machine is, before anything runs on it; say it in one sentence if there is none.

python tools/gpu_card.py card.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from lessons.files import write_atomic
from lessons.results.context import versions
from lessons.topology import nvidia


def main(path: str) -> int:
    """Write the facts to ``path`` and print them: the width of the memory's bus and its clock are told nowhere else."""
    import torch

    cards = nvidia.devices()
    if not cards:
        print(
            f"torch {torch.__version__} (for CUDA {torch.version.cuda}) finds no device here", file=sys.stderr
        )
        return 2
    properties = torch.cuda.get_device_properties(0)
    facts = {
        "device": cards[0],
        **nvidia.card(cards[0]),
        "compute_capability": f"{properties.major}.{properties.minor}",
        "multiprocessors": properties.multi_processor_count,
        "memory_bytes": properties.total_memory,
        "l2_bytes": getattr(properties, "L2_cache_size", None),
        "cuda": torch.version.cuda,
        "versions": versions(),
    }
    text = json.dumps(facts, indent=1)
    print(text)
    write_atomic(Path(path), text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
