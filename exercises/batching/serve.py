"""Build it: the loop of a continuous batching server with chunked prefill."""


def serve(requests: list[tuple[int, int]], slots: int, budget: int) -> list[dict[int, int]]:
    """Return the steps that serve all requests, which wait from the start.

    A request of n prompt tokens and m answer tokens computes its n prompt tokens first, in one step or in several.
    The step that computes the last of them also gives the first token of the answer. Each further answer token takes a
    step in which the request computes one token. So it computes n + m - 1 tokens in all, and then its slot is free.

    In each step

    - every running request whose prompt is done computes exactly one token;
    - then prompts take what the budget still holds, the oldest request first;
    - requests are admitted in their order, as soon as a slot is free and the budget holds a token for them.

    Args:
        requests: prompt and answer tokens of each request, both 1 or more, in the order of arrival.
        slots: requests that run at a time.
        budget: tokens that a step computes at most; no less than ``slots``.

    Returns:
        For each step the tokens that each running request computes, by the request's place in ``requests``. A request
        that computes nothing in a step is left out, and so is an empty step.
    """
    raise NotImplementedError("write the loop; the test says what is still missing")
