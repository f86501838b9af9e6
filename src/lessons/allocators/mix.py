"""The requests of the paging experiment: prompt and output lengths, fixed before anything was measured."""

from __future__ import annotations

import math
import random

PROMPT_MEAN, OUTPUT_MEAN = 161, 338  # tokens; ShareGPT as the paper used it, Figure 11
SPREAD = 1.0  # standard deviation of the logarithm: our assumption, the paper prints the histogram only
MAX_LENGTH = 2048  # the context of OPT, the paper's model
SEED = 20230912  # the day the paper was published


def request_mix(count: int = 600, seed: int = SEED) -> list[tuple[int, int]]:
    """Return ``count`` pairs (prompt, output) in tokens with log-normal lengths.

    A pair longer than the context is drawn again, as the paper leaves such conversations out. That lowers the
    means a little below ``PROMPT_MEAN`` and ``OUTPUT_MEAN``.

    Source:
        kwon2023pagedattention, section 6.1 and Figure 11.
    """
    draw = random.Random(seed)
    # The mean of a log-normal is exp(mu + sigma^2 / 2).
    location = [math.log(mean) - SPREAD**2 / 2 for mean in (PROMPT_MEAN, OUTPUT_MEAN)]
    pairs: list[tuple[int, int]] = []
    while len(pairs) < count:
        prompt, output = (max(1, round(draw.lognormvariate(mu, SPREAD))) for mu in location)
        if prompt + output <= MAX_LENGTH:
            pairs.append((prompt, output))
    return pairs
