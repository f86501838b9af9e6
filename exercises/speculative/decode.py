"""Build it: speculative decoding for a model that always writes its likeliest token."""

from collections.abc import Callable, Sequence

Model = Callable[[Sequence[int]], list[int]]
Draft = Callable[[Sequence[int], int], list[int]]


def decode(
    model: Model, draft: Draft, prompt: Sequence[int], count: int, longest: int
) -> tuple[list[int], int]:
    """Continue ``prompt`` by ``count`` tokens: guess, verify all guesses in one pass, keep what holds.

    Args:
        model: one pass. Given n tokens it returns n: at place i the likeliest token after the first i + 1 of them. So
            one pass over a text and some guesses tells what the model would have written at each place.
        draft: given a text and a number g, it returns at most g guesses of what comes next, perhaps none.
        prompt: tokens, at least one.
        count: how many tokens to write, no more and no less.
        longest: how many guesses a pass verifies at most.

    Returns:
        The tokens after the prompt: exactly those that the model writes alone, one per pass. And the passes it took.

    Each pass writes the guesses up to the first wrong one, and one token of the model's own after them. So the last
    token needs no guess: when n tokens are left, more than n - 1 guesses are wasted.
    """
    raise NotImplementedError("write the loop; the test says what is still missing")
