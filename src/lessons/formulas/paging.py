"""What reserving, rounding and paging waste: the share of cache memory that holds token states.

Time is counted in decode steps. A request with a prompt of p tokens and an output of o tokens holds its
memory for o steps, and in step i = 0 .. o-1 it stores p + i tokens. "Utilisation" is stored tokens over
allocated token slots, both summed over all steps of all requests. External fragmentation, the gaps between
allocations, is not in these forms: an allocator has to be run for that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from lessons.formulas.checks import choice, positive, whole

POLICIES = ("max", "pow2", "oracle")


class Shares(NamedTuple):
    """Where allocated slots go, as fractions of all slot-steps; they add up to 1.

    Attributes:
        used: slots that hold a token's state.
        reserved: slots that this request will fill in a later step.
        internal: slots that this request never fills.
    """

    used: float
    reserved: float
    internal: float


def blocks(tokens: int, block_size: int) -> int:
    """Return how many blocks of ``block_size`` tokens hold ``tokens``."""
    whole(minimum=0, tokens=tokens)
    whole(block_size=block_size)
    return -(-tokens // block_size)


def expected_waste(mean_length: float, block_size: int) -> float:
    """Return the expected share of allocated slots that stand empty in the sequences' last blocks.

    A last block is as likely to hold 1 token as ``block_size``, so (block_size - 1) / 2 slots are empty on
    average. Exact for lengths spread evenly over the remainders of ``block_size``.

    Args:
        mean_length: tokens stored by a live sequence, on average.
        block_size: tokens a block.

    Raises:
        ValueError: unless both are positive.

    Source: kwon2023pagedattention, section 4.
    """
    positive(mean_length=mean_length)
    whole(block_size=block_size)
    empty = (block_size - 1) / 2
    return empty / (mean_length + empty)


def buddy(tokens: int) -> int:
    """Return the slots a buddy allocator hands out for ``tokens``: the next power of two.

    Raises:
        ValueError: unless tokens is a whole number of 1 or more.

    Source: wilson1995allocation.
    """
    whole(tokens=tokens)
    return 1 << (tokens - 1).bit_length()


def reservation(prompt: int, output: int, policy: str, max_length: int = 2048) -> int:
    """Return the slots that a contiguous policy reserves when a request arrives.

    "max" reserves the model's longest sequence, "pow2" the prompt and the output's length rounded up to a
    power of two (never beyond ``max_length``), and "oracle" exactly what will be needed.

    Raises:
        ValueError: for another policy, or for a request longer than ``max_length``.

    Source: kwon2023pagedattention, section 6.1 (the Orca baselines).
    """
    choice("policy", policy, POLICIES)
    whole(prompt=prompt, output=output, max_length=max_length)
    if prompt + output > max_length:
        raise ValueError(
            f"prompt and output need {prompt + output} slots, but the limit is {max_length}; raise max_length"
        )
    if policy == "max":
        return max_length
    if policy == "pow2":
        return min(max_length, prompt + buddy(output))
    return prompt + output


def reservation_shares(
    requests: Iterable[tuple[int, int]], policy: str, max_length: int = 2048, rounded: bool = False
) -> Shares:
    """Return where the slots of a contiguous reservation go.

    Args:
        requests: (prompt, output) lengths in tokens.
        policy: "max", "pow2" or "oracle".
        max_length: the longest sequence in tokens.
        rounded: whether a buddy allocator rounds every reservation up to a power of two.

    Raises:
        ValueError: for no requests, or as in ``reservation``.

    Source: kwon2023pagedattention, section 3.1 and Figure 2.
    """
    used = later = total = 0.0
    for prompt, output in requests:
        slots = reservation(prompt, output, policy, max_length)
        slots = buddy(slots) if rounded else slots
        stored = output * prompt + output * (output - 1) / 2
        used += stored
        # The final length is prompt + output - 1 stored tokens: the last token generated is never cached.
        later += output * (prompt + output - 1) - stored
        total += output * slots
    if total == 0:
        raise ValueError("the mix has 0 requests, but needs 1 or more; give (prompt, output) pairs")
    return Shares(used / total, later / total, 1 - (used + later) / total)


def paged_shares(requests: Iterable[tuple[int, int]], block_size: int = 16) -> Shares:
    """Return where the slots go when blocks are taken one at a time, as tokens arrive.

    Args:
        requests: (prompt, output) lengths in tokens.
        block_size: tokens a block.

    Returns:
        Shares with the empty part of each last block under ``reserved`` where the request still fills it, and
        under ``internal`` where it does not.

    Raises:
        ValueError: for no requests or sizes that are not whole and positive.

    Source: kwon2023pagedattention, section 4.
    """
    whole(block_size=block_size)
    used = later = total = 0
    for prompt, output in requests:
        whole(prompt=prompt, output=output)
        last = prompt + output - 1
        stored = output * prompt + output * (output - 1) // 2
        slots = block_size * (_blocks_up_to(last, block_size) - _blocks_up_to(prompt - 1, block_size))
        # In the steps that share the final block, the slots beyond the final length are never filled.
        final_block_start = (blocks(last, block_size) - 1) * block_size
        steps_in_final = last - max(prompt - 1, final_block_start)
        never = steps_in_final * (blocks(last, block_size) * block_size - last)
        used += stored
        later += slots - stored - never
        total += slots
    if total == 0:
        raise ValueError("the mix has 0 requests, but needs 1 or more; give (prompt, output) pairs")
    return Shares(used / total, later / total, 1 - (used + later) / total)


def _blocks_up_to(n: int, block_size: int) -> int:
    """Return the sum of ceil(j / block_size) over j = 1 .. n."""
    full, rest = divmod(n, block_size)
    return block_size * full * (full + 1) // 2 + rest * (full + 1)
