"""Speculative decoding: guess several tokens, check them all in one pass, keep the beginning that holds.

One pass over g + 1 tokens reads the weights once, as a pass over one token does. A drafter (``drafters``) proposes
g tokens; row i of the target's logits then judges guess i, and the row after the last kept guess gives one token
more. So a step yields from 1 to g + 1 tokens, and they are distributed exactly as if each had been decoded alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import torch

from lessons.llm.cache import KVCache
from lessons.llm.drafters import Draft, Drafter
from lessons.llm.limits import whole
from lessons.llm.sampling import Chance, SamplingParams, likeliest, probabilities

if TYPE_CHECKING:
    from lessons.llm.load import LLM
    from lessons.llm.model import Llama

DRAFT_LENGTH = 7  # with the token before them, 8 rows: the most that kernels.gemv runs in one reading


def match(guesses: Sequence[int], logits: torch.Tensor) -> tuple[int, int]:
    """Verify for greedy decoding: a guess stands when it is the likeliest token. No chance is involved.

    Args:
        guesses: g tokens.
        logits: [g + 1, vocab]; row i judges guess i.

    Returns:
        How many guesses stand, and the token after them.
    """
    best = likeliest(logits)
    accepted = next((i for i, guess in enumerate(guesses) if guess != best[i]), len(guesses))
    return accepted, best[accepted]


def verify(
    draft: Draft,
    target: torch.Tensor,
    chance: Chance,
) -> tuple[int, int]:
    """Verify for sampling: keep guess x with probability min(1, p(x) / q(x)); replace the first refused one.

    The replacement is drawn from what q left of p, max(0, p - q) scaled to 1. What was drawn too often is thinned
    out and what was drawn too seldom is filled up, so that the emitted token has the distribution p exactly.

    Args:
        draft: the guesses, and the q of each.
        target: p, [g + 1, vocab], each row summing to 1.
        chance: asked once for each guess up to the first refused one, and once for the last token.

    Returns:
        How many guesses stand, and the token after them.

    Source:
        Leviathan et al. 2023, algorithm 1 (leviathan2023speculative); chen2023speculative, algorithm 2.
    """
    for i, guess in enumerate(draft.tokens):
        p = target[i]
        q = torch.zeros_like(p) if draft.probs is None else draft.probs[i]
        if draft.probs is None:
            q[guess] = 1  # a guess that was not drawn
        if not chance.happens(float(p[guess] / q[guess])):
            return i, chance.draw(residual(p, q))
    return len(draft.tokens), chance.draw(target[-1])


def residual(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """Return max(0, p - q) scaled to sum 1; p and q are [vocab].

    Rounded probabilities sum to 1 only nearly: p may be below q here and there, and above it nowhere. There is then
    nothing left of p to fill up, the two are equal as far as float32 can tell, and p itself is returned.
    """
    excess = (p - q).clamp(min=0)
    total = excess.sum()
    return excess / total if total > 0 else p


@dataclass(frozen=True)
class Step:
    """One pass of the target: guesses offered, guesses kept, tokens written (at most one more), seconds."""

    drafted: int
    accepted: int
    emitted: int
    seconds: float


def decode(
    model: Llama,
    cache: KVCache,
    tokens: Sequence[int],
    drafter: Drafter,
    max_tokens: int,
    *,
    params: SamplingParams,
    chance: Chance,
    draft_length: int = DRAFT_LENGTH,
    stop_ids: Collection[int] = (),
) -> Iterable[tuple[list[int], Step]]:
    """Continue ``tokens``, yielding what each pass of the target wrote.

    Args:
        model: the target; only its ``forward`` is used.
        cache: empty, or with the first of the tokens in it, but not with the last; with room for all of them and
            ``max_tokens`` more. Refused guesses are rolled back from it.
        tokens: the prompt, at least one token.
        drafter: whose guesses are verified.
        max_tokens: the most tokens to write.
        params: how the target samples.
        chance: all randomness.
        draft_length: the most guesses in a pass, 0 for plain decoding.
        stop_ids: tokens after which nothing more is written.
    """
    tokens = list(tokens)
    left = max_tokens
    draft = Draft()  # the prompt's own pass has nothing to verify
    unseen = tokens[cache.length :]
    began = perf_counter()
    while left > 0:
        logits = model.forward(torch.tensor([*unseen, *draft.tokens]), cache, last_only=not draft.tokens)
        judging = logits[-len(draft.tokens) - 1 :]
        if params.greedy:
            accepted, token = match(draft.tokens, judging)
        else:
            accepted, token = verify(draft, probabilities(judging, params), chance)
        cache.truncate(len(tokens) + accepted)
        written = [*draft.tokens[:accepted], token]
        ends = [i for i, t in enumerate(written) if t in stop_ids]
        written = written[: ends[0] + 1] if ends else written
        tokens += written
        left = 0 if ends else left - len(written)
        drafter.observe(len(draft.tokens), accepted)
        now = perf_counter()
        yield written, Step(len(draft.tokens), accepted, len(written), now - began)
        began = perf_counter()
        if left:
            # A pass writes one token more than it has kept, so the last token is never drafted.
            draft = drafter.propose(tokens, min(draft_length, left - 1), params, chance)
            unseen = [token]


@dataclass(frozen=True)
class SpeculativeGeneration:
    """What was written, and what became of the guesses.

    Attributes:
        token_ids: the new tokens, the one that ended the answer included.
        text: their text.
        prompt_tokens: tokens in the prompt.
        prefill_seconds: time of the pass over the prompt, which gives the first token.
        steps: the passes after it.
    """

    token_ids: tuple[int, ...]
    text: str
    prompt_tokens: int
    prefill_seconds: float
    steps: tuple[Step, ...]

    @property
    def decode_seconds(self) -> float:
        """Seconds after the first token."""
        return sum(step.seconds for step in self.steps)

    @property
    def drafted(self) -> int:
        return sum(step.drafted for step in self.steps)

    @property
    def accepted(self) -> int:
        return sum(step.accepted for step in self.steps)

    @property
    def tokens_per_step(self) -> float:
        """Tokens written in a pass, the prompt's pass left out; plain decoding has 1."""
        return sum(step.emitted for step in self.steps) / max(1, len(self.steps))


def generate(
    llm: LLM,
    prompt: str | Sequence[int],
    drafter: Drafter,
    max_tokens: int = 128,
    *,
    temperature: float = 0.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 0,
    draft_length: int = DRAFT_LENGTH,
) -> SpeculativeGeneration:
    """Continue ``prompt`` as ``lessons.llm.generate.generate`` does, faster where the drafter guesses well.

    Greedy text is the same, except where two tokens are so close that the order of a sum decides. Sampled text has
    the same distribution, but not the same draws for a seed.

    Args:
        llm: the target model.
        prompt: plain text, or token ids; for a question make them with ``llm.tokenizer.encode_chat``.
        drafter: a fresh one for each answer.
        max_tokens, temperature, top_k, top_p, seed: as for plain generation.
        draft_length: the most guesses in a pass.

    Raises:
        LessonError: as for plain generation.
    """
    from lessons.llm.generate import check_request, encode_prompt

    params = check_request(prompt, max_tokens, temperature, top_k, top_p, seed)
    whole("draft_length", draft_length, 0)
    prompt_ids = encode_prompt(llm, prompt, max_tokens)
    chance = Chance.seeded(seed, llm.model.device)
    cache = llm.new_cache(len(prompt_ids) + max_tokens)
    token_ids: list[int] = []
    steps: list[Step] = []
    for written, step in decode(
        llm.model,
        cache,
        prompt_ids,
        drafter,
        max_tokens,
        params=params,
        chance=chance,
        draft_length=draft_length,
        stop_ids=llm.tokenizer.stop_ids,
    ):
        token_ids += written
        steps.append(step)
    text = llm.tokenizer.decode(token_ids)
    return SpeculativeGeneration(tuple(token_ids), text, len(prompt_ids), steps[0].seconds, tuple(steps[1:]))
