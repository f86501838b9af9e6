"""A float32 matrix transposed by squares, past the caches, against torch and NumPy writing into the same array.

One thread, and rows a power of two apart, the worst case for the sets of a cache. ``ratio_numpy`` is ours against
NumPy; ``ratio_apart`` is ours against torch with rows one cache line farther apart.
"""

from __future__ import annotations

import common
import numpy as np
import torch

from lessons.kernels.tools.buffers import LINE, aligned
from lessons.kernels.transpose import transpose
from lessons.measure import Comparison, compare

SIDE = 4096  # elements: 67 MB each for x and out


def against(peer: str, padding: int = 0) -> Comparison:
    """Return our transpose against a peer's on the same arrays, whose rows have ``padding`` elements between them."""
    x, out = (aligned((SIDE, SIDE + padding), "float32")[:, :SIDE] for _ in range(2))
    x[:] = np.random.default_rng(0).standard_normal(x.shape, "float32")
    a, b = torch.from_numpy(x), torch.from_numpy(out)
    theirs = {"torch": lambda: b.copy_(a.t()), "numpy": lambda: np.copyto(out, x.T)}[peer]
    for run in (theirs, ours := lambda: transpose("blocked", x, out, nontemporal=True)):
        out.fill(0)
        run()
        if not np.array_equal(out, x.T):
            raise SystemExit(f"a transpose beside {peer} is not x.T")
    return compare(ours, theirs)


def measure_once() -> common.Record:
    """Compare the transposes."""
    torch.set_num_threads(1)
    comparison = against("torch")
    fields = {
        "ratio_numpy": against("numpy").ratio.value,
        "ratio_apart": against("torch", LINE // 4).ratio.value,
    }
    return common.record(comparison, 2 * 4 * SIDE**2, "B/s", 1, **fields)


if __name__ == "__main__":
    common.main(measure_once, bar=2.0, other_bars={"ratio_numpy": 4.0, "ratio_apart": 2.0})
