"""The loop that writes: prefill the prompt, then one token at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import torch

from lessons.errors import LessonError, shown
from lessons.llm.limits import MAX_SEED, stop_texts, whole
from lessons.llm.load import LLM
from lessons.llm.sampling import Chance, SamplingParams, sample

NO_TOKENS = "the prompt holds no tokens; give at least one character to continue"


@dataclass(frozen=True)
class Generation:
    """What was written, and how long it took.

    Attributes:
        token_ids: the new tokens, the one that ended the answer included.
        text: their text, up to a stop text.
        prompt_tokens: tokens in the prompt.
        prefill_seconds: time of the pass over the prompt, which gives the first token.
        decode_seconds: time of each further token.
        finish_reason: "stop" after an end token or a stop text, else "length".
    """

    token_ids: tuple[int, ...]
    text: str
    prompt_tokens: int
    prefill_seconds: float
    decode_seconds: tuple[float, ...]
    finish_reason: str


def generate(
    llm: LLM,
    prompt: str | Sequence[int],
    max_tokens: int = 128,
    *,
    temperature: float = 0.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 0,
    stop: str | Sequence[str] = (),
) -> Generation:
    """Continue ``prompt`` by up to ``max_tokens`` tokens.

    Args:
        llm: the loaded model.
        prompt: plain text, or token ids; for a question to the Instruct model make them with
            ``llm.tokenizer.encode_chat``.
        max_tokens: the most tokens to write.
        temperature, top_k, top_p: see ``SamplingParams``; temperature 0 is greedy.
        seed: of the draws; the same seed on the same machine gives the same text.
        stop: a text, or several, that ends the answer and is left out of it.

    Raises:
        LessonError: for a prompt that is too long or holds no tokens, a value outside its range (``limits``), or a
            model whose logits are no numbers.
    """
    params = check_request(prompt, max_tokens, temperature, top_k, top_p, seed, stop)
    stop = stop_texts(stop)
    prompt_ids = encode_prompt(llm, prompt, max_tokens)
    chance = Chance.seeded(seed, llm.model.device)
    cache = llm.new_cache(len(prompt_ids) + max_tokens)

    token_ids: list[int] = []
    seconds: list[float] = []
    text, finish_reason = "", "length"
    step = torch.tensor(prompt_ids)
    while len(token_ids) < max_tokens:
        began = perf_counter()
        logits = llm.model.forward(step, cache, last_only=True)
        token = sample(logits[0], params, chance)
        seconds.append(perf_counter() - began)
        token_ids.append(token)
        if token in llm.tokenizer.stop_ids:
            finish_reason = "stop"
            break
        if stop:
            text = llm.tokenizer.decode(token_ids)
            if any(s in text for s in stop):
                finish_reason = "stop"
                break
        step = torch.tensor([token])
    text = llm.tokenizer.decode(token_ids)
    for s in stop:
        text = text.partition(s)[0]
    return Generation(tuple(token_ids), text, len(prompt_ids), seconds[0], tuple(seconds[1:]), finish_reason)


def check_request(
    prompt: str | Sequence[int],
    max_tokens: int,
    temperature: float = 0.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int | None = 0,
    stop: str | Sequence[str] = (),
) -> SamplingParams:
    """Check all of a request that needs no model, and return how to sample.

    Raises:
        LessonError: for an empty prompt, or one that is neither text nor token ids, no tokens to write, or a value
            outside its range.
    """
    if isinstance(prompt, bytes) or not hasattr(prompt, "__len__"):
        raise LessonError(f"the prompt is {shown(prompt)}; give text, or a list of token ids")
    if not len(prompt):
        raise LessonError(NO_TOKENS)
    if isinstance(prompt, str):
        try:
            prompt.encode()
        except UnicodeEncodeError as error:
            raise LessonError(
                f"character {error.start} of the prompt is {prompt[error.start]!r}, which is half of one; give text "
                "that was read as UTF-8"
            ) from error
    whole("max_tokens", max_tokens, 1)
    if seed is not None:
        whole("seed", seed, 0, MAX_SEED)
    stop_texts(stop)
    return SamplingParams(temperature, top_k, top_p)


def encode_prompt(llm: LLM, prompt: str | Sequence[int], max_tokens: int) -> list[int]:
    """Return the prompt's token ids, after checking that it and ``max_tokens`` fit the model.

    Raises:
        LessonError: when it holds no tokens, or ids that are none, or is too long for the model's context.
    """
    ids = llm.tokenizer.encode(prompt) if isinstance(prompt, str) else token_ids(prompt, llm.config.vocab)
    if not ids:
        raise LessonError(NO_TOKENS)
    context = llm.config.context
    if len(ids) + max_tokens > context:
        raise LessonError(
            f"a prompt of {len(ids)} tokens and {max_tokens} new ones exceed the model's context of "
            f"{context}; shorten the prompt or ask for fewer tokens"
        )
    return ids


def token_ids(prompt: Sequence[int], vocab: int) -> list[int]:
    """Return a prompt's token ids as Python's integers.

    Raises:
        LessonError: for one that is no whole number from 0 to the last of a vocabulary.
    """
    return [whole("a token id of the prompt", id, 0, vocab - 1) for id in prompt]
